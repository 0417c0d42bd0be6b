import type { Database, SqlValue } from "@signalbox/database";
import { type Clock, createService, type Logger, type Metrics, type Service, type Timer } from "@signalbox/kernel";
import {
  encodeEvent,
  kinds,
  markVerified,
  type NostrEvent,
  readDeletion,
  tagValue,
  type VerifiedEvent,
} from "@signalbox/nostr";
import { refusals } from "../policy.js";
import { indexKey } from "../store/index-key.js";
import { chunksOf, inList } from "../store/statement.js";
import type { PeerUrl, RejectedIndex } from "../sync/ports.js";
import { readPeerUrl } from "./peer-url.js";
import type { PeerTables } from "./tables.js";

export type RejectionReason = "does_not_list_service" | "maintainer_not_yet_valid" | "other";

/** What is remembered of a refused event. Times in Unix milliseconds. */
export interface Rejection {
  readonly reason: RejectionReason;
  /** As its sender would read it. */
  readonly message: string;
  readonly peer: string;
  readonly rejectedAt: number;
  /** Until then it is not downloaded again. */
  readonly rememberedUntil: number;
}

/** A refused event that can be decided again without a download. */
export interface HotRejection {
  readonly event: VerifiedEvent;
  readonly peer: PeerUrl;
}

export interface TakenRejections {
  readonly hot: readonly HotRejection[];
  /** Where there were others, of which nothing but the name is known: they have to be downloaded again. */
  readonly cold: readonly { readonly kind: number; readonly identifier: string }[];
}

/** The index as a table: it is written before a refusal is final, and its times go on while nothing runs. */
export interface StoredRejectedIndex extends RejectedIndex {
  /** Sweeps. */
  readonly service: Service;
  /**
   * Takes out what the stored event may have made acceptable: with an announcement the announcements and states of the
   * same identifier, with a state the states of the same author and identifier, with a deletion what has the deleted
   * addresses. Waits for what is being added.
   */
  takeAffected(stored: NostrEvent): Promise<TakenRejections>;
}

export interface RejectedIndexOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long whole events are kept. Default 120 s. */
  readonly hotMs?: number;
  /** How long it is remembered that they were refused. Default 7 days. */
  readonly coldMs?: number;
  /** Defaults 10,000 whole events and 100,000 in all, the oldest go. */
  readonly maxHot?: number;
  readonly maxCold?: number;
}

interface CountRow {
  readonly kind: number;
  readonly count: number;
}

const sweepHotMs = 60_000;
const sweepColdMs = 86_400_000;
const typeOf = (kind: number): "announcement" | "state" => (kind === kinds.announcement ? "announcement" : "state");
const known = [{ event_type: "announcement" }, { event_type: "state" }];

