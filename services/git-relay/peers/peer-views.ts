import type { Database } from "@signalbox/database";
import { type Clock, createService, type Logger, type Service, type Timer } from "@signalbox/kernel";
import { type ShownPeer, showPeer } from "../http/show-peer.js";
import type { SyncEngine } from "../sync/options.js";
import type { PeerTables } from "./tables.js";

/** What the syncing process sees, as the others can show it. */
export interface PeerViews {
  readonly peers: readonly ShownPeer[];
  readonly overLimit: readonly string[];
}

export interface PeerViewWriterOptions {
  readonly database: Database;
  readonly engine: SyncEngine;
  readonly clock: Clock;
  readonly logger: Logger;
}

const writeEveryMs = 5_000;
/** Older, they are those of a process that is gone. */
const validMs = 30_000;
/** The row that says when, and whom there was no room for. */
const summary = "";

/** Writes down what the sync sees, while it runs in this process, for other processes on the same database. */
export function createPeerViewWriter({ database, engine, clock, logger }: PeerViewWriterOptions): Service {
  /** Texts by address as they stand in the table; nothing when they are another process's. */
  let written: ReadonlyMap<string, string> | undefined;
  let timer: Timer | undefined;
  let writing: Promise<void> = Promise.resolve();
  let isStopped = false;

  const write = async (): Promise<void> => {
    if (!engine.isActive()) {
      written = undefined;
      return;
    }
    const now = clock.nowMs();
    const before = written;
    const views = new Map<string, string>(
      engine.peers().map((peer) => [peer.url, JSON.stringify(showPeer(peer, now))]),
    );
    const changed = [...views].filter(([url, view]) => before?.get(url) !== view);
    const gone = [...(before?.keys() ?? [])].filter((url) => !views.has(url));
    await database.batch([
      ...(before ? [] : [{ sql: "delete from relay_peer_views", rows: [[]] }]),
      {
        sql: `insert into relay_peer_views (url, at, view) values (?, ?, ?)
          on conflict (url) do update set at = excluded.at, view = excluded.view`,
        rows: [...changed, [summary, JSON.stringify(engine.overLimit())] as const].map(([url, view]) => [
          url,
          now,
          view,
        ]),
      },
      { sql: "delete from relay_peer_views where url = ?", rows: gone.map((url) => [url]) },
    ]);
    written = views;
  };
  const begin = (): void => {
    writing = write()
      .catch((error: unknown) => logger.warn("what the sync sees could not be written down", { error }))
      .finally(() => {
        if (!isStopped) timer = clock.setTimer(writeEveryMs, begin);
      });
  };

  return createService({
    name: "views of peers",
    start: async () => begin(),
    async stop() {
      isStopped = true;
      timer?.cancel();
      await writing;
    },
  });
}

/** What another process has written down; nothing when none syncs at the moment. */
export async function readPeerViews(database: Database, nowMs: number): Promise<PeerViews | undefined> {
  const rows = await database.reader<PeerTables>().selectFrom("relay_peer_views").selectAll().execute();
  const state = rows.find(({ url }) => url === summary);
  if (!state || nowMs - state.at > validMs) return undefined;
  return {
    peers: rows.filter((row) => row !== state).map(({ view }): ShownPeer => JSON.parse(view)),
    overLimit: JSON.parse(state.view),
  };
}
