import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPrometheusMetrics } from "@signalbox/http";
import { createTestTokens } from "@signalbox/http/testing";
import { systemClock } from "@signalbox/kernel";
import { expect, onTestFinished, test, vi } from "vitest";
import { type CanaryOptions, createCanary } from "./canary.js";
import { createHistory } from "./history.js";
import { recordingLogger, startTracker, type TrackerOptions, type TrackerUnderTest } from "./testing/start-tracker.js";

const soon = { timeout: 60_000, interval: 100 } as const;

async function start(options: TrackerOptions): Promise<TrackerUnderTest> {
  const tracker = await startTracker(options);
  onTestFinished(() => tracker.close());
  return tracker;
}

/** Value of a gauge on the metrics listener; NaN while it is absent. */
async function gaugeOf({ metricsUrl }: TrackerUnderTest, name: string): Promise<number> {
  const page = await (await fetch(`${metricsUrl}/metrics`)).text();
  return Number(new RegExp(`^signalbox_experience_canary_${name} (\\S+)$`, "m").exec(page)?.[1] ?? Number.NaN);
}

/** A canary that is sent to a tracker which has none of its own. */
async function canaryBeside(tracker: TrackerUnderTest, changes: Partial<CanaryOptions> = {}) {
  const { logger, lines } = recordingLogger();
  const metrics = createPrometheusMetrics();
  const canary = createCanary({
    url: () => new URL(tracker.url).origin,
    key: async () => tracker.key,
    audience: "signalbox",
    seesHistory: true,
    store: tracker.tracker.store,
    history: tracker.tracker.history,
    intervalMs: 60_000,
    unendedEvery: 10,
    holdUntilMs: () => 0,
    tenant: "default",
    types: ["web"],
    clock: systemClock,
    logger,
    metrics,
    ...changes,
  });
  await canary.service.start();
  onTestFinished(() => canary.service.stop({}));
  const page = async (): Promise<string> => (await metrics.exposition()).body;
  return { canary, lines, page };
}