export function createRejectedIndex(options: RejectedIndexOptions): StoredRejectedIndex {
  const { database, clock, logger, metrics } = options;
  const { hotMs = 120_000, coldMs = 7 * 86_400_000, maxHot = 10_000, maxCold = 100_000 } = options;
  const adding = new Set<Promise<unknown>>();
  /** Keys of the identifiers that may have entries, so that most stored events cost no statement. */
  const identifiers = new Set<string>();
  let added = 0;
  let timer: Timer | undefined;
  let nextColdSweepMs = 0;
  let sweeping: Promise<void> = Promise.resolve();
  let stopped = false;

  const gauge = (name: string, help: string, countNow: () => Promise<readonly CountRow[]>): void => {
    metrics.gauge({
      name,
      help,
      labels: ["event_type"],
      known,
      async collect(shown) {
        const counts = new Map((await countNow()).map(({ kind, count }) => [kind, Number(count)]));
        for (const kind of [kinds.announcement, kinds.state])
          shown.set(counts.get(kind) ?? 0, { event_type: typeOf(kind) });
      },
    });
  };
  const counter = (name: string, help: string): ((kind: number, value?: number) => void) => {
    const counted = metrics.counter({ name, help, labels: ["event_type"], known });
    return (kind, value = 1) => counted.add(value, { event_type: typeOf(kind) });
  };
  gauge("ngit_sync_rejected_hot_cache_current", "Refused events of peers that are kept as a whole.", () =>
    countRows("hot"),
  );
  gauge("ngit_sync_rejected_cold_index_current", "Refused events of peers that are not downloaded again.", () =>
    countRows("cold"),
  );
  const onHit = counter("ngit_sync_rejected_hot_cache_hits_total", "Refused events that were decided anew.");
  const onMiss = counter(
    "ngit_sync_rejected_hot_cache_misses_total",
    "Times when something changed and no refused event was kept that it could help.",
  );
  const onHotExpired = counter(
    "ngit_sync_rejected_hot_cache_expired_total",
    "Refused events that are no longer kept as a whole.",
  );
  const onColdExpired = counter(
    "ngit_sync_rejected_cold_index_expired_total",
    "Refused events that would be downloaded again.",
  );
  const onInvalidated = counter(
    "ngit_sync_rejected_invalidated_total",
    "Refused events that would be downloaded again, since something changed.",
  );

  const countRows = (isCounted: "hot" | "cold"): Promise<readonly CountRow[]> =>
    database
      .reader<PeerTables>()
      .selectFrom("relay_rejected")
      .select(({ fn }) => ["kind", fn.countAll<number>().as("count")])
      .where(`${isCounted}_until`, ">", clock.nowMs())
      .$if(isCounted === "hot", (query) => query.where("raw", "is not", null))
      .groupBy("kind")
      .execute();
  const tell = (rows: readonly { kind: number }[], count: (kind: number) => void): void => {
    for (const { kind } of rows) count(kind);
  };
  const change = async (sql: string, values: readonly SqlValue[]): Promise<readonly { kind: number }[]> =>
    (await database.run<{ kind: number }>(`${sql} returning kind`, values)).rows;

  const trim = async (): Promise<void> => {
    tell(
      await change(
        `update relay_rejected set raw = null where raw is not null and rejected_at <= (
          select rejected_at from relay_rejected where raw is not null order by rejected_at desc limit 1 offset ${maxHot})`,
        [],
      ),
      onHotExpired,
    );
    tell(
      await change(
        `delete from relay_rejected where rejected_at <= (
          select rejected_at from relay_rejected order by rejected_at desc limit 1 offset ${maxCold})`,
        [],
      ),
      onColdExpired,
    );
  };

  const sweep = async (): Promise<void> => {
    const now = clock.nowMs();
    try {
      tell(
        await change("update relay_rejected set raw = null where raw is not null and hot_until <= ?", [now]),
        onHotExpired,
      );
      if (now < nextColdSweepMs) return;
      nextColdSweepMs = now + sweepColdMs;
      tell(await change("delete from relay_rejected where cold_until <= ?", [now]), onColdExpired);
    } catch (error) {
      logger.warn("refused events could not be swept", { error });
    }
  };
  const schedule = (): void => {
    timer = clock.setTimer(sweepHotMs, () => {
      sweeping = sweep().finally(() => {
        if (!stopped) schedule();
      });
    });
  };

  const write = async (event: NostrEvent, message: string, text: string, peer: PeerUrl): Promise<void> => {
    const now = clock.nowMs();
    identifiers.add(identifierKey(event));
    await database.runMany(
      `insert into relay_rejected
        (id, kind, pubkey, identifier, reason, message, url, rejected_at, cold_until, hot_until, raw)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (id) do update set reason = excluded.reason, message = excluded.message, url = excluded.url,
          rejected_at = excluded.rejected_at, cold_until = excluded.cold_until`,
      [
        [
          event.id,
          event.kind,
          event.pubkey,
          identifierKey(event),
          reasonOf(text),
          message,
          peer,
          now,
          now + coldMs,
          now + hotMs,
          hotMs > 0 ? encodeEvent(event) : null,
        ],
      ],
    );
    added++;
    if (added % 1_000 === 0) await trim();
  };

  const take = async ({ kind, identifier, pubkey }: RejectionKey): Promise<TakenRejections> => {
    if (!identifiers.has(indexKey(identifier))) {
      onMiss(kind);
      return { hot: [], cold: [] };
    }
    const author = pubkey === undefined ? "" : " and pubkey = ?";
    const { rows } = await database.run<{ raw: string | null; url: string; hot_until: number }>(
      `delete from relay_rejected where identifier = ? and kind = ?${author} returning raw, url, hot_until`,
      [indexKey(identifier), kind, ...(pubkey === undefined ? [] : [pubkey])],
    );
    const now = clock.nowMs();
    const hot = rows.flatMap(({ raw, url, hot_until }) => {
      const peer = readPeerUrl(url);
      // It was verified before it was refused.
      return raw !== null && hot_until > now && peer ? [{ event: markVerified(JSON.parse(raw)), peer }] : [];
    });
    if (hot.length > 0) onHit(kind, hot.length);
    else onMiss(kind);
    onInvalidated(kind, rows.length);
    return { hot, cold: rows.length > hot.length ? [{ kind, identifier }] : [] };
  };

  return {
    service: createService({
      name: "refused events of peers",
      async start() {
        const { rows } = await database.run<{ identifier: string }>("select distinct identifier from relay_rejected");
        for (const { identifier } of rows) identifiers.add(identifier);
        await sweep();
        schedule();
      },
      async stop() {
        stopped = true;
        timer?.cancel();
        await sweeping;
      },
    }),

    async remembered(ids) {
      const found = new Set<string>();
      const now = clock.nowMs();
      for (const chunk of chunksOf(ids, 500)) {
        const list = inList("id", chunk);
        const { rows } = await database.run<{ id: string }>(
          `select id from relay_rejected where ${list.sql} and cold_until > ?`,
          [...list.values, now],
        );
        for (const { id } of rows) found.add(id);
      }
      return found;
    },

    async add(event, { prefix, text }, peer) {
      if (!isRemembered(event.kind)) return;
      const writing = write(event, `${prefix}: ${text}`, text, peer);
      adding.add(writing);
      try {
        await writing;
      } finally {
        adding.delete(writing);
      }
    },

    async takeAffected(stored) {
      await Promise.allSettled(adding);
      const taken = await Promise.all(keysAffectedBy(stored).map(take));
      return {
        hot: taken.flatMap(({ hot }) => hot),
        cold: taken.flatMap(({ cold }) => cold),
      };
    },
  };
}

