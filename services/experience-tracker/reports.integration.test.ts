import { ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { payload, startTracker, type TrackerUnderTest } from "./testing/start-tracker.js";

let tracker: TrackerUnderTest;
const shop = { covered_experience_id: "buy", feature_category: "shop", urgency: "custom" };

/** Two journeys succeed, one of them slowly, one fails, and one is seen last when it has paid. */
beforeAll(async () => {
  tracker = await startTracker({ withHistory: true, environment: { SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0" } });
  const common = { description: "Something is bought", feature_category: "shop", urgency: "custom" };
  await tracker.define("buy", {
    ...common,
    apdex_threshold_s: 0.25,
    timeout_s: 1,
    slo: { apdex_pct: 50, error_pct: 75 },
  });
  await tracker.define("idle", { ...common, apdex_threshold_s: 1, timeout_s: 2 });
  await tracker.tracker.definitions.reload();
  const journey = async (...steps: readonly Record<string, unknown>[]): Promise<void> => {
    const correlation_id = ulid();
    const startMs = Date.now();
    const checkpoints = steps.map(({ after_ms: afterMs, ...fields }, index) => {
      const client_timestamp = new Date(startMs + Number(afterMs ?? index)).toISOString();
      return payload({ ...shop, correlation_id, client_timestamp, ...fields });
    });
    // Together, so that however slow the machine is, nothing times out between the steps.
    const headers = { "content-type": "application/json", ...(await tracker.headers("experience:write")) };
    const body = JSON.stringify({ checkpoints });
    const answer = await fetch(`${tracker.url}/checkpoints/batch`, { method: "POST", headers, body });
    expect(await answer.json()).toMatchObject({ accepted: steps.length });
  };
  const begin = { checkpoint: "start", checkpoint_category: "basket" };
  const pay = { checkpoint: "intermediate", checkpoint_category: "paid" };
  await journey(begin, pay, { checkpoint: "end", checkpoint_category: "done" });
  await journey(begin, pay, { checkpoint: "end", checkpoint_category: "done", after_ms: 600 });
  await journey(begin, { checkpoint: "end", error: true });
  await journey(begin, pay);
  await vi.waitFor(async () => expect((await report())["operations"]).toBe(4), { timeout: 30_000, interval: 100 });
}, 60_000);
afterAll(() => tracker?.close());

async function report(query = ""): Promise<Record<string, unknown>> {
  const { status, body } = await tracker.get(`/reports/experiences?${query}`);
  expect(status).toBe(200);
  return body.experiences.find((row: Record<string, unknown>) => row["covered_experience_id"] === "buy");
}

test("a report counts runs, errors and satisfied ones, and says what is left of the budgets", async () => {
  expect(await report()).toMatchObject({
    operations: 4,
    errors: 2,
    timeouts: 1,
    error_ratio: 0.5,
    error_budget_remaining: 0.33333,
    complete: true,
    gap_s: 0,
    open: 0,
  });
});

test("an experience without traffic is listed last, with nulls for ratios", async () => {
  const { body } = await tracker.get("/reports/experiences?window=7d");
  const ids = body.experiences.map((row: { covered_experience_id: string }) => row.covered_experience_id);
  expect(ids[0]).toBe("buy");
  expect(ids).toContain("idle");
  expect(ids).not.toContain("signalbox_canary");
  const idle = body.experiences.find((row: { covered_experience_id: string }) => row.covered_experience_id === "idle");
  expect(idle).toMatchObject({ operations: 0, error_ratio: null, apdex_ratio: null, error_budget_remaining: null });
});

test("what lies outside of the time is not counted", async () => {
  expect(await report("from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z")).toMatchObject({ operations: 0 });
  expect((await tracker.get("/reports/experiences?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z")).status).toBe(
    400,
  );
});

test("a series adds up to the report", async () => {
  const { body } = await tracker.get("/reports/series?experience=buy&window=7d&points=100");
  const [series] = body.series;
  const sum = series.points.reduce((total: number, { operations }: { operations: number }) => total + operations, 0);
  expect(sum).toBe(4);
  expect(body.step_s).toBeCloseTo((7 * 86_400) / 100, 0);
});

test("the distribution of durations holds every run that ended", async () => {
  const { body } = await tracker.get("/reports/latency?experience=buy");
  expect(body.threshold_s).toBe(0.25);
  const count = body.bars.reduce((total: number, bar: { count: number }) => total + bar.count, 0);
  expect(count).toBe(3);
  expect(body.bars.some(({ up_to_s: upTo }: { up_to_s: number }) => upTo >= 0.6)).toBe(true);
});

test("the funnel shows the steps in order, and where a journey that timed out was seen last", async () => {
  await expect
    .poll(async () => (await tracker.get("/reports/funnel?experience=buy")).body.died_after, { timeout: 20_000 })
    .toEqual([{ step: "paid", count: 1, share: 1, usual_next: "done" }]);
  const { body } = await tracker.get("/reports/funnel?experience=buy");
  expect(body.runs).toBe(4);
  const steps = body.steps.map(({ step, runs }: { step: string; runs: number }) => [step, runs]);
  expect(steps.slice(0, 3)).toEqual([
    ["basket", 4],
    ["paid", 3],
    ["done", 2],
  ]);
});

test("an experience that nobody has defined is not found", async () => {
  expect((await tracker.get("/reports/funnel?experience=nothing")).status).toBe(404);
});
