import { type Database, DatabaseError, type SqlValue } from "@signalbox/database";
import { type Clock, type Logger, silentLogger } from "@signalbox/kernel";
import { expirationOf } from "@signalbox/nostr";
import { CompiledQuery } from "kysely";
import { RelayError } from "../errors.js";
import type { EndOf } from "../event-end.js";
import { gatherFacts } from "./facts.js";
import { createFollower } from "./follow.js";
import type { RelayTables } from "./migrations.js";
import type { EventRecord, EventSource, EventUnit, RelayEvents } from "./port.js";
import { chunksOf, type Fragment, forEngine, inList, joinFragments, passive } from "./statement.js";
import { openStream, type PositionRow, type StreamReader } from "./stream.js";
import { createTurnBudget } from "./turn-budget.js";
import { applyDeletion, removeEvents, setEnds, storeEvents } from "./write.js";

export interface SqlRelayEventsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger?: Logger;
  /** Default: as events say themselves. */
  readonly endOf?: EndOf;
  /** Whether whom a gift wrap is for may delete it like its author. Default false. */
  readonly recipientsDelete?: boolean;
}

/** Texts of at most 256 KiB each, which need no look at how large they are. */
const fewTexts = 8;
/** Characters that cost as much as a row of an index. */
const lengthOfRow = 2_048;
const bytesAtOnce = 2 * 1024 * 1024;

/** Key of PostgreSQL's advisory lock: units of several processes take turns. */
const writeLockKey = 712_064_560;

