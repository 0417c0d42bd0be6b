import type { ReadReport, ReportWindow, Wide } from "./window.js";

/** How long no checkpoint could arrive, in seconds. That one producer was silent is no such time. */
export async function readGapSeconds(read: ReadReport, { fromMs, toMs }: ReportWindow): Promise<number> {
  const rows = await read<{ from_ms: Wide; to_ms: Wide }>(
    `SELECT toUnixTimestamp64Milli("from") AS from_ms, toUnixTimestamp64Milli("to") AS to_ms FROM experience_gaps FINAL
     WHERE reason <> 'producer_silent' AND "to" > fromUnixTimestamp64Milli({from:Int64}) AND "from" < fromUnixTimestamp64Milli({to:Int64})
     ORDER BY "from" LIMIT 10000`,
    { from: fromMs, to: toMs },
  );
  // Gaps of several replicas may overlap.
  let milliseconds = 0;
  let countedUntilMs = fromMs;
  for (const row of rows) {
    const startMs = Math.max(countedUntilMs, Number(row.from_ms));
    const endMs = Math.min(toMs, Number(row.to_ms));
    if (endMs > startMs) milliseconds += endMs - startMs;
    countedUntilMs = Math.max(countedUntilMs, endMs);
  }
  return milliseconds / 1000;
}
