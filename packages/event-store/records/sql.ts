import type { Database, SqlValue } from "@signalbox/database";
import { type Clock, systemClock } from "@signalbox/kernel";
import { sql, type Transaction } from "kysely";
import { EventStoreError } from "../errors.js";
import { translateTransactionError } from "../transaction.js";
import type {
  BlobRecords,
  DeadLetter,
  DeadLetterFilter,
  DeadLetterGroup,
  DeadLetterRecords,
  DeadReason,
  NewDeadLetter,
  PauseRecords,
  Records,
} from "./records.js";

/** Records in the tables of `eventStoreMigrations`. */
export function createSqlRecords(database: Database, clock: Clock = systemClock): Records {
  return {
    shared: true,
    deadLetters: createDeadLetters(database),
    forgetOnce: (beforeMs, limit) =>
      guard(async () => {
        const [result] = await database.batch([
          {
            sql: `delete from event_inbox where (subscription, event_id) in (
              select subscription, event_id from event_inbox where handled_at_ms < ? order by handled_at_ms limit ?)`,
            rows: [[beforeMs, limit]],
          },
        ]);
        return result?.changes ?? 0;
      }),
    pauses: createPauses(database),
    blobs: createBlobs(database),
    once: <T, Tables>(
      subscription: string,
      eventId: string,
      work: (transaction: Transaction<Tables>) => Promise<T>,
    ): Promise<T | undefined> =>
      database.transaction<Tables, T | undefined>(async (transaction) => {
        const { changes } = await database.run(
          "insert into event_inbox (subscription, event_id, handled_at_ms) values (?, ?, ?) on conflict do nothing",
          [subscription, eventId, clock.nowMs()],
          transaction,
        );
        return changes === 0 ? undefined : work(transaction);
      }),
  };
}

const insertLetter = `insert into event_dead_letters (
    id, subscription, event_type, event, reason, error_class, error_code, error_message, error_stack, attempts,
    fingerprint, correlation_id, first_failed_at_ms, dead_at_ms, replay_count, last_replayed_at_ms, state)
  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, null, 'dead')
  on conflict (id) do update set
    reason = excluded.reason, error_class = excluded.error_class, error_code = excluded.error_code,
    error_message = excluded.error_message, error_stack = excluded.error_stack, attempts = excluded.attempts,
    fingerprint = excluded.fingerprint, dead_at_ms = excluded.dead_at_ms, state = 'dead'
  where event_dead_letters.state = 'replaying'`;

