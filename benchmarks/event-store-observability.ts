import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { createSqlTransport } from "@signalbox/event-store";
import { createEvents, eventsAnalytics } from "@signalbox/events";
import { createPrometheusMetrics, createStreamHub } from "@signalbox/http";
import { createLogger, createLogOutput, systemClock } from "@signalbox/kernel";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { bothPhases, createJobStore, publishThenHandle, type Throughput } from "./load/job-events.js";
import { withSqlite } from "./load/temporary-sqlite.js";

const events = scaled(100_000);
const rounds = 3;

function runDark(): Promise<Throughput> {
  return withSqlite((database) =>
    publishThenHandle(
      createJobStore({ transport: createSqlTransport({ database }), database, handling: "batch" }),
      events,
    ),
  );
}

/** Everything on: a log line for each publish and each delivery, all metrics, two rows in the dispatch log. */
function runObserved(): Promise<Throughput> {
  return withSqlite(async (database, directory) => {
    const lines = openSync(join(directory, "log.jsonl"), "w");
    const analytics = await openAnalytics({ path: join(directory, "analytics") });
    await migrateAnalytics(analytics, [eventsAnalytics]);
    const metrics = createPrometheusMetrics();
    const logger = createLogger({ level: "info", destination: createLogOutput(lines) });
    const streams = createStreamHub();
    const { dispatchLog } = createEvents({
      ...{ database, analytics, clock: systemClock, logger, metrics, streams },
      dispatchLogDays: 30,
    });
    const throughput = await publishThenHandle(
      createJobStore({
        transport: createSqlTransport({ database }),
        database,
        handling: "batch",
        metrics,
        logger,
        dispatchLog,
      }),
      events,
    );
    await analytics.close();
    // What was logged last is written in the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    closeSync(lines);
    return throughput;
  });
}

/** What it costs to see everything. */
export const eventStoreObservability: Benchmark = {
  name: "event-store-observability",
  proves: ["ES-914"],
  async run(report) {
    const results: { observed: Throughput; dark: Throughput }[] = [];
    for (let round = 0; round < rounds; round++) results.push({ observed: await runObserved(), dark: await runDark() });
    const middle = (pick: (result: (typeof results)[number]) => number): number => percentile(results.map(pick), 0.5);
    const workload = `${events} events of 512 bytes, SQLite, with dispatch log, metrics and log lines`;
    report({
      workload: `${workload}: published, then handled`,
      measured: {
        value: middle(({ observed }) => bothPhases(observed.publishedPerSecond, observed.handledPerSecond)),
        unit: "events/s",
      },
      peer: {
        name: "the same with all of it off",
        value: middle(({ dark }) => bothPhases(dark.publishedPerSecond, dark.handledPerSecond)),
      },
      targetRatio: 0.6,
    });
    report({
      workload: `${workload}: handled`,
      measured: { value: middle(({ observed }) => observed.handledPerSecond), unit: "events/s" },
      target: 12_000,
    });
  },
};
