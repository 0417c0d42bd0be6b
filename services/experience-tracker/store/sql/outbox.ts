import type { TransactionHandle } from "@signalbox/database";
import { type OutboxItem, outboxLeaseMs } from "@signalbox/experience";
import { decodeRecord } from "../codec.js";
import { metaNames, type SqlStoreDependencies } from "./dependencies.js";
import { textOf } from "./rows.js";

const selectRecords = "select id, record from experience_outbox order by id limit ?";
const upsertMeta = `insert into experience_meta (name, value) values (?, ?)
  on conflict (name) do update set value = excluded.value`;

/** Who has records in hand. One at a time, so that the records of a run are published in their order. */
interface OutboxLease {
  readonly replica: string;
  readonly untilMs: number;
}

/** The oldest records, unless somebody has some in hand. */
export async function takeRecords(
  { database, clock, replica }: SqlStoreDependencies,
  limit: number,
  transaction: TransactionHandle,
): Promise<OutboxItem[]> {
  const lease = await readLease(database, transaction);
  if (lease && lease.untilMs > clock.nowMs()) return [];
  const { rows } = await database.run(selectRecords, [limit], transaction);
  if (rows.length === 0) return [];
  const taken: OutboxLease = { replica, untilMs: clock.nowMs() + outboxLeaseMs };
  await database.run(upsertMeta, [metaNames.outboxLease, JSON.stringify(taken)], transaction);
  return rows.map((row) => ({ id: String(row["id"]), record: decodeRecord(textOf(row["record"])) }));
}

export async function forgetRecords(
  { database, replica }: SqlStoreDependencies,
  ids: readonly string[],
  transaction: TransactionHandle,
): Promise<void> {
  const lease = await readLease(database, transaction);
  await database.batch(
    [
      { sql: "delete from experience_outbox where id = ?", rows: ids.map((id) => [Number(id)]) },
      // Who comes late with an acknowledgement does not end the lease of whoever took over.
      {
        sql: "delete from experience_meta where name = ?",
        rows: lease?.replica === replica ? [[metaNames.outboxLease]] : [],
      },
    ],
    transaction,
  );
}

async function readLease(
  database: SqlStoreDependencies["database"],
  transaction: TransactionHandle,
): Promise<OutboxLease | undefined> {
  const lock = database.engine === "postgres" ? " for update" : "";
  const { rows } = await database.run(
    `select value from experience_meta where name = ?${lock}`,
    [metaNames.outboxLease],
    transaction,
  );
  const text = textOf(rows[0]?.["value"]);
  return text === "" ? undefined : JSON.parse(text);
}
