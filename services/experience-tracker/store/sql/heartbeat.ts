import type { TransactionHandle } from "@signalbox/database";
import {
  type Gap,
  type Heartbeat,
  type HeartbeatResult,
  judgeBeat,
  type SilenceGap,
  untilNow,
} from "@signalbox/experience";
import { sql } from "kysely";
import { askClock, clockOf, metaNames, type SqlStoreDependencies } from "./dependencies.js";
import { textOf } from "./rows.js";

const upsertMeta = `insert into experience_meta (name, value) values (?, ?)
  on conflict (name) do update set value = excluded.value`;

/** Gaps are remembered this long, and replicas that are gone for as long. */
const rememberedMs = 90 * 86_400_000;

export async function beat(
  dependencies: SqlStoreDependencies,
  heartbeat: Heartbeat,
  transaction: TransactionHandle,
): Promise<HeartbeatResult> {
  const { database, rules } = dependencies;
  // One at a time: two that come back together must not both see the gap.
  if (database.engine === "postgres")
    await database.run("lock table experience_meta in share row exclusive mode", [], transaction);
  const [replicaRows, holdRows, nowRows] = await database.batch(
    [
      { sql: "select name, value from experience_meta where name >= ? and name < ?", rows: [["replica:", "replica;"]] },
      { sql: "select value from experience_meta where name = ?", rows: [[metaNames.holdUntil]] },
      askClock(dependencies),
    ],
    transaction,
  );
  const nowMs = clockOf(dependencies, nowRows);
  const beats = new Map(
    (replicaRows?.rows ?? []).map((row) => [
      textOf(row["name"]).slice(metaNames.replicas.length),
      Number(row["value"]),
    ]),
  );
  const heldMs = Number(holdRows?.rows[0]?.["value"] ?? 0);
  const { gap, holdUntilMs, gone, alive } = judgeBeat(heartbeat, { beats, holdUntilMs: heldMs }, nowMs, rules);
  const values: [string, string][] = [[metaNames.replica(heartbeat.replica), String(nowMs)]];
  if (holdUntilMs !== heldMs) values.push([metaNames.holdUntil, String(holdUntilMs)]);
  if (gap) values.push([metaNames.gap(gap.fromMs), JSON.stringify(gap)]);
  await database.batch(
    [
      { sql: upsertMeta, rows: values },
      { sql: "delete from experience_meta where name = ?", rows: gone.map((name) => [metaNames.replica(name)]) },
      {
        sql: "delete from experience_meta where name >= 'gap:' and name < ?",
        rows: [[metaNames.gap(Math.max(0, nowMs - rememberedMs))]],
      },
    ],
    transaction,
  );
  return { gap, alive };
}

/** See `recordSilence` of the port. */
export async function recordSilence(
  { database }: SqlStoreDependencies,
  gap: SilenceGap,
  transaction: TransactionHandle,
): Promise<boolean> {
  const { tenant, producer, goesOn } = gap.silence;
  const name = metaNames.silence(gap.fromMs, tenant, producer);
  const { changes } = await database.run(
    "insert into experience_meta (name, value) values (?, ?) on conflict (name) do nothing",
    [name, JSON.stringify(gap)],
    transaction,
  );
  if (changes > 0 || goesOn) return changes > 0;
  const lock = database.engine === "postgres" ? " for update" : "";
  const { rows } = await database.run(`select value from experience_meta where name = ?${lock}`, [name], transaction);
  if (!readGap(textOf(rows[0]?.["value"])).silence?.goesOn) return false;
  await database.run(upsertMeta, [name, JSON.stringify(gap)], transaction);
  return true;
}

export async function readGaps({ database, clock }: SqlStoreDependencies, sinceMs: number): Promise<Gap[]> {
  const { rows } = await sql<{ value: string }>`
    select value from experience_meta where name >= 'gap:' and name < 'gap;' order by name`.execute(database.reader());
  const nowMs = clock.nowMs();
  return rows.map(({ value }) => untilNow(readGap(value), nowMs)).filter(({ toMs }) => toMs > sinceMs);
}

function readGap(text: string): Gap {
  return JSON.parse(text);
}
