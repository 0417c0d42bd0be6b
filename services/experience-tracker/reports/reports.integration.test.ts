import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experienceAnalytics } from "../analytics-migrations.js";
import {
  checkpointRows,
  definitionsOfReports,
  foreignRows,
  naive,
  randomHistory,
  reportedWindow,
  verdictRows,
} from "../testing/random-history.js";
import { roundedUpS } from "./lateness.js";
import { createReports, type Reports } from "./reports.js";

/** More random histories than a quick run takes. */
const numRuns = Number(process.env["EXPERIENCE_HISTORIES"] ?? 12);

let analytics: Analytics;
let reports: Reports;
let directory: string;
let tenants = 0;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "reports-"));
  analytics = await openAnalytics({ path: directory });
  await migrateAnalytics(analytics, [experienceAnalytics]);
  reports = createReports(analytics);
});
afterAll(async () => {
  await analytics?.close();
  await rm(directory, { recursive: true, force: true });
});

/** A tenant of its own for each history; the rows of all others lie beside them. */
async function written(history: Parameters<typeof verdictRows>[1]): Promise<string> {
  const tenant = `tenant-${++tenants}`;
  await analytics.insert("experience_verdicts", [...verdictRows(tenant, history), ...foreignRows(tenant)]);
  await analytics.insert("experience_checkpoints", checkpointRows(tenant, history));
  return tenant;
}

describe("reports say what counting by hand says", () => {
  const anyHistory = (maxRuns: number) => fc.array(randomHistory, { maxLength: maxRuns });
  const settings = { numRuns };

  test("XP-590 XP-593 figures of experiences and of categories", async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory(60), async (history) => {
        const tenant = await written(history);
        const experiences = await reports.experiences(tenant, reportedWindow, definitionsOfReports);
        expect(experiences.map(({ definition, ...figures }) => [definition.id, figures])).toEqual(
          definitionsOfReports.map(({ id }) => [id, naive.figures(history, [id])]),
        );
        const categories = await reports.categories(tenant, reportedWindow, definitionsOfReports);
        expect(categories.map(({ featureCategory, experiences: _, ...figures }) => [featureCategory, figures])).toEqual(
          [
            ["shop", naive.figures(history, ["buy", "browse"])],
            ["support", naive.figures(history, ["ask"])],
          ],
        );
        expect(categories.map((category) => category.experiences)).toEqual([
          experiences.filter(({ definition }) => definition.featureCategory === "shop"),
          experiences.filter(({ definition }) => definition.featureCategory === "support"),
        ]);
      }),
      settings,
    );
  }, 120_000);

  test("XP-621 what came of timeouts", async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory(300), async (history) => {
        const tenant = await written(history);
        expect(await reports.lateness(tenant, reportedWindow, "buy")).toEqual(naive.lateness(history, "buy"));
      }),
      settings,
    );
  }, 120_000);

  test("XP-622 the same runs judged by other terms", async () => {
    const terms = fc.record({
      thresholdMs: fc.option(fc.constantFrom(1, 400, 1_000, 5_000), { nil: undefined }),
      timeoutMs: fc.option(fc.constantFrom(400, 2_000, 10_000, 60_000), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(anyHistory(80), terms, async (history, other) => {
        const tenant = await written(history);
        expect(await reports.whatIf(tenant, reportedWindow, "buy", other)).toEqual(naive.whatIf(history, "buy", other));
        const [real] = await reports.experiences(tenant, reportedWindow, definitionsOfReports);
        const { definition: _, ...figures } = real ?? { definition: undefined };
        expect(await reports.whatIf(tenant, reportedWindow, "buy", {})).toEqual(figures);
      }),
      settings,
    );
  }, 120_000);

  test("XP-620 the steps of the funnel, their order and what follows them", async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory(40), async (history) => {
        const tenant = await written(history);
        const [buy] = definitionsOfReports;
        if (!buy) throw new Error("no definition");
        expect(await reports.funnel(tenant, reportedWindow, buy)).toEqual(naive.funnel(history, "buy"));
      }),
      settings,
    );
  }, 120_000);
});

test("XP-203 the definition's own categories and the first of the others are told apart, 50 in all", async () => {
  const [buy] = definitionsOfReports;
  if (!buy) throw new Error("no definition");
  const tenant = `tenant-${++tenants}`;
  const own = ["Rare.step", "never_sent"];
  // The category of the definition is the last that was ever seen; the others come one by one.
  const categories = [...Array.from({ length: 60 }, (_, index) => `c${index}`), "Rare.step"];
  const history = categories.map((category, index) => ({
    ...naive.emptyRun,
    experience: "buy",
    state: "succeeded" as const,
    elapsedMs: 10,
    verdictMs: index,
    steps: [{ type: "web", kind: "end" as const, category, afterMs: 0, applied: true, sequence: undefined }],
  }));
  await analytics.insert("experience_verdicts", verdictRows(tenant, history));
  await analytics.insert("experience_checkpoints", checkpointRows(tenant, history));
  const { steps } = await reports.funnel(tenant, reportedWindow, { ...buy, checkpointCategories: own });
  const found = new Map(steps.map(({ step, runs }) => [step, runs]));
  expect(found.get("Rare.step")).toBe(1);
  expect(found.get("c0")).toBe(1);
  expect(found.get("c47")).toBe(1);
  expect(found.has("c48")).toBe(false);
  expect(found.get("other")).toBe(12);
  expect(found.size).toBe(50);
});

test("XP-590 gaps of several replicas are counted once, within the time, and the silence of one producer is none", async () => {
  const gap = (fromS: number, toS: number, reason: string) => ({
    from: new Date(reportedWindow.fromMs + fromS * 1000).toISOString(),
    to: new Date(reportedWindow.fromMs + toS * 1000).toISOString(),
    reason,
    replica: `${fromS}`,
  });
  expect(await reports.gapSeconds(reportedWindow)).toBe(0);
  await analytics.insert("experience_gaps", [
    gap(-100, -50, "tracker_down"),
    gap(-20, 10, "tracker_down"),
    gap(5, 12.5, "store_down"),
    gap(7, 8, "tracker_down"),
    gap(100, 120, "store_down"),
    gap(200, 300, "producer_silent"),
  ]);
  expect(await reports.gapSeconds(reportedWindow)).toBe(32.5);
});

test("a length of time is rounded up to two digits", () => {
  const rounded = [0, 1, 99, 100, 101, 990, 991, 1000, 1001, 29_900, 30_001, 604_800_000].map(roundedUpS);
  expect(rounded).toEqual([0.001, 0.001, 0.099, 0.1, 0.11, 0.99, 1, 1, 1.1, 30, 31, 610_000]);
});

test("no report divides by nothing", async () => {
  const tenant = await written([]);
  const [buy] = definitionsOfReports;
  if (!buy) throw new Error("no definition");
  expect(await reports.funnel(tenant, reportedWindow, buy)).toEqual({ runs: 0, lookedAt: 0, steps: [], diedAfter: [] });
  expect(await reports.lateness(tenant, reportedWindow, "buy")).toEqual(naive.lateness([], "buy"));
  expect(await reports.whatIf(tenant, reportedWindow, "buy", { timeoutMs: 1 })).toEqual(naive.figures([], ["buy"]));
});
