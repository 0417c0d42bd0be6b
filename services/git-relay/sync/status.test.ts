import { describe, expect, test } from "vitest";
import type { ConnectionStatus } from "./snapshot.js";
import { assertTransition, isTransition, type StatusAfter } from "./status.js";

const statuses: readonly ConnectionStatus[] = [
  "disconnected",
  "connecting",
  "syncing",
  "connected",
  "connected_with_failures",
  "disconnecting",
];
const defined: Readonly<Record<ConnectionStatus, readonly StatusAfter[]>> = {
  disconnected: ["connecting", "removed"],
  connecting: ["syncing", "disconnected"],
  syncing: ["connected", "connected_with_failures", "disconnected", "disconnecting"],
  connected: ["syncing", "disconnected", "disconnecting"],
  connected_with_failures: ["syncing", "disconnected", "disconnecting"],
  disconnecting: ["removed"],
};

describe("the status of a peer", () => {
  const pairs = statuses.flatMap((from) => [...statuses, "removed" as const].map((to) => [from, to] as const));

  test.each(pairs)("GR-236 from %s to %s exists or throws", (from, to) => {
    const exists = defined[from].includes(to);
    expect(isTransition(from, to)).toBe(exists);
    if (exists) assertTransition(from, to);
    else expect(() => assertTransition(from, to)).toThrow(TypeError);
  });
});