function createDeadLetters(database: Database): DeadLetterRecords {
  const move = (ids: readonly string[], to: "resolved" | "dead") =>
    guard(() =>
      database.runMany(
        `update event_dead_letters set state = '${to}' where id = ? and state = 'replaying'`,
        ids.map((id) => [id]),
      ),
    );
  const groupOf = async (row: Record<string, unknown>, filter: DeadLetterFilter): Promise<DeadLetterGroup> => {
    const { where, values } = whereOf(filter);
    const from = `from event_dead_letters where ${where.join(" and ")}`;
    const subscriptions = await database.run(`select distinct subscription ${from} order by subscription`, values);
    const sample = await database.run(`select id ${from} order by dead_at_ms desc, id desc limit 1`, values);
    return {
      fingerprint: String(row["fingerprint"]),
      count: Number(row["count"]),
      firstDeadAtMs: Number(row["first"]),
      lastDeadAtMs: Number(row["last"]),
      sampleId: String(sample.rows[0]?.["id"]),
      subscriptions: subscriptions.rows.map((one) => String(one["subscription"])),
    };
  };
  return {
    write: (letters, transaction) =>
      guard(() => database.runMany(insertLetter, letters.map(letterValues), transaction)),

    list: (filter, limit, after) =>
      guard(async () => {
        const { where, values } = whereOf(filter);
        if (after) {
          where.push("(dead_at_ms < ? or (dead_at_ms = ? and id < ?))");
          values.push(after.deadAtMs, after.deadAtMs, after.id);
        }
        const condition = where.length > 0 ? `where ${where.join(" and ")}` : "";
        const { rows } = await database.run(
          `select * from event_dead_letters ${condition} order by dead_at_ms desc, id desc limit ?`,
          [...values, limit],
        );
        return rows.map(toLetter);
      }),

    get: (id) =>
      guard(async () => {
        const { rows } = await database.run("select * from event_dead_letters where id = ?", [id]);
        const [row] = rows;
        return row ? toLetter(row) : null;
      }),

    beginReplay: (id, nowMs) =>
      guard(async () => {
        const { changes } = await database.run(
          `update event_dead_letters set state = 'replaying', replay_count = replay_count + 1, last_replayed_at_ms = ?
           where id = ? and state = 'dead'`,
          [nowMs, id],
        );
        return changes === 1;
      }),

    groups: (filter, limit) =>
      guard(async () => {
        const { where, values } = whereOf(filter);
        const condition = where.length > 0 ? `where ${where.join(" and ")}` : "";
        const { rows } = await database.run(
          `select fingerprint, count(*) as count, min(dead_at_ms) as first, max(dead_at_ms) as last
           from event_dead_letters ${condition} group by fingerprint order by count(*) desc, fingerprint limit ?`,
          [...values, limit],
        );
        const groups: DeadLetterGroup[] = [];
        for (const row of rows) groups.push(await groupOf(row, { ...filter, fingerprint: String(row["fingerprint"]) }));
        return groups;
      }),

    discard: (id, note) =>
      guard(async () => {
        const { changes } = await database.run(
          "update event_dead_letters set state = 'discarded', note = ? where id = ? and state = 'dead'",
          [note, id],
        );
        return changes === 1;
      }),

    forget: (id, event, note) =>
      guard(async () => {
        const { changes } = await database.run(
          `update event_dead_letters set event = ?, error_message = '', error_stack = null, attempts = '[]',
             note = case when state = 'dead' then ? else note end,
             state = case when state = 'dead' then 'discarded' else state end
           where id = ? and state <> 'replaying' and event <> ?`,
          [event, note, id, event],
        );
        return changes === 1;
      }),

    replayingSince: (beforeMs, limit) =>
      guard(async () => {
        const { rows } = await database.run(
          "select * from event_dead_letters where state = 'replaying' and last_replayed_at_ms < ? limit ?",
          [beforeMs, limit],
        );
        return rows.map(toLetter);
      }),

    expire: (beforeMs, limit) =>
      guard(async () => {
        const [result] = await database.batch([
          {
            sql: `update event_dead_letters set state = 'expired' where id in (
                select id from event_dead_letters where state = 'dead' and dead_at_ms < ? order by dead_at_ms limit ?)
              returning id, subscription`,
            rows: [[beforeMs, limit]],
          },
        ]);
        return (result?.rows ?? []).map((row) => ({
          id: String(row["id"]),
          subscription: String(row["subscription"]),
        }));
      }),

    resolve: (ids) => move(ids, "resolved"),
    returnToDead: (ids) => move(ids, "dead"),

    counts: () =>
      guard(async () => {
        const { rows } = await database.run(
          "select subscription, count(*) as count from event_dead_letters where state = 'dead' group by subscription",
        );
        return new Map(rows.map((row) => [String(row["subscription"]), Number(row["count"])]));
      }),

    tally: ({ subscription, idPrefix, places }) =>
      guard(async () => {
        const values = places.map((place) => valueAt(database.engine, place));
        const columns = ["state", "error_code", ...values].map((column, index) => `${column} as v${index}`);
        const { rows } = await database.run(
          `select count(*) as count, ${columns.join(", ")} from event_dead_letters
           where subscription = ? and substr(id, 1, ${idPrefix.length}) = ?
           group by ${columns.map((_, index) => index + 2).join(", ")}`,
          [subscription, idPrefix],
        );
        const textOf = (value: unknown): string | null =>
          typeof value === "string" || typeof value === "number" || typeof value === "bigint" ? String(value) : null;
        return rows.map((row) => ({
          // Written by this package alone.
          state: String(row["v0"]) as DeadLetter["state"],
          code: textOf(row["v1"]),
          values: places.map((_, index) => textOf(row[`v${index + 2}`])),
          count: Number(row["count"]),
        }));
      }),
  };
}

/** What stands at a place of the envelope. Names come from the program and are checked all the same. */
function valueAt(engine: Database["engine"], place: readonly string[]): string {
  if (place.some((name) => !/^[a-z_]+$/.test(name))) throw new EventStoreError("EVT_FILTER_INVALID");
  return engine === "sqlite"
    ? `json_extract(event, '$.${place.join(".")}')`
    : `cast(event as json) #>> '{${place.join(",")}}'`;
}

