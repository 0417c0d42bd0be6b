import type { TransactionHandle } from "@signalbox/database";
import { type Gap, type Heartbeat, type HeartbeatResult, judgeBeat } from "@signalbox/experience";
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

export function readGap(text: string): Gap {
  return JSON.parse(text);
}
