import { compileGroupingRules, groupEvent, markInApp, normaliseEvent } from "@signalbox/error-tracking";
import { parseJsonObject } from "@signalbox/sentry-protocol";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { mixedEvent } from "./load/error-mix.js";

const events = scaled(20_000);
/** Times that the slowest events are measured again, since a pause of the machine is not theirs. */
const tries = 5;

/** Grouping on one core: marking the frames of the application, turning messages into patterns, hashing. */
export const errorsGrouping: Benchmark = {
  name: "errors-grouping",
  proves: ["ET-904"],
  async run(report) {
    const rules = compileGroupingRules("", "");
    const normalised = Array.from({ length: events }, (_, index) => {
      const bytes = Buffer.from(JSON.stringify(mixedEvent(index)));
      return normaliseEvent(parseJsonObject(bytes), {
        eventId: "0".repeat(32),
        receivedAtMs: Date.now(),
        sentAtMs: undefined,
        clientAddress: undefined,
        correlationId: "01ARZ3NDEKTSV4RRFFQ69G5FAV",
      }).event;
    });
    const group = (event: (typeof normalised)[number]): void => {
      markInApp(event, rules);
      groupEvent(event, rules);
    };
    const timesMs = normalised.map((event) => msOf(() => group(event)));
    const cpu = process.cpuUsage();
    for (const event of normalised) group(event);
    const { user, system } = process.cpuUsage(cpu);
    const slowest = [...timesMs.entries()].sort(([, a], [, b]) => b - a).slice(0, 50);
    const slowestMs = slowest.map(([index]) => {
      const event = normalised[index];
      return event ? Math.min(...Array.from({ length: tries }, () => msOf(() => group(event)))) : Number.NaN;
    });
    const workload = `${events} events of the mix (mean 8 kB, 7 platforms), rules of an installation without own ones`;
    report({
      workload: `${workload}: grouped in a second of CPU time`,
      measured: { value: events / ((user + system) / 1_000_000), unit: "events/s" },
      target: 5_000,
    });
    report({
      workload: `${workload}: one event, p99.9`,
      measured: { value: percentile(timesMs, 0.999), unit: "ms" },
      target: 5,
    });
    report({
      workload: `${workload}: the slowest event, best of ${tries} tries`,
      measured: { value: Math.max(...slowestMs), unit: "ms" },
      target: 20,
    });
  },
};

function msOf(work: () => void): number {
  const startMs = performance.now();
  work();
  return performance.now() - startMs;
}
