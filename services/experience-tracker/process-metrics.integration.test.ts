import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExperienceError } from "@signalbox/experience";
import { ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createSqlStore } from "./store/sql-store.js";
import { startTracker, type TrackerUnderTest } from "./testing/start-tracker.js";

// Runs out after half a second, and satisfies within 70 ms: a bound that no usual bucket has.
const quick = { covered_experience_id: "quick", feature_category: "testing", urgency: "custom" };
const quickFile = {
  description: "A journey that is over soon",
  feature_category: "testing",
  urgency: "custom",
  apdex_threshold_s: 0.07,
  timeout_s: 0.5,
};
const idleFile = { ...quickFile, timeout_s: 3600, inactivity_timeout_s: 0.5 };
/** Does not run out before its end has come, however slow the machine is. */
const steady = { ...quick, covered_experience_id: "steady" };
const steadyFile = { ...quickFile, timeout_s: 3600 };
const idle = { ...quick, covered_experience_id: "idle" };

let directory: string;
let tracker: TrackerUnderTest;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "process-metrics-"));
  mkdirSync(join(directory, "definitions"));
  for (const [id, content] of Object.entries({ quick: quickFile, idle: idleFile, steady: steadyFile }))
    writeFileSync(join(directory, "definitions", `${id}.yml`), JSON.stringify(content));
  tracker = await startTracker({ directory, environment: { SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0" } });
});
afterAll(async () => {
  await tracker.close();
  rmSync(directory, { recursive: true, force: true });
});

const page = async (of = tracker): Promise<string> => (await fetch(`${of.metricsUrl}/metrics`)).text();

/** The value of one series; its labels are a part of its name. `NaN` where there is no such series. */
async function value(series: string, of = tracker): Promise<number> {
  const line = (await page(of)).split("\n").find((text) => text.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? Number.NaN);
}

/** How far a series rises while something happens; what the store counts shows a second later. */
async function rises(series: string, work: () => Promise<unknown>): Promise<(by: number) => Promise<void>> {
  const before = await value(series);
  await work();
  return (by) => expect.poll(() => value(series), { timeout: 10_000 }).toBe((before || 0) + by);
}

test("XP-464 every checkpoint counts by what became of it", async () => {
  const correlation_id = ulid();
  const start = { correlation_id, event_id: ulid() };
  const of = (result: string): string => `signalbox_experience_events_total{result="${result}"}`;
  for (const result of ["applied", "recorded", "duplicate", "rejected"]) expect(await value(of(result))).toBe(0);
  await (await rises(of("applied"), () => tracker.send(start)))(1);
  await (await rises(of("duplicate"), () => tracker.send(start)))(1);
  await (await rises(of("recorded"), () => tracker.send({ correlation_id })))(1);
  await (await rises(of("rejected"), () => tracker.send({ correlation_id: "not one" })))(1);
});

test("XP-466 XP-467 XP-468 timeouts count by their reason, and ends that come after them by outcome and lateness", async () => {
  const [silent, idleId] = [ulid(), ulid()];
  const timedOut = await rises(
    'signalbox_experience_timeouts_total{covered_experience_id="quick",reason="timeout"}',
    () => tracker.send({ ...quick, correlation_id: silent }),
  );
  const inactive = await rises(
    'signalbox_experience_timeouts_total{covered_experience_id="idle",reason="inactivity"}',
    () => tracker.send({ ...idle, correlation_id: idleId }),
  );
  await timedOut(1);
  await inactive(1);
  const [latenessAtMost1, latenessCount] = ["bucket", "count"].map((part) =>
    part === "bucket"
      ? 'signalbox_experience_lateness_seconds_bucket{covered_experience_id="quick",le="1"}'
      : 'signalbox_experience_lateness_seconds_count{covered_experience_id="quick"}',
  ) as [string, string];
  const late = await rises(
    'signalbox_experience_late_ends_total{covered_experience_id="quick",outcome="success"}',
    () =>
      tracker.send({
        ...quick,
        correlation_id: silent,
        checkpoint: "end",
        // Happened a little after the deadline, whatever the machine does now.
        client_timestamp: new Date(Date.now() + 30_000).toISOString(),
      }),
  );
  await late(1);
  expect(await value(latenessCount)).toBe(1);
  expect(await value(latenessAtMost1)).toBe(0);
  expect(await value(latenessAtMost1.replace('le="1"', 'le="60"'))).toBe(1);
  const bounds = [...(await page()).matchAll(/^signalbox_experience_lateness_seconds_bucket\{.*le="([^"]+)"/gm)];
  expect([...new Set(bounds.map(([, bound]) => bound))]).toEqual([
    "1",
    "5",
    "15",
    "60",
    "300",
    "1800",
    "3600",
    "21600",
    "+Inf",
  ]);
});

test("XP-469 discards count by reason, as long as the reason is a configured one", async () => {
  for (const [reason, label] of [
    ["cancelled", "cancelled"],
    ["sunspots", "other"],
  ] as const) {
    const correlation_id = ulid();
    await tracker.send({ correlation_id });
    const rose = await rises(
      `signalbox_experience_discards_total{covered_experience_id="create_merge_request",reason="${label}"}`,
      () => tracker.send({ correlation_id, checkpoint: "end", outcome: "discarded", discard_reason: reason }),
    );
    await rose(1);
  }
});

test("XP-470 durations are told by outcome, with a bucket at each custom threshold", async () => {
  const at = Date.now();
  const journey = async (elapsedMs: number, more: object): Promise<void> => {
    const correlation_id = ulid();
    const time = (afterMs: number): string => new Date(at + afterMs).toISOString();
    await tracker.send({ ...steady, correlation_id, client_timestamp: time(0) });
    await tracker.send({ ...steady, correlation_id, checkpoint: "end", client_timestamp: time(elapsedMs), ...more });
  };
  await journey(70, {});
  await journey(71, {});
  await journey(200, { error: true });
  const bucket = (outcome: string, bound: string): string =>
    `signalbox_experience_duration_seconds_bucket{covered_experience_id="steady",outcome="${outcome}",le="${bound}"}`;
  expect(await value(bucket("succeeded", "0.07"))).toBe(1);
  expect(await value(bucket("succeeded", "0.1"))).toBe(2);
  expect(await value(bucket("failed", "0.1"))).toBe(0);
  expect(await value(bucket("failed", "0.5"))).toBe(1);
  const bounds = [...(await page()).matchAll(/^signalbox_experience_duration_seconds_bucket\{.*le="([^"]+)"/gm)];
  expect(new Set(bounds.map(([, bound]) => bound))).toEqual(
    new Set("0.07 0.1 0.5 1 2 5 10 15 30 60 150 300 600 3600 +Inf".split(" ")),
  );
});

test("XP-473 the reaper tells its batches, its lag, when it last succeeded and what it put aside", async () => {
  const lag = await rises("signalbox_experience_reaper_lag_seconds_count", () => tracker.send(quick));
  await lag(1);
  expect(await value("signalbox_experience_reaper_batch_size_count")).toBeGreaterThanOrEqual(1);
  expect(await value("signalbox_experience_reaper_duration_seconds_count")).toBeGreaterThanOrEqual(1);
  const lastSuccess = await value("signalbox_experience_reaper_last_success_timestamp_seconds");
  expect(Math.abs(Date.now() / 1000 - lastSuccess)).toBeLessThan(60);
  expect(await value("signalbox_experience_reaper_quarantined")).toBe(0);
});

test("XP-474 the store tells whether it is up, how long its operations take, and what waits for being published", async () => {
  const applied = await rises('signalbox_experience_store_operation_duration_seconds_count{operation="apply"}', () =>
    tracker.send({}),
  );
  await applied(1);
  expect(await value('signalbox_experience_store_up{store="sql"}')).toBe(1);
  await expect.poll(() => value("signalbox_experience_outbox_records")).toBe(0);
  expect(await value("signalbox_experience_outbox_oldest_seconds")).toBe(0);

  let isAway = false;
  let isFull = false;
  const failing = await startTracker({
    openStore: (request, database) => {
      const store = createSqlStore({ database, ...request });
      const unless =
        <Args extends readonly unknown[], T>(isFailing: () => boolean, work: (...args: Args) => Promise<T>) =>
        async (...args: Args): Promise<T> => {
          if (isFailing()) throw new ExperienceError("state_store_unavailable");
          return work(...args);
        };
      return {
        ...store,
        health: unless(() => isAway, store.health),
        nextDue: unless(() => isAway, store.nextDue),
        heartbeat: unless(() => isFull, store.heartbeat),
      };
    },
  });
  onTestFinished(() => failing.close());
  const comesTo = (up: 0 | 1): Promise<void> =>
    expect.poll(() => value('signalbox_experience_store_up{store="sql"}', failing), { timeout: 60_000 }).toBe(up);
  await comesTo(1);
  isAway = true;
  await comesTo(0);
  isAway = false;
  await comesTo(1);
  // It answers, and takes nothing.
  isFull = true;
  await comesTo(0);
});

test("XP-478 the skew of producers' clocks is told by type, from the time of sending where it is given", async () => {
  const skewed = 'signalbox_experience_clock_skew_seconds_bucket{type="web",le="60"}';
  const all = 'signalbox_experience_clock_skew_seconds_count{type="web"}';
  const before = [await value(skewed), await value(all)] as const;
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
  await tracker.send({ client_timestamp: hourAgo });
  await tracker.send({ client_timestamp: hourAgo, sent_timestamp: new Date().toISOString() });
  expect(await value(all)).toBe((before[1] || 0) + 2);
  expect(await value(skewed)).toBe((before[0] || 0) + 1);
});
