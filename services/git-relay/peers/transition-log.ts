import type { Database } from "@signalbox/database";
import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import type { PeerUrl } from "../sync/ports.js";
import type { ConnectionStatus } from "../sync/snapshot.js";
import type { PeerTables } from "./tables.js";

/** What happened to a peer's connection, or what the peer had to say. */
export type PeerHappening = { readonly at: number; readonly cause: string } & (
  | { readonly kind: "transition"; readonly from: ConnectionStatus; readonly to: ConnectionStatus }
  | { readonly kind: "notice" }
);

export interface TransitionQuery {
  /** Unix milliseconds, inclusive. Default: everything that is kept. */
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly limit: number;
}

/** Remembers for 90 days what happened to connections. Written behind: a crash loses the last second. */
export interface TransitionLog {
  readonly service: Service;
  transition(url: PeerUrl, from: ConnectionStatus, to: ConnectionStatus, cause: string, at: number): void;
  notice(url: PeerUrl, text: string, at: number): void;
  /** The newest first. */
  list(url: PeerUrl, query: TransitionQuery): Promise<readonly PeerHappening[]>;
}

export interface TransitionLogOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

const writeAfterMs = 1_000;
const sweepEveryMs = 3_600_000;
const keptMs = 90 * 86_400_000;
const maxBuffered = 10_000;
/** A peer that talks without end fills no table. */
const maxNoticesAnHour = 100;
const maxCauseLength = 500;

type Row = PeerTables["relay_peer_transitions"];

export function createTransitionLog({ database, clock, logger }: TransitionLogOptions): TransitionLog {
  let buffer: Row[] = [];
  let place = 0;
  let writeTimer: Timer | undefined;
  let sweepTimer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();
  let stopped = false;
  const noticesOf = new Map<PeerUrl, { hour: number; count: number }>();

  const write = async (): Promise<void> => {
    const rows = buffer;
    buffer = [];
    if (rows.length === 0) return;
    try {
      await database.runMany(
        `insert into relay_peer_transitions (url, at, place, from_status, to_status, cause)
          values (?, ?, ?, ?, ?, ?)`,
        rows.map((row) => [row.url, row.at, row.place, row.from_status, row.to_status, row.cause]),
      );
    } catch (error) {
      logger.warn("what happened to connections of peers could not be stored", { error, count: rows.length });
      buffer = [...rows, ...buffer].slice(-maxBuffered);
    }
  };
  const add = (row: Omit<Row, "place">): void => {
    buffer.push({ ...row, place: place++, cause: row.cause.slice(0, maxCauseLength) });
    if (buffer.length > maxBuffered) buffer.shift();
    if (stopped) return;
    writeTimer ??= clock.setTimer(writeAfterMs, () => {
      writeTimer = undefined;
      writing = writing.then(write);
    });
  };

  const mayNote = (url: PeerUrl, at: number): boolean => {
    const hour = Math.floor(at / 3_600_000);
    const noted = noticesOf.get(url);
    const count = noted?.hour === hour ? noted.count + 1 : 1;
    noticesOf.set(url, { hour, count });
    return count <= maxNoticesAnHour;
  };

  const sweep = async (): Promise<void> => {
    noticesOf.clear();
    try {
      await database.run("delete from relay_peer_transitions where at < ?", [clock.nowMs() - keptMs]);
    } catch (error) {
      logger.warn("old transitions of peers could not be removed", { error });
    }
  };
  const scheduleSweep = (): void => {
    sweepTimer = clock.setTimer(sweepEveryMs, () => {
      writing = writing.then(sweep).finally(() => {
        if (!stopped) scheduleSweep();
      });
    });
  };

  return {
    service: createService({
      name: "transitions of peers",
      async start() {
        scheduleSweep();
      },
      async stop() {
        stopped = true;
        writeTimer?.cancel();
        sweepTimer?.cancel();
        await writing;
        await write();
      },
    }),

    transition: (url, from, to, cause, at) => add({ url, at, from_status: from, to_status: to, cause }),
    notice(url, text, at) {
      if (mayNote(url, at)) add({ url, at, from_status: null, to_status: null, cause: readable(text) });
    },

    async list(url, { fromMs = 0, toMs = Number.MAX_SAFE_INTEGER, limit }) {
      writing = writing.then(write);
      await writing;
      const rows = await database
        .reader<PeerTables>()
        .selectFrom("relay_peer_transitions")
        .selectAll()
        .where("url", "=", url)
        .where("at", ">=", fromMs)
        .where("at", "<=", toMs)
        .orderBy("at", "desc")
        .orderBy("place", "desc")
        .limit(limit)
        .execute();
      return rows.map(toHappening);
    },
  };
}

/** The databases take no NUL, and nobody wants to read other control characters. */
function readable(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

function toHappening({ at, cause, from_status, to_status }: Row): PeerHappening {
  if (from_status === null || to_status === null) return { kind: "notice", at, cause };
  return { kind: "transition", at, cause, from: readStatus(from_status), to: readStatus(to_status) };
}

const statuses: readonly ConnectionStatus[] = [
  "disconnected",
  "connecting",
  "syncing",
  "connected",
  "connected_with_failures",
  "disconnecting",
];

function readStatus(text: string): ConnectionStatus {
  return statuses.find((status) => status === text) ?? "disconnected";
}
