import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVirtualClock, type Metrics, noMetrics, type VirtualClock } from "@signalbox/kernel";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Analytics } from "./analytics.js";
import { type BatchWriter, type BatchWriterOptions, createBatchWriter } from "./batch-writer.js";
import { openChdb } from "./chdb.js";

let path: string;
let analytics: Analytics;
beforeAll(async () => {
  path = await mkdtemp(join(tmpdir(), "signalbox-writer-"));
  analytics = await openChdb({ path });
});
afterAll(async () => {
  await analytics.close();
  await rm(path, { recursive: true });
});

describe("PF-062 the batch writer", () => {
  let table = "";
  let tables = 0;
  let clock: VirtualClock;
  let batches: number[];
  let settled: number;

  beforeEach(async () => {
    table = `rows_${++tables}`;
    await analytics.command(
      `CREATE TABLE ${table} (a UInt32, text String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100`,
    );
    clock = createVirtualClock();
    batches = [];
    settled = 0;
  });

  /** Counts the rows of each batch as the metrics see them. */
  const metrics: Metrics = {
    ...noMetrics,
    histogram: () => ({ observe: (rows) => void batches.push(rows) }),
  };
  const createWriter = (options: Partial<BatchWriterOptions>): BatchWriter =>
    createBatchWriter(analytics, { table, clock, metrics, ...options });
  const write = (writer: BatchWriter, count: number, text = ""): Promise<void> =>
    writer.write(Array.from({ length: count }, (_, a) => ({ a, text }))).finally(() => settled++);
  const stored = async (): Promise<number> => {
    const [row] = await analytics.query<{ rows: string }>(`SELECT count() AS rows FROM ${table}`);
    return Number(row?.rows);
  };
  const pending = (writer: BatchWriter, rows: number): Promise<void> =>
    vi.waitFor(() => expect(writer.stats().pendingRows).toBe(rows));

  test("cuts a batch at its rows, and never a write in two", async () => {
    const writer = createWriter({ maxRows: 10 });
    const writes = [4, 4, 4, 4, 25, 1].map((count) => write(writer, count));
    await writer.flush();
    await Promise.all(writes);
    expect(batches).toEqual([8, 8, 25, 1]);
    expect(await stored()).toBe(42);
  });

  test("cuts a batch at its bytes", async () => {
    const writer = createWriter({ maxBytes: 10_000, maxRows: 1_000 });
    const writes = [1, 1, 1, 1].map((count) => write(writer, count, "x".repeat(4_000)));
    await writer.flush();
    await Promise.all(writes);
    expect(batches).toEqual([2, 2]);
  });

  test("inserts what is there when the oldest row has waited long enough, not before", async () => {
    const writer = createWriter({ maxRows: 1_000, maxWaitMs: 500 });
    const first = write(writer, 1);
    await pending(writer, 1);
    await clock.advanceBy(400);
    const second = write(writer, 1);
    await pending(writer, 2);
    await clock.advanceBy(99);
    expect(batches).toEqual([]);
    expect(settled).toBe(0);
    await clock.advanceBy(1);
    await Promise.all([first, second]);
    expect(batches).toEqual([2]);
  });

  test("is full at its rows: a write waits, more than allowed are refused, and none is lost", async () => {
    const writer = createWriter({ maxRows: 1_000, maxWaitMs: 500, maxPendingRows: 10, maxWaitingWrites: 2 });
    const accepted = [write(writer, 6), write(writer, 4)];
    const waiting = [write(writer, 1), write(writer, 2)];
    await expect(write(writer, 1)).rejects.toMatchObject({ code: "ANALYTICS_OVERLOADED", retryable: true });
    await pending(writer, 10);
    expect(writer.stats().waitingWrites).toBe(2);
    await writer.flush();
    await Promise.all([...accepted, ...waiting]);
    expect(await stored()).toBe(13);
    expect(writer.stats()).toEqual({ pendingRows: 0, pendingBytes: 0, waitingWrites: 0 });
  });

  test("is full at its bytes", async () => {
    const writer = createWriter({ maxWaitMs: 500, maxPendingBytes: 1_000, maxWaitingWrites: 0 });
    const accepted = write(writer, 1, "x".repeat(1_000));
    await vi.waitFor(() => expect(writer.stats().pendingBytes).toBeGreaterThan(1_000));
    await expect(write(writer, 1)).rejects.toMatchObject({ code: "ANALYTICS_OVERLOADED" });
    await writer.flush();
    await accepted;
    await Promise.all([write(writer, 1), writer.flush()]);
    expect(await stored()).toBe(2);
  });

  test("takes a write that is larger than the room when the room is empty", async () => {
    const writer = createWriter({ maxPendingRows: 10 });
    await Promise.all([write(writer, 25), writer.flush()]);
    expect(await stored()).toBe(25);
  });

  test("a write that cannot be encoded leaves no trace", async () => {
    const writer = createWriter({});
    const circular: Record<string, unknown> = { a: 1 };
    circular["self"] = circular;
    await expect(writer.write([circular])).rejects.toMatchObject({ code: "ANALYTICS_INSERT_REFUSED" });
    expect(writer.stats()).toEqual({ pendingRows: 0, pendingBytes: 0, waitingWrites: 0 });
    await writer.write([]);
  });

  test("stops by inserting what is pending, and refuses later writes", async () => {
    const writer = createWriter({ maxWaitMs: 60_000 });
    const writes = [write(writer, 3), write(writer, 4)];
    await Promise.all([writer.stop(), writer.stop()]);
    await Promise.all(writes);
    expect(await stored()).toBe(7);
    await expect(write(writer, 1)).rejects.toMatchObject({ code: "ANALYTICS_CLOSED" });
    await writer.flush();
  });

  test("works on after a batch was refused", async () => {
    const writer = createWriter({ maxRows: 1 });
    await expect(writer.write([{ a: "none" }])).rejects.toMatchObject({ code: "ANALYTICS_INSERT_REFUSED" });
    await write(writer, 1);
    expect(await stored()).toBe(1);
  });
});
