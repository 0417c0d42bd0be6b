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

/** The figures of the metric `ngit_sync_relay_connected`. */
const figures: Readonly<Record<ConnectionStatus, number>> = {
  disconnected: 0,
  connecting: 1,
  syncing: 2,
  connected: 3,
  connected_with_failures: 4,
  disconnecting: 5,
};

/** What the metric shows unless the last two statuses are to be shown as well: not complete, and not connected. */
const plainFigures = { ...figures, connected_with_failures: 2, disconnecting: 0 };

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

/** @param extended whether the statuses 4 and 5 are shown as such */
export function figureOf(status: ConnectionStatus, extended: boolean): number {
  return (extended ? figures : plainFigures)[status];
}
