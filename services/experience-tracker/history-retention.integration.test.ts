import { ulid } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { startTracker } from "./testing/start-tracker.js";

test("XP-543 history is kept for as many days as configured, gaps in the measurement as long", async () => {
  const short = await startTracker({ withHistory: true, environment: { SIGNALBOX_EXPERIENCE_HISTORY_DAYS: "29" } });
  try {
    const correlation_id = ulid();
    await short.send({ correlation_id });
    await short.send({ correlation_id, checkpoint: "end" });
    const { analytics } = short;
    const countOf = async (table: string): Promise<number> =>
      Number((await analytics.query<{ n: number }>(`SELECT count() AS n FROM ${table}`))[0]?.n);
    await expect.poll(() => countOf("experience_verdicts"), { timeout: 20_000 }).toBe(1);
    const dayMs = 86_400_000;
    const daysAgo = (days: number): string =>
      new Date(Date.now() - days * dayMs).toISOString().slice(0, 23).replace("T", " ");
    // The same rows, as if they had been written earlier.
    const columns = {
      experience_checkpoints: ["server_timestamp", "correlation_id"],
      experience_verdicts: ["verdict_at", "correlation_id"],
    } as const;
    for (const [table, [time, key]] of Object.entries(columns))
      for (const days of [28, 31])
        await analytics.command(
          `INSERT INTO ${table} SELECT * REPLACE(toDateTime64('${daysAgo(days)}', 3, 'UTC') AS ${time}, '${days} days' AS ${key}) FROM (SELECT * FROM ${table} WHERE ${key} = '${correlation_id}')`,
        );
    await analytics.insert("experience_gaps", [
      { from: daysAgo(28), to: daysAgo(28), reason: "tracker_down", replica: "a" },
      { from: daysAgo(31), to: daysAgo(31), reason: "tracker_down", replica: "a" },
    ]);
    for (const table of [...Object.keys(columns), "experience_gaps"])
      await analytics.command(`OPTIMIZE TABLE ${table} FINAL`);
    const kept = await analytics.query<{ id: string }>(
      "SELECT DISTINCT correlation_id AS id FROM experience_checkpoints ORDER BY id",
    );
    expect(kept.map(({ id }) => id)).toEqual([correlation_id, "28 days"].sort());
    expect(await countOf("experience_verdicts")).toBe(2);
    expect(await countOf("experience_gaps")).toBe(1);
  } finally {
    await short.close();
  }
});