/** What is remembered of a refused event; nothing after its time. */
export async function findRejection(database: Database, id: string, nowMs: number): Promise<Rejection | undefined> {
  const row = await database
    .reader<PeerTables>()
    .selectFrom("relay_rejected")
    .selectAll()
    .where("id", "=", id)
    .where("cold_until", ">", nowMs)
    .executeTakeFirst();
  if (!row) return undefined;
  const { message, url, rejected_at, cold_until } = row;
  return { reason: readReason(row.reason), message, peer: url, rejectedAt: rejected_at, rememberedUntil: cold_until };
}

interface RejectionKey {
  readonly kind: number;
  readonly identifier: string;
  /** Absent: all authors. */
  readonly pubkey?: string;
}

function keysAffectedBy(stored: NostrEvent): readonly RejectionKey[] {
  const { kind, pubkey } = stored;
  const identifier = tagValue(stored, "d") ?? "";
  // It may name maintainers, whoever they are.
  if (kind === kinds.announcement) return [kinds.announcement, kinds.state].map((one) => ({ kind: one, identifier }));
  if (kind === kinds.state) return [{ kind, identifier, pubkey }];
  return (readDeletion(stored)?.addresses ?? []).filter((address) => isRemembered(address.kind));
}

function isRemembered(kind: number): boolean {
  return kind === kinds.announcement || kind === kinds.state;
}

function identifierKey(event: NostrEvent): string {
  return indexKey(tagValue(event, "d") ?? "");
}

function reasonOf(text: string): RejectionReason {
  if (text === refusals.notListed) return "does_not_list_service";
  if (text === refusals.notMaintainer || text === refusals.notAnnounced) return "maintainer_not_yet_valid";
  return "other";
}

function readReason(text: string): RejectionReason {
  return text === "does_not_list_service" || text === "maintainer_not_yet_valid" ? text : "other";
}
