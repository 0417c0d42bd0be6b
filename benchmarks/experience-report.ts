import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { createRegistry, type Definition, parseDefinition } from "@signalbox/experience";
import {
  createDefinitions,
  createReports,
  createRuleFiles,
  experienceAnalytics,
  type ReportWindow,
} from "@signalbox/experience-tracker";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { type Benchmark, percentile, scaled } from "./harness.js";

const verdicts = scaled(5_000_000);
const files = scaled(1_000);
const experiences = 200;
const categories = 25;
const questions = 7;
const dayMs = 86_400_000;

/**
 * The report by category over four weeks, against the plainest question to the same table; reading many files again, and
 * making rules of them.
 */
export const experienceReport: Benchmark = {
  name: "experience-report",
  proves: ["XP-910"],
  async run(report) {
    const directory = await mkdtemp(join(tmpdir(), "bench-report-"));
    try {
      const analytics = await openAnalytics({ path: join(directory, "analytics") });
      try {
        await migrateAnalytics(analytics, [experienceAnalytics]);
        const window = await fill(analytics);
        const { ours, peer } = await compare(analytics, window);
        report({
          workload: `report by category over 28 days, ${verdicts} verdicts of ${experiences} experiences: median`,
          measured: { value: ours, unit: "ms" },
          peer: { name: "count of the same table by experience, with FINAL", value: peer },
          targetRatio: 3,
          target: 2_000,
        });
      } finally {
        await analytics.close();
      }
      const reloading = await reload(join(directory, "definitions"));
      report({
        workload: `${files} definitions read again after each file was changed`,
        measured: { value: reloading.tookMs, unit: "ms" },
        target: 1_000,
        notes: { "longest stall ms": reloading.stallMs },
      });
      const making = await makeRules();
      report({
        workload: `rules for Prometheus made of ${files} definitions`,
        measured: { value: making.tookMs, unit: "ms" },
        target: 1_000,
        notes: { "longest stall ms": making.stallMs },
      });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
};

/** Rows are made by the engine: what is measured is reading. A twentieth of them is written again, as by late ends. */
async function fill(analytics: Analytics): Promise<ReportWindow> {
  const toMs = Math.floor(Date.now() / dayMs) * dayMs;
  const fromMs = toMs - 28 * dayMs;
  const rows = (from: number, count: number, version: number): string => `
    INSERT INTO experience_verdicts SELECT 'default', leftPad(hex(cityHash64(number)), 26, '0'),
      concat('journey_', toString(number % ${experiences})), '1', 'category', 'sync_fast', 'web',
      multiIf(number % 50 = 0, 'timed_out', number % 41 = 0, 'failed', number % 199 = 0, 'discarded', 'succeeded'), '',
      number % 50 = 0 OR number % 41 = 0, if(number % 50 = 0 OR number % 41 = 0, NULL, number % 97 > 0),
      verdict_at, verdict_at, verdict_at, verdict_at, (cityHash64(number, 1) % 3000000) / 1000., 2., 30., '', '', 2, [],
      NULL, if(${version} > 0 AND number % 50 = 0, 'success', ''), NULL, '', number % 977 = 0, '',
      verdict_at + toIntervalSecond(${version}), true
    FROM (SELECT number, fromUnixTimestamp64Milli(toInt64(${fromMs} + cityHash64(number, 2) % ${28 * dayMs}), 'UTC') AS verdict_at
      FROM numbers(${from}, ${count}))`;
  const part = 500_000;
  for (let from = 0; from < verdicts; from += part)
    await analytics.command(rows(from, Math.min(part, verdicts - from), 0), { maxExecutionSeconds: 300 });
  await analytics.command(rows(0, Math.ceil(verdicts / 20), 1), { maxExecutionSeconds: 300 });
  return { fromMs, toMs };
}

function definitionOf(id: string, category: string): Definition {
  const reading = parseDefinition(id, { description: "x", feature_category: category, urgency: "sync_fast" });
  if (reading.kind === "invalid") throw new TypeError("The benchmark's definition is invalid");
  return reading.definition;
}

/** Turn by turn, so that what else the machine does meets both. */
async function compare(analytics: Analytics, window: ReportWindow): Promise<{ ours: number; peer: number }> {
  const reports = createReports(analytics);
  const definitions = Array.from({ length: experiences }, (_, index) =>
    definitionOf(`journey_${index}`, `category_${index % categories}`),
  );
  const ours: number[] = [];
  const peer: number[] = [];
  for (let question = 0; question < questions; question++) {
    ours.push(await timeOf(() => reports.categories("default", window, definitions)));
    peer.push(
      await timeOf(() =>
        analytics.query(
          "SELECT covered_experience_id, count() FROM experience_verdicts FINAL GROUP BY covered_experience_id",
          {},
          { maxExecutionSeconds: 60 },
        ),
      ),
    );
  }
  return { ours: percentile(ours.slice(1), 0.5), peer: percentile(peer.slice(1), 0.5) };
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
}

async function reload(folder: string): Promise<Stalling> {
  await mkdir(folder);
  const write = async (timeoutS: number): Promise<void> => {
    for (let index = 0; index < files; index++)
      await writeFile(
        join(folder, `journey_${index}.yml`),
        `description: A journey\nfeature_category: category_${index % categories}\nurgency: sync_fast\ntimeout_s: ${timeoutS}\n`,
      );
  };
  const definitions = createDefinitions({
    directory: folder,
    clock: systemClock,
    logger: silentLogger,
    metrics: noMetrics,
  });
  await write(30);
  await definitions.reload();
  await write(31);
  return stallingOf(() => definitions.reload());
}

function makeRules(): Promise<Stalling> {
  const registry = createRegistry(
    Array.from({ length: files }, (_, index) => definitionOf(`journey_${index}`, `category_${index % categories}`)),
  );
  const rules = createRuleFiles(
    { registry, etag: "" },
    {
      metricPrefix: "gitlab_covered_experience",
      sliMetrics: "inline",
      publicUrl: "https://signalbox.example",
      metricsTarget: "localhost:9464",
      canaryIntervalS: 60,
    },
  );
  return stallingOf(() => rules.file("prometheus"));
}

/** How long something takes, and for how long nothing else could be done meanwhile. */
interface Stalling {
  readonly tookMs: number;
  readonly stallMs: number;
}

async function stallingOf(work: () => Promise<unknown>): Promise<Stalling> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const tookMs = await timeOf(work);
  // A stall is seen by the timer behind it.
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  return { tookMs, stallMs: Math.round(delay.max / 1e6) };
}
