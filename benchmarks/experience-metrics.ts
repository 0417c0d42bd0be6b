import { createMemoryStore, createRegistry, type Definition, parseDefinition } from "@signalbox/experience";
import { createSliMetrics } from "@signalbox/experience-tracker";
import { createPrometheusMetrics } from "@signalbox/http";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { Counter, Registry } from "prom-client";
import { type Benchmark, percentile, scaled } from "./harness.js";

const series = 2_000;
const scrapes = scaled(300);
const seriesOfPair = 7;

function definitions(count: number): Definition[] {
  return Array.from({ length: count }, (_, index) => {
    const content = {
      description: "x",
      feature_category: `category_${index % 40}`,
      urgency: "sync_fast",
      types: ["web"],
    };
    const reading = parseDefinition(`journey_${index}`, content);
    if (reading.kind === "invalid") throw new TypeError("The benchmark's definition is invalid");
    return reading.definition;
  });
}

async function timesOf(scrape: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < scrapes; index++) {
    const startedMs = performance.now();
    await scrape();
    times.push(performance.now() - startedMs);
  }
  return times;
}

/** Showing the counters of the state store, against a registry of prom-client with as many series. */
export const experienceMetrics: Benchmark = {
  name: "experience-metrics",
  proves: ["XP-908"],
  async run(report) {
    const registry = createRegistry(definitions(Math.ceil(series / seriesOfPair)));
    const sli = createSliMetrics({
      store: createMemoryStore(),
      registry: () => registry,
      prefix: "gitlab_covered_experience",
      types: ["web"],
      discardReasons: [],
      maxSeries: 20_000,
      clock: systemClock,
      logger: silentLogger,
    });
    const metrics = createPrometheusMetrics();
    metrics.addSource("experience counters", () => sli.families());
    const peer = new Registry();
    const counter = new Counter({
      name: "peer_total",
      help: "As many series.",
      labelNames: ["covered_experience_id", "feature_category", "urgency", "type", "checkpoint"],
      registers: [peer],
    });
    for (let index = 0; index < series; index++)
      counter.inc({
        covered_experience_id: `journey_${index}`,
        feature_category: `category_${index % 40}`,
        urgency: "sync_fast",
        type: "web",
        checkpoint: "start",
      });
    await timesOf(() => metrics.exposition());
    const ours = await timesOf(() => metrics.exposition());
    await timesOf(() => peer.metrics());
    const theirs = await timesOf(() => peer.metrics());
    report({
      workload: `${series} SLI series scraped: p95`,
      measured: { value: percentile(ours, 0.95), unit: "ms" },
      peer: { name: "prom-client, as many series", value: percentile(theirs, 0.95) },
      targetRatio: 2,
      target: 50,
    });
  },
};
