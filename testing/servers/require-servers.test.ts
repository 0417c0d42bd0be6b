import { describe, expect, test } from "vitest";
import { findServer } from "./find-server.js";
import { requireServers } from "./require-servers.js";

describe("requireServers", () => {
  const find = (name: string) => (name === "redis-server" ? "/usr/bin/redis-server" : undefined);

  test("PF-005 a missing server skips the tests that need it, by name", () => {
    const needed = requireServers(["redis-server", "nats-server"], { find, environment: {} });
    expect(needed.skip).toBe(true);
    expect(needed.title("BullMQ")).toBe("BullMQ (needs nats-server)");
  });

  test("PF-005 with CI=true a missing server is a failure", () => {
    expect(() => requireServers(["nats-server"], { find, environment: { CI: "true" } })).toThrow(/nats-server/);
  });

  test("tests run when everything is there", () => {
    const needed = requireServers(["redis-server"], { find, environment: { CI: "true" } });
    expect(needed.skip).toBe(false);
    expect(needed.title("BullMQ")).toBe("BullMQ");
  });
});

describe("findServer", () => {
  test("PF-005 servers are found outside of PATH, where Debian puts them", () => {
    expect(findServer("sh", "")).toMatch(/^\/(usr\/)?bin\/sh$/);
  });

  test("PATH comes first", () => {
    expect(findServer("sh", "/bin")).toBe("/bin/sh");
  });

  test("a name that is nowhere, or a folder, is not found", () => {
    expect(findServer("no-such-server")).toBeUndefined();
    expect(findServer("lib", "/usr")).toBeUndefined();
  });
});
