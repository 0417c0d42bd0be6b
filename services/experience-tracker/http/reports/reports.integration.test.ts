import { ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { payload, startTracker, type TrackerUnderTest } from "../../testing/start-tracker.js";

let tracker: TrackerUnderTest;
const shop = { covered_experience_id: "buy", feature_category: "shop", urgency: "custom" };

/** Two journeys succeed, one of them slowly, one fails, and one is seen last when it has paid. */
beforeAll(async () => {
  tracker = await startTracker({
    withHistory: true,
    environment: {
      SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0",
      SIGNALBOX_EXPERIENCE_JOURNEYS: JSON.stringify({
        shopping: [
          { id: "buy", weight: 3 },
          { id: "idle", weight: 1 },
        ],
        "=cmd()": [{ id: "idle", weight: 1 }],
      }),
    },
  });
  const common = { description: "Something is bought", feature_category: "shop", urgency: "custom" };
  await tracker.define("buy", {
    ...common,
    apdex_threshold_s: 0.25,
    timeout_s: 1,
    slo: { apdex_pct: 50, error_pct: 75 },
  });
  await tracker.define("idle", { ...common, feature_category: "leisure", apdex_threshold_s: 1, timeout_s: 2 });
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

test("XP-590 XP-592 a report counts runs, errors and satisfied ones, and says what is left of the budgets", async () => {
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

test("XP-591 XP-593 an experience without traffic is listed last, with nulls for ratios", async () => {
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

test("XP-620 the funnel shows the steps in order, and where a journey that timed out was seen last", async () => {
  await expect
    .poll(async () => (await tracker.get("/reports/funnel?experience=buy")).body.died_after, { timeout: 20_000 })
    .toEqual([{ type: "web", step: "paid", count: 1, share: 1, usual_next: { type: "web", step: "done" } }]);
  const { body } = await tracker.get("/reports/funnel?experience=buy");
  expect(body.runs).toBe(4);
  const steps = body.steps.map(({ step, runs }: { step: string; runs: number }) => [step, runs]);
  expect(steps.slice(0, 3)).toEqual([
    ["basket", 4],
    ["paid", 3],
    ["done", 2],
  ]);
});

test("XP-590 XP-592 a category has the sum of its experiences, their budgets by runs, and the minutes that it lost", async () => {
  const { body } = await tracker.get("/reports/feature-categories");
  const [shop] = body.feature_categories;
  const leisure = body.feature_categories.find((row: Record<string, unknown>) => row["feature_category"] === "leisure");
  const buy = await report();
  expect(shop).toMatchObject({
    feature_category: "shop",
    experiences: 1,
    operations: 4,
    errors: 2,
    timeouts: 1,
    apdex_weight: 2,
    apdex_success: 1,
    p95_s: buy["p95_s"],
    availability: 0.5,
    error_budget_remaining: 0.33333,
    apdex_budget_remaining: 0,
    spent_minutes: 20_160,
    allowed_minutes: 20.16,
    complete: true,
  });
  expect(leisure).toMatchObject({
    feature_category: "leisure",
    operations: 0,
    availability: null,
    error_budget_remaining: null,
    spent_minutes: null,
    p50_s: null,
  });
});

test("XP-595 a journey has the means of its experiences by weight, of those that had traffic", async () => {
  const { body } = await tracker.get("/reports/experiences");
  const [shopping, other] = body.journeys;
  expect(shopping).toMatchObject({
    journey: "shopping",
    experiences: [
      { id: "buy", weight: 3 },
      { id: "idle", weight: 1 },
    ],
    operations: 4,
    error_ratio: 0.5,
    apdex_ratio: 0.5,
    availability: 0.5,
    error_budget_remaining: 0.33333,
    p95_s: null,
  });
  expect(other).toMatchObject({ journey: "=cmd()", operations: 0, error_ratio: null });
});

test("XP-593 the same rows come as CSV, and no cell is a formula", async () => {
  const { body, headers } = await tracker.get("/reports/experiences?format=csv");
  expect(headers.get("content-type")).toBe("text/csv; charset=utf-8; header=present");
  const [head, ...lines] = String(body).trimEnd().split("\r\n");
  const names = head?.split(",") ?? [];
  const cells = lines.map((line) => new Map(line.split(",").map((cell, index) => [names[index], cell])));
  expect(cells.map((row) => row.get("covered_experience_id") || row.get("journey"))).toEqual([
    "buy",
    "create_merge_request",
    "idle",
    "signalbox_relay_historic_sync",
    "shopping",
    "'=cmd()",
  ]);
  const [buy, , idle] = cells;
  expect(buy?.get("slo_apdex_pct")).toBe("50");
  expect(buy?.get("with_gaps_errors")).toBe("2");
  expect(buy?.get("error_budget_remaining")).toBe("0.33333");
  expect(idle?.get("error_ratio")).toBe("");
  const categories = await tracker.get("/reports/feature-categories?format=csv&window=7d");
  expect(String(categories.body).split("\r\n")[1]).toMatch(/^shop,1,4,2,1,2,1,0.5,0.5,/);
});

test("XP-621 lateness tells of timeouts, and suggests no timeout while few runs are known", async () => {
  const { status, body } = await tracker.get("/reports/lateness?experience=buy");
  expect(status).toBe(200);
  expect(body).toMatchObject({
    timeout_s: 1,
    timeouts: 1,
    ended_later: { success: 0, error: 0, discarded: 0 },
    lateness_p50_s: null,
    known_ends: 3,
    suggested_timeout_s: null,
  });
  expect(body.bars).toHaveLength(9);
});

test("XP-622 what if judges the same runs by other terms, beside the real row, and changes nothing", async () => {
  const { body } = await tracker.get(
    "/reports/what-if?experience=buy&threshold_s=0.6&timeout_s=0.6&apdex_pct=40&error_pct=50",
  );
  expect(body.real).toMatchObject({ apdex_ratio: 0.5, threshold_s: 0.25, slo: { apdex_pct: 50, error_pct: 75 } });
  expect(body.what_if).toMatchObject({
    operations: 4,
    errors: 2,
    apdex_success: 2,
    apdex_ratio: 1,
    threshold_s: 0.6,
    timeout_s: 0.6,
    slo: { apdex_pct: 40, error_pct: 50 },
    error_budget_remaining: 0,
    apdex_budget_remaining: 1,
  });
  const shorter = await tracker.get("/reports/what-if?experience=buy&timeout_s=0.5");
  expect(shorter.body.what_if).toMatchObject({ timeouts: 2, late_success: 1, errors: 3 });
  expect(await report()).toMatchObject({ timeouts: 1, errors: 2, threshold_s: 0.25 });
  for (const wrong of ["threshold_s=2", "threshold_s=0", "apdex_pct=100", "error_pct=0", "timeout_s=604801", "other=1"])
    expect((await tracker.get(`/reports/what-if?experience=buy&${wrong}`)).body).toMatchObject({
      code: "invalid_parameter",
    });
});

test("XP-167 every report needs the scope to read, and an experience that nobody defined is not found", async () => {
  const paths = ["experiences", "feature-categories"];
  const ofExperience = ["latency", "lateness", "funnel", "what-if"].map((name) => `${name}?experience=`);
  for (const path of [...paths, ...ofExperience.map((name) => `${name}buy`)]) {
    expect([path, (await tracker.get(`/reports/${path}`)).status]).toEqual([path, 200]);
    expect([path, (await tracker.get(`/reports/${path}`, "experience:write")).status]).toEqual([path, 403]);
  }
  expect((await tracker.get("/gaps")).body).toEqual({ gaps: [] });
  for (const path of ofExperience) {
    expect((await tracker.get(`/reports/${path}nothing`)).body).toMatchObject({ code: "definition_not_found" });
    expect((await tracker.get(`/reports/${path.slice(0, path.indexOf("?"))}`)).status).toBe(400);
  }
});

test("UI-041 burn rates are those of the windows of the alerts, by the runs that ended in them; unknown ids answer 404", async () => {
  const { status, body } = await tracker.get("/reports/burn-rates?experience=buy");
  expect(status).toBe(200);
  expect(body).toMatchObject({ alerts_enabled: true, min_events: 10, min_failures: 3 });
  const [error, apdex] = body.budgets;
  // 75 % may fail: no share of runs is 5.6 times that, nor 2.8 times.
  expect([error.budget, error.allowed, error.burning]).toEqual(["error", 0.75, null]);
  expect(error.pairs.map(({ severity, factor }: Record<string, unknown>) => [severity, factor])).toEqual([
    ["ticket", 0.9333],
  ]);
  expect(error.pairs[0].long).toEqual({ window: "3d", runs: 4, bad: 2, burn_rate: 0.5 / 0.75 });
  expect(error.pairs[0].short).toEqual({ window: "6h", runs: 4, bad: 2, burn_rate: 0.5 / 0.75 });
  expect(apdex.pairs.at(-1).long).toEqual({ window: "3d", runs: 2, bad: 1, burn_rate: 1 });
  const idle = await tracker.get("/reports/burn-rates?experience=idle");
  expect(idle.body.budgets[0].pairs[0].long).toEqual({ window: "1h", runs: 0, bad: 0, burn_rate: null });
  for (const unknown of ["nothing", "signalbox_canary"])
    expect((await tracker.get(`/reports/burn-rates?experience=${unknown}`)).body.code).toBe("definition_not_found");
});
