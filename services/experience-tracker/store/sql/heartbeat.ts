import type { TransactionHandle } from "@signalbox/database";
import { type Gap, gapAfterMs, type Heartbeat, type HeartbeatResult } from "@signalbox/experience";
import { askClock, clockOf, metaNames, type SqlStoreDependencies } from "./dependencies.js";
import { textOf } from "./rows.js";

const upsertMeta = `insert into experience_meta (name, value) values (?, ?)
  on conflict (name) do update set value = excluded.value`;

/** Gaps are remembered this long, and replicas that are gone for as long. */
const rememberedMs = 90 * 86_400_000;

export async function beat(
  dependencies: SqlStoreDependencies,
  { replica, reason }: Heartbeat,
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
  const lastMs = Math.max(...beats.values());
  const gap: Gap | undefined =
    beats.size > 0 && nowMs - lastMs > gapAfterMs ? { fromMs: lastMs, toMs: nowMs, reason, replica } : undefined;
  const values: [string, string][] = [[metaNames.replica(replica), String(nowMs)]];
  if (gap) {
    const holdUntilMs = Math.max(
      Number(holdRows?.rows[0]?.["value"] ?? 0),
      nowMs + Math.min(nowMs - lastMs, rules.recoveryGraceMs),
    );
    values.push([metaNames.holdUntil, String(holdUntilMs)], [metaNames.gap(gap.fromMs), JSON.stringify(gap)]);
  }
  const gone = [...beats].filter(([name, atMs]) => name !== replica && nowMs - atMs > gapAfterMs).map(([name]) => name);
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
  beats.set(replica, nowMs);
  return { gap, alive: [...beats.keys()].filter((name) => !gone.includes(name)) };
}

export function readGap(text: string): Gap {
  return JSON.parse(text);
}
