import { expect, test } from "vitest";
import { findServer } from "../testing/servers/find-server.js";
import { findProgram } from "./find-program.mjs";
import { debianPackages, installServers } from "./install-servers.mjs";

/** A machine that has `present` and gets everything that is installed, except `broken`. */
function machineWith({
  present = [],
  broken = [],
  mayInstall = true,
}: {
  present?: string[];
  broken?: string[];
  mayInstall?: boolean;
}) {
  const programs = new Set(present);
  const installed: string[][] = [];
  return {
    installed,
    machine: {
      mayInstall,
      find: (name: string) => (programs.has(name) ? `/usr/bin/${name}` : undefined),
      async install(packages: readonly string[]) {
        installed.push([...packages]);
        for (const [program, name] of Object.entries(debianPackages)) {
          if (packages.includes(name) && !broken.includes(program)) programs.add(program);
        }
        if (broken.length > 0) throw new Error("apt-get install failed");
      },
    },
  };
}

test("PF-005 as root on Debian the missing servers are installed, the others left alone", async () => {
  const { machine, installed } = machineWith({ present: ["git", "postgres"] });
  expect(await installServers(undefined, machine)).toEqual({
    installed: ["redis-server", "nats-server", "chromium", "promtool"],
    missing: [],
  });
  expect(installed).toEqual([["redis-server", "nats-server", "chromium", "prometheus"]]);
});

test("PF-005 elsewhere nothing is installed and the missing ones are named", async () => {
  const { machine, installed } = machineWith({ present: ["git", "postgres", "chromium"], mayInstall: false });
  expect(await installServers(undefined, machine)).toEqual({
    installed: [],
    missing: ["redis-server", "nats-server", "promtool"],
  });
  expect(installed).toEqual([]);
});

test("nothing is installed when everything is there", async () => {
  const { machine, installed } = machineWith({ present: Object.keys(debianPackages) });
  expect(await installServers(undefined, machine)).toEqual({ installed: [], missing: [] });
  expect(installed).toEqual([]);
});

test("a failed installation is reported by the names of what is still missing", async () => {
  const { machine } = machineWith({ broken: ["nats-server"] });
  const { missing } = await installServers(["redis-server", "nats-server"], machine);
  expect(missing).toEqual(["nats-server"]);
});

test("the bootstrap and the tests look for servers in the same places", () => {
  for (const name of [...Object.keys(debianPackages), "initdb", "sh", "no-such-program"]) {
    for (const path of ["", process.env["PATH"] ?? ""]) expect(findProgram(name, path)).toBe(findServer(name, path));
  }
});