test("XP-730 XP-480 it measures itself, whoever else may send, and shows its runs only when asked to", async () => {
  const directory = mkdtempSync(join(tmpdir(), "producers-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const producers = join(directory, "producers.yml");
  writeFileSync(producers, "[]");
  const beganS = Date.now() / 1000;
  const tracker = await start({
    withHistory: true,
    withCanary: true,
    environment: {
      SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "1",
      SIGNALBOX_EXPERIENCE_PRODUCERS: producers,
      SIGNALBOX_EXPERIENCE_RATE: "1",
      SIGNALBOX_EXPERIENCE_BURST: "1",
    },
  });
  await vi.waitFor(async () => expect(await gaugeOf(tracker, "success")).toBe(1), soon);
  expect(await gaugeOf(tracker, "last_success_timestamp_seconds")).toBeGreaterThan(beganS - 1);
  expect(await gaugeOf(tracker, "roundtrip_seconds")).toBeGreaterThan(0);
  // Others are still refused.
  expect(await tracker.send({})).toMatchObject({ status: 403, body: { code: "producer_not_allowed" } });
  const shown = await tracker.get("/runs?state=finished&include_canary=true");
  expect(shown.body.runs).not.toEqual([]);
  for (const run of shown.body.runs) expect(run).toMatchObject({ covered_experience_id: "signalbox_canary" });
  expect((await tracker.get("/runs?state=finished")).body.runs).toEqual([]);
  const report = await tracker.get("/reports/experiences");
  expect(report.body.experiences.map((row: Record<string, unknown>) => row["covered_experience_id"])).not.toContain(
    "signalbox_canary",
  );
  // Nor is it a producer that could fall silent.
  expect(await tracker.tracker.store.activity("hour", 0)).toEqual([]);
});

test("XP-730 where tokens name their tenant, it has one of its own", async () => {
  const tracker = await start({ withCanary: true, environment: { SIGNALBOX_EXPERIENCE_TENANT_CLAIM: "org" } });
  await vi.waitFor(async () => expect(await gaugeOf(tracker, "success")).toBe(1), soon);
});

test("XP-730 XP-795 an interval of 0 is no canary, and no gauge", async () => {
  const tracker = await start({ withCanary: true, environment: { SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "0" } });
  expect(tracker.tracker.client).toBeUndefined();
  expect(await gaugeOf(tracker, "success")).toBeNaN();
});

test("XP-730 a journey that is left without an end has to time out", async () => {
  const tracker = await start({ withHistory: true });
  const { lines, page } = await canaryBeside(tracker, { unendedEvery: 1 });
  await vi.waitFor(async () => expect(await page()).toContain("canary_success 1"), soon);
  expect(lines).toEqual([]);
  const { runs } = (await tracker.get("/runs?state=finished&include_canary=true")).body;
  expect(runs).toMatchObject([{ state: "timed_out", covered_experience_id: "signalbox_canary" }]);
  // How long a timeout takes says nothing of the way.
  expect(await page()).not.toMatch(/^signalbox_experience_canary_roundtrip_seconds /m);
}, 90_000);

test("XP-730 XP-480 an analytics engine that is away: the gauge falls and the line says where the journey was lost", async () => {
  // No history in this tracker: asking for it fails as an engine does that is away.
  const tracker = await start({});
  const { lines, page } = await canaryBeside(tracker, { patienceMs: 500 });
  await vi.waitFor(async () => expect(await page()).toContain("canary_success 0"), soon);
  expect(lines).toMatchObject([
    {
      level: "warn",
      message: "experience.canary_failed",
      fields: { step: "history", has_end: true, error: { cause: { code: "ANALYTICS_UNAVAILABLE" } } },
    },
  ]);
  expect(await page()).not.toMatch(/^signalbox_experience_canary_last_success_timestamp_seconds /m);
});

test("XP-730 a refusal, a listener that is gone and a counter that stands still are told apart, and so is the way back", async () => {
  const tracker = await start({});
  const foreign = await createTestTokens();
  const refused = await canaryBeside(tracker, { key: async () => foreign.key, seesHistory: false });
  const closed = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => closed.once("listening", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  let url = `http://127.0.0.1:${port}`;
  const gone = await canaryBeside(tracker, { url: () => url, intervalMs: 100, seesHistory: false });
  const { store } = tracker.tracker;
  const still = await store.counters();
  const stuck = await canaryBeside(tracker, {
    store: { get: (identity) => store.get(identity), counters: async () => still },
    patienceMs: 500,
  });
  const stepOf = async ({ lines, page }: typeof refused): Promise<unknown> => {
    await vi.waitFor(async () => expect(await page()).toContain("canary_success 0"), soon);
    return lines[0]?.fields?.["step"];
  };
  expect(await stepOf(refused)).toBe("send");
  expect(String(Object(refused.lines[0]?.fields?.["error"]).cause)).toContain("answered 401");
  expect(await stepOf(gone)).toBe("send");
  expect(await stepOf(stuck)).toBe("counters");
  url = new URL(tracker.url).origin;
  await vi.waitFor(async () => expect(await gone.page()).toContain("canary_success 1"), soon);
  expect(gone.lines.at(-1)).toMatchObject({ level: "info", message: "experience.canary_recovered" });
});

test("XP-730 a server that stops in the middle of a journey waits for nothing and blames nobody", async () => {
  const tracker = await start({});
  const { lines, page, canary } = await canaryBeside(tracker);
  // Nothing writes history here, so it looks for its row until it is stopped.
  await vi.waitFor(async () => expect((await tracker.tracker.store.counters()).get("open|open")).toBe(0), soon);
  await vi.waitFor(
    async () => expect([...(await tracker.tracker.store.counters()).keys()].join()).toContain("end"),
    soon,
  );
  await canary.service.stop({});
  expect(lines).toEqual([]);
  expect(await page()).not.toMatch(/^signalbox_experience_canary_success /m);
  // What it had begun it has ended.
  const counters = await tracker.tracker.store.counters();
  expect(counters.get("open|open")).toBe(0);
});

test("XP-730 its history is looked for only where it can come", async () => {
  const tracker = await start({});
  const { page } = await canaryBeside(tracker, { seesHistory: false, history: createHistory(tracker.analytics) });
  await vi.waitFor(async () => expect(await page()).toContain("canary_success 1"), soon);
});
