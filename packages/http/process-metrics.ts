import { readdir } from "node:fs/promises";
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Metrics } from "@signalbox/kernel";

/** Stops what measures between scrapes. */
export interface ProcessMetrics {
  stop(): void;
}

/** How often the event loop is probed. */
const resolutionMs = 10;
/** Delays are those of the last one to two windows, so that a peak is seen by every scrape that comes in time. */
const windowMs = 30_000;

/** Event-loop delay, memory, handles and file descriptors of this process. */
export function observeProcess(metrics: Metrics): ProcessMetrics {
  const delays = createDelayWindows();
  metrics.gauge({
    name: "signalbox_event_loop_delay_seconds",
    help: "How late the event loop was, over the last 30 to 60 seconds.",
    labels: ["stat"],
    known: delayStats.map((stat) => ({ stat })),
    collect(gauge) {
      for (const stat of delayStats) gauge.set(delays.seconds(stat), { stat });
    },
  });
  metrics.gauge({
    name: "signalbox_memory_bytes",
    help: "Memory of the process: resident, heap used, heap reserved, outside the heap, array buffers.",
    labels: ["kind"],
    known: Object.keys(memoryKinds()).map((kind) => ({ kind })),
    collect(gauge) {
      for (const [kind, bytes] of Object.entries(memoryKinds())) gauge.set(bytes, { kind });
    },
  });
  metrics.gauge({
    name: "signalbox_open_handles",
    help: "What keeps the event loop busy, by kind: sockets, timers, servers, requests under way.",
    labels: ["kind"],
    maxSeries: 64,
    collect: createHandleCollector(),
  });
  metrics.gauge({
    name: "signalbox_open_file_descriptors",
    help: "File descriptors in use; 0 where the system does not tell.",
    async collect(gauge) {
      gauge.set(await countFileDescriptors());
    },
  });
  return { stop: () => delays.stop() };
}

const delayStats = ["p50", "p90", "p99", "p999", "max"] as const;
type DelayStat = (typeof delayStats)[number];

const percentiles: Readonly<Record<Exclude<DelayStat, "max">, number>> = { p50: 50, p90: 90, p99: 99, p999: 99.9 };

/** Two histograms that are emptied in turn; read is the one that has measured longer. */
function createDelayWindows(): { seconds(stat: DelayStat): number; stop(): void } {
  let longer = monitorEventLoopDelay({ resolution: resolutionMs });
  let shorter = monitorEventLoopDelay({ resolution: resolutionMs });
  longer.enable();
  shorter.enable();
  const timer = setInterval(() => {
    longer.reset();
    [longer, shorter] = [shorter, longer];
  }, windowMs);
  timer.unref();
  return {
    seconds(stat) {
      if (Number.isNaN(longer.mean)) return 0;
      const nanoseconds = stat === "max" ? longer.max : longer.percentile(percentiles[stat]);
      // What is measured is the time between two probes, which are due every `resolutionMs`.
      return Math.max(0, nanoseconds / 1e9 - resolutionMs / 1000);
    },
    stop() {
      clearInterval(timer);
      longer.disable();
      shorter.disable();
    },
  };
}

function memoryKinds(): Record<string, number> {
  const { rss, heapUsed, heapTotal, external, arrayBuffers } = process.memoryUsage();
  return { resident: rss, heap_used: heapUsed, heap_total: heapTotal, external, array_buffers: arrayBuffers };
}

/** Kinds that were there once are shown at 0 when they are gone. */
function createHandleCollector(): (gauge: { set(value: number, labels: { kind: string }): void }) => void {
  const seen = new Map<string, number>();
  return (gauge) => {
    for (const kind of seen.keys()) seen.set(kind, 0);
    for (const kind of process.getActiveResourcesInfo()) seen.set(kind, (seen.get(kind) ?? 0) + 1);
    for (const [kind, count] of seen) gauge.set(count, { kind });
  };
}

async function countFileDescriptors(): Promise<number> {
  try {
    return (await readdir("/proc/self/fd")).length;
  } catch {
    return 0;
  }
}