function createBlobs(database: Database): BlobRecords {
  const unheld = async (blobs: readonly string[]): Promise<readonly string[]> => {
    if (blobs.length === 0) return [];
    const [result] = await database.batch([
      {
        sql: "select cast(? as text) as blob, (select count(*) from event_blobs where blob = ?) as held",
        rows: blobs.map((blob) => [blob, blob]),
      },
    ]);
    return (result?.rows ?? []).filter((row) => Number(row["held"]) === 0).map((row) => String(row["blob"]));
  };
  return {
    hold: (blob, holder, transaction) =>
      guard(() =>
        database.runMany(
          "insert into event_blobs (blob, holder) values (?, ?) on conflict do nothing",
          [[blob, holder]],
          transaction,
        ),
      ),
    release: (holder, blob) =>
      guard(async () => {
        const [released] = await database.batch([
          blob === undefined
            ? { sql: "delete from event_blobs where holder = ? returning blob", rows: [[holder]] }
            : { sql: "delete from event_blobs where holder = ? and blob = ? returning blob", rows: [[holder, blob]] },
        ]);
        return unheld((released?.rows ?? []).map((row) => String(row["blob"])));
      }),
    unheld: (blobs) => guard(() => unheld(blobs)),
  };
}

function createPauses(database: Database): PauseRecords {
  return {
    async set(subscriber, paused, nowMs) {
      if (paused)
        await database.run(
          "insert into event_pauses (subscriber, paused_at_ms) values (?, ?) on conflict (subscriber) do nothing",
          [subscriber, nowMs],
        );
      else await database.run("delete from event_pauses where subscriber = ?", [subscriber]);
    },
    async list() {
      const rows = await database
        .reader<{ event_pauses: { subscriber: string } }>()
        .selectFrom("event_pauses")
        .select("subscriber")
        .orderBy(sql`subscriber`)
        .execute();
      return new Set(rows.map((row) => row.subscriber));
    },
  };
}

function letterValues(letter: NewDeadLetter): SqlValue[] {
  const { error } = letter;
  return [
    letter.id,
    letter.subscription,
    letter.eventType,
    letter.event,
    letter.reason,
    error.class,
    error.code,
    error.message,
    error.stack,
    JSON.stringify(letter.attempts),
    letter.fingerprint,
    letter.correlationId,
    letter.firstFailedAtMs,
    letter.deadAtMs,
  ];
}

function toLetter(row: Record<string, unknown>): DeadLetter {
  const text = (column: string): string => String(row[column]);
  const optional = (column: string): string | null => (row[column] === null ? null : String(row[column]));
  return Object.freeze({
    id: text("id"),
    subscription: text("subscription"),
    eventType: text("event_type"),
    event: text("event"),
    // Written by this package alone.
    reason: text("reason") as DeadReason,
    error: {
      class: text("error_class"),
      code: optional("error_code"),
      message: text("error_message"),
      stack: optional("error_stack"),
    },
    attempts: JSON.parse(text("attempts")) as DeadLetter["attempts"],
    fingerprint: text("fingerprint"),
    correlationId: text("correlation_id"),
    firstFailedAtMs: Number(row["first_failed_at_ms"]),
    deadAtMs: Number(row["dead_at_ms"]),
    replayCount: Number(row["replay_count"]),
    lastReplayedAtMs: row["last_replayed_at_ms"] === null ? null : Number(row["last_replayed_at_ms"]),
    state: text("state") as DeadLetter["state"],
    note: optional("note"),
  });
}

/** Columns that a filter compares for equality. */
const equalColumns = [
  ["subscription", "subscription"],
  ["eventType", "event_type"],
  ["reason", "reason"],
  ["state", "state"],
  ["fingerprint", "fingerprint"],
  ["correlationId", "correlation_id"],
] as const;

function whereOf(filter: DeadLetterFilter): { readonly where: string[]; readonly values: SqlValue[] } {
  const where: string[] = [];
  const values: SqlValue[] = [];
  const add = (condition: string, ...added: SqlValue[]): void => {
    where.push(condition);
    values.push(...added);
  };
  for (const [key, column] of equalColumns) {
    const value = filter[key];
    if (value !== undefined) add(`${column} = ?`, value);
  }
  if (filter.ids !== undefined)
    add(filter.ids.length > 0 ? `id in (${filter.ids.map(() => "?").join(", ")})` : "1 = 0", ...filter.ids);
  if (filter.sinceMs !== undefined) add("dead_at_ms >= ?", filter.sinceMs);
  if (filter.untilMs !== undefined) add("dead_at_ms < ?", filter.untilMs);
  if (filter.idPrefix !== undefined) add(`substr(id, 1, ${filter.idPrefix.length}) = ?`, filter.idPrefix);
  if (filter.text !== undefined) add("error_message like ? escape '!'", `%${filter.text.replaceAll(/[!%_]/g, "!$&")}%`);
  return { where, values };
}

async function guard<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw translate(error);
  }
}

function translate(error: unknown): unknown {
  const translated = translateTransactionError(error);
  if (translated instanceof EventStoreError) return translated;
  return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", { cause: error });
}