/** Relay events in SQLite or PostgreSQL; `relayMigrations` made the tables. */
export function createSqlRelayEvents(options: SqlRelayEventsOptions): RelayEvents {
  const { database, clock, logger = silentLogger, endOf = expirationOf, recipientsDelete = false } = options;
  const { engine } = database;
  const reader = database.reader<RelayTables>();
  const turns = createTurnBudget();

  const read = async <Row>({ sql, values }: Fragment): Promise<readonly Row[]> => {
    const query = CompiledQuery.raw(forEngine(engine, sql), [...values]);
    const { rows } = await reader.executeQuery<Row>(query).catch(failed);
    return rows;
  };

  /** A server is asked once for all of them; inside this process one after the other is faster. */
  const readEach: StreamReader["readEach"] = async (statements) => {
    if (engine === "sqlite") {
      const pages: (readonly PositionRow[])[] = [];
      for (const statement of statements) pages.push(await read<PositionRow>(statement));
      return pages;
    }
    const numbered = statements.map(({ sql, values }, index) => ({
      sql: `select ${index} as place, page${index}.* from (${sql}) page${index}`,
      values,
    }));
    const pages: PositionRow[][] = statements.map(() => []);
    for (const row of await read<PositionRow & { place: number }>(joinFragments(numbered, " union all ")))
      pages[row.place]?.push(row);
    // A union promises no order.
    for (const page of pages)
      page.sort((one, other) => other.created_at - one.created_at || (one.id < other.id ? -1 : 1));
    return pages;
  };

  const bytesOf = async (ids: readonly string[]): Promise<number> => {
    const list = inList("id", [...new Set(ids)]);
    const sql = `select sum(octet_length(raw)) as bytes from relay_events where ${list.sql}`;
    const [row] = await read<{ bytes: number | string | null }>({ sql, values: list.values });
    return Number(row?.bytes ?? 0);
  };

  /** Ids in parts whose texts are not too much for one turn. */
  async function* partsOf(ids: readonly string[]): AsyncGenerator<readonly string[]> {
    if (ids.length <= fewTexts || (await bytesOf(ids)) <= bytesAtOnce) {
      if (ids.length > 0) yield ids;
      return;
    }
    const middle = Math.ceil(ids.length / 2);
    yield* partsOf(ids.slice(0, middle));
    yield* partsOf(ids.slice(middle));
  }

  const loadPart = async (ids: readonly string[], now: number): Promise<readonly string[]> => {
    const list = inList("id", ids);
    // One row of many lines: what SQLite's driver takes for a row is more than what it takes for a text.
    const lines = engine === "sqlite" ? "group_concat(raw, char(10))" : "string_agg(raw, chr(10))";
    const [row] = await read<{ lines: string | null }>({
      sql: `select ${lines} as lines from relay_events
        where ${list.sql} and (expires_at is null or ${passive(engine, "expires_at")} > ?)`,
      values: [...list.values, now],
    });
    return row?.lines?.split("\n") ?? [];
  };

  const follower = engine === "postgres" ? createFollower({ database, clock, logger, read }) : undefined;

  const unitOf = (transaction: EventUnit["transaction"]): EventUnit => {
    const context = { database, transaction, nowMs: clock.nowMs(), endOf, recipientsDelete };
    const query = async <Row>(sql: string, values: readonly SqlValue[]): Promise<readonly Row[]> =>
      (await database.run<Row>(sql, values, transaction)).rows;
    return {
      transaction,
      facts: (events) => gatherFacts(query, events, context),
      async store(events) {
        await storeEvents(context, events);
        follower?.stored(events.map(({ event }) => event.id));
      },
      applyDeletion: (deletion) => applyDeletion(context, deletion),
      setEnds: (ends) => setEnds(context, ends),
    };
  };

  const write = <T>(work: (unit: EventUnit) => Promise<T>): Promise<T> =>
    database
      .commitTogether<RelayTables, T>(async (transaction) => {
        if (engine === "postgres") await database.run("select pg_advisory_xact_lock(?)", [writeLockKey], transaction);
        return work(unitOf(transaction));
      })
      .catch(failed);

  return {
    write,

    facts: (events) => gatherFacts((sql, values) => read({ sql, values }), events, { recipientsDelete }),

    async known(ids) {
      const found = new Set<string>();
      for (const chunk of chunksOf(ids, 500)) {
        const list = inList("id", chunk);
        const rows = await read<{ id: string }>({
          sql: `select id from relay_events where ${list.sql}`,
          values: list.values,
        });
        for (const { id } of rows) found.add(id);
      }
      return found;
    },

    stream: (filter, options) => openStream({ engine, turns, readEach }, filter, options),

    async load(ids, now) {
      const texts = new Map<string, string>();
      for await (const part of partsOf(ids)) {
        await turns.room();
        let length = 0;
        for (const raw of await loadPart(part, now)) {
          texts.set(idOfText(raw), raw);
          length += raw.length;
        }
        turns.spend(part.length + length / lengthOfRow);
      }
      return texts;
    },

    async find(id) {
      const row = await reader
        .selectFrom("relay_events")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirst()
        .catch(failed);
      return row && toRecord(row);
    },

    async findDeletion(id) {
      const row = await reader
        .selectFrom("relay_deletions")
        .select("deletion_id")
        .where("target", "=", id)
        .executeTakeFirst()
        .catch(failed);
      return row?.deletion_id;
    },

    follow: (onEvent) => follower?.follow(onEvent) ?? (async () => {}),

    async count(kind) {
      const row = await reader
        .selectFrom("relay_events")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("kind", "=", kind)
        .executeTakeFirst()
        .catch(failed);
      return Number(row?.count ?? 0);
    },

    async removeExpired(now) {
      const rows = await read<{ id: string }>({
        sql: "select id from relay_events where expires_at <= ? order by expires_at limit 500",
        values: [now],
      });
      if (rows.length === 0) return 0;
      const ids = rows.map(({ id }) => id);
      await write(({ transaction }) => removeEvents({ database, transaction }, ids));
      return ids.length;
    },
  };
}

/** What of the database goes wrong is the store's failure to those who use it; other errors are those of their work. */
function failed(error: unknown): never {
  if (!(error instanceof DatabaseError)) throw error;
  throw new RelayError("RELAY_STORE_FAILED", { cause: error, retryable: error.retryable });
}

/** The canonical text begins with the id. */
function idOfText(raw: string): string {
  const start = '{"id":"'.length;
  return raw.slice(start, start + 64);
}

function toRecord(row: RelayTables["relay_events"]): EventRecord {
  return {
    id: row.id,
    createdAt: row.created_at,
    kind: row.kind,
    pubkey: row.pubkey,
    firstSeenAtMs: row.first_seen_at,
    source: readSource(row.source),
    peer: row.peer ?? undefined,
    correlationId: row.correlation_id,
    raw: row.raw,
  };
}

function readSource(text: string): EventSource {
  return text === "sync" || text === "git" ? text : "client";
}
