import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { observeProcess } from "./process-metrics.js";
import { createPrometheusMetrics } from "./prometheus.js";
import { observeQueues } from "./queue-metrics.js";
import { eventually } from "./testing/eventually.js";

function sampleOf(body: string, series: string): number {
  const line = body.split("\n").find((text) => text.startsWith(`${series} `));
  return line === undefined ? Number.NaN : Number(line.slice(series.length + 1));
}

describe("PF-054 metrics of the process", () => {
  test("PF-054 a blocked event loop shows in the delay", async () => {
    const metrics = createPrometheusMetrics();
    const observed = observeProcess(metrics);
    // The probes must have begun before the loop is blocked.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const untilMs = performance.now() + 200;
    while (performance.now() < untilMs);
    await eventually(async () =>
      sampleOf((await metrics.exposition()).body, 'signalbox_event_loop_delay_seconds{stat="max"}'),
    ).toBeGreaterThan(0.15);
    const { body } = await metrics.exposition();
    const p50 = sampleOf(body, 'signalbox_event_loop_delay_seconds{stat="p50"}');
    const max = sampleOf(body, 'signalbox_event_loop_delay_seconds{stat="max"}');
    expect(p50).toBeGreaterThanOrEqual(0);
    expect(max).toBeGreaterThanOrEqual(p50);
    observed.stop();
  });

  test("PF-054 heap, resident memory, file descriptors and open handles are those of now", async () => {
    const metrics = createPrometheusMetrics();
    const observed = observeProcess(metrics);
    const handles = async () =>
      sampleOf((await metrics.exposition()).body, 'signalbox_open_handles{kind="TCPServerWrap"}');
    await metrics.exposition();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    expect(await handles()).toBe(1);
    const { body } = await metrics.exposition();
    const { rss, heapTotal } = process.memoryUsage();
    expect(sampleOf(body, 'signalbox_memory_bytes{kind="resident"}')).toBeGreaterThan(rss / 2);
    const heap = sampleOf(body, 'signalbox_memory_bytes{kind="heap_used"}');
    expect(heap > 1_000_000 && heap < heapTotal * 2).toBe(true);
    expect(sampleOf(body, "signalbox_open_file_descriptors")).toBeGreaterThan(readdirSync("/proc/self/fd").length / 2);
    await new Promise((resolve) => server.close(resolve));
    await eventually(handles).toBe(0);
    observed.stop();
  });

  test("PF-054 every queue shows how much waits and how long the oldest has waited", async () => {
    const metrics = createPrometheusMetrics();
    let waiting = 0;
    observeQueues(metrics, [
      { queue: "digest", depth: () => waiting, oldestAgeSeconds: async () => waiting * 1.5 },
      { queue: "outbox", depth: async () => 1, oldestAgeSeconds: () => 60 },
    ]);
    waiting = 2;
    const { body } = await metrics.exposition();
    expect(sampleOf(body, 'signalbox_queue_items{queue="digest"}')).toBe(2);
    expect(sampleOf(body, 'signalbox_queue_oldest_item_age_seconds{queue="digest"}')).toBe(3);
    expect(sampleOf(body, 'signalbox_queue_items{queue="outbox"}')).toBe(1);
    expect(sampleOf(body, 'signalbox_queue_oldest_item_age_seconds{queue="outbox"}')).toBe(60);
  });
});
