import { existsSync, rmSync, writeFileSync } from "node:fs";
import { findProgram } from "./find-program.mjs";
import { runCommand } from "./run-command.mjs";
import { showProgress } from "./show-progress.mjs";

/**
 * Programs that some tests run, with the Debian package that brings each.
 * @type {Readonly<Record<string, string>>}
 */
export const debianPackages = {
  postgres: "postgresql",
  "redis-server": "redis-server",
  "nats-server": "nats-server",
  chromium: "chromium",
  promtool: "prometheus",
  git: "git",
};

/** While this file says 101, Debian packages do not start the services that they bring. */
const servicePolicy = "/usr/sbin/policy-rc.d";

/**
 * @typedef {object} Machine
 * @property {(name: string) => string | undefined} find path of a program
 * @property {boolean} mayInstall
 * @property {(packages: readonly string[]) => Promise<void>} install
 */

/**
 * Finds the programs that tests need and, as root on Debian, installs the missing ones. A failed installation is
 * reported and is no error: the tests that need the program say so themselves.
 *
 * @param {readonly string[]} [names] names of programs; default: all
 * @param {Machine} [machine]
 * @returns {Promise<{ readonly installed: readonly string[], readonly missing: readonly string[] }>} names of programs
 */
export async function installServers(names = Object.keys(debianPackages), machine = thisMachine()) {
  const absent = names.filter((name) => !machine.find(name));
  if (absent.length === 0 || !machine.mayInstall) return { installed: [], missing: absent };
  const packages = [...new Set(absent.map((name) => debianPackages[name] ?? name))];
  try {
    await machine.install(packages);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  return {
    installed: absent.filter((name) => machine.find(name)),
    missing: absent.filter((name) => !machine.find(name)),
  };
}

/** @returns {Machine} */
function thisMachine() {
  return {
    find: findProgram,
    mayInstall: process.getuid?.() === 0 && existsSync("/etc/debian_version") && findProgram("apt-get") !== undefined,
    install: (packages) =>
      showProgress(
        { begin: `Installing Debian packages (${packages.join(", ")})`, done: "Debian packages installed" },
        () => withoutStartingServices(() => installPackages(packages)),
      ),
  };
}

/** @param {readonly string[]} packages */
async function installPackages(packages) {
  await apt(["update"]);
  await apt(["install", "-y", "--no-install-recommends", ...packages]);
}

/** @param {readonly string[]} args */
async function apt(args) {
  const { exitCode, output } = await runCommand("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=300", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  if (exitCode !== 0) throw new Error(`apt-get ${args[0]} failed with exit code ${exitCode}:\n${lastLines(output)}`);
}

/**
 * A policy that is there already is left alone.
 *
 * @param {() => Promise<void>} work
 */
async function withoutStartingServices(work) {
  if (existsSync(servicePolicy)) return work();
  writeFileSync(servicePolicy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await work();
  } finally {
    rmSync(servicePolicy, { force: true });
  }
}

/** @param {string} output */
function lastLines(output) {
  return output.trimEnd().split("\n").slice(-20).join("\n");
}
