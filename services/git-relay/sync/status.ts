import type { ConnectionStatus } from "./snapshot.js";

/** The end of a peer: nothing comes after it. */
export type StatusAfter = ConnectionStatus | "removed";

const ways: Readonly<Record<ConnectionStatus, readonly StatusAfter[]>> = {
  disconnected: ["connecting", "removed"],
  connecting: ["syncing", "disconnected"],
  syncing: ["connected", "connected_with_failures", "disconnected", "disconnecting"],
  connected: ["syncing", "disconnected", "disconnecting"],
  connected_with_failures: ["syncing", "disconnected", "disconnecting"],
  disconnecting: ["removed"],
};

/** Whether a peer may go from one status to the other. */
export function isTransition(from: ConnectionStatus, to: StatusAfter): boolean {
  return ways[from].includes(to);
}

/** @throws {TypeError} for a way that does not exist, which is a mistake in the engine */
export function assertTransition(from: ConnectionStatus, to: StatusAfter): void {
  if (!isTransition(from, to)) throw new TypeError(`A peer cannot go from ${from} to ${to}.`);
}

/** Whether the connection is open and used. */
export function isOpen(status: ConnectionStatus): boolean {
  return status === "syncing" || status === "connected" || status === "connected_with_failures";
}
