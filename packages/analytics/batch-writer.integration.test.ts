import { systemClock } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Analytics } from "./analytics.js";
import { type BatchWriter, createBatchWriter } from "./batch-writer.js";
import { openClickHouse } from "./clickhouse.js";

let server: ClickHouseHttpServer;
let analytics: Analytics;
let table = "";
let tables = 0;

beforeAll(async () => {
  server = await startClickHouseHttp();
  analytics = await openClickHouse({ url: server.url });
});
afterAll(async () => {
  await analytics.close();
  await server.stop();
});
beforeEach(async () => {
  table = `rows_${++tables}`;
  await analytics.command(
    `CREATE TABLE ${table} (writer UInt32, a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100`,
  );
});
afterEach(() => server.misbehave({}));

const createWriter = (options = {}): BatchWriter =>
  createBatchWriter(analytics, { table, maxRows: 20, maxWaitMs: 5, backoff: { baseMs: 20, maxMs: 100 }, ...options });

/** Rows and how many of them are different: equal when nothing was doubled. */
async function stored(): Promise<{ rows: number; different: number }> {
  const [row] = await analytics.query<{ rows: string; different: string }>(
    `SELECT count() AS rows, uniqExact(writer, a) AS different FROM ${table}`,
  );
  return { rows: Number(row?.rows), different: Number(row?.different) };
}

describe("while the engine is in trouble", () => {
  test("PF-062 a batch whose answer got lost is repeated and not doubled", async () => {
    const writer = createWriter();
    await server.misbehave({ hangUp: { times: 2, when: "after" } });
    await writer.write([{ a: 1 }, { a: 2 }]);
    expect(await stored()).toEqual({ rows: 2, different: 2 });
    await writer.stop();
  });

  test.each([
    ["too many parts", { code: 252, name: "TOO_MANY_PARTS" }],
    ["no memory", { code: 241, name: "MEMORY_LIMIT_EXCEEDED" }],
    ["no space", { code: 243, name: "NOT_ENOUGH_SPACE" }],
    ["too many statements", { code: 202, name: "TOO_MANY_SIMULTANEOUS_QUERIES" }],
    ["its time over", { code: 159, name: "TIMEOUT_EXCEEDED" }],
    ["credentials refused", { code: 516, name: "AUTHENTICATION_FAILED" }],
  ])("PF-062 a batch is repeated after %s", async (_, exception) => {
    const writer = createWriter();
    await server.misbehave({ fail: { times: 3, ...exception } });
    await writer.write([{ a: 1 }]);
    expect(await stored()).toEqual({ rows: 1, different: 1 });
    await writer.stop();
  });

  test("PF-062 a refused batch is not repeated", async () => {
    const writer = createWriter();
    await server.misbehave({ fail: { times: 1, code: 27, name: "CANNOT_PARSE_INPUT_ASSERTION_FAILED" } });
    await expect(writer.write([{ a: 1 }])).rejects.toMatchObject({ code: "ANALYTICS_INSERT_REFUSED" });
    expect(await stored()).toEqual({ rows: 0, different: 0 });
    await writer.stop();
  });

  test("PF-062 PF-063 with the engine dying and returning nothing is lost or doubled, and memory is bounded", async () => {
    const writer = createWriter({ maxPendingRows: 60 });
    let acknowledged = 0;
    let mostPending = 0;
    let writing = true;
    const writers = Array.from({ length: 12 }, async (_, id) => {
      let a = 0;
      for (; writing; a++) {
        await writer.write([{ writer: id, a }]);
        acknowledged++;
        mostPending = Math.max(mostPending, writer.stats().pendingRows);
      }
    });
    for (let round = 1; round <= 3; round++) {
      await vi.waitFor(() => expect(acknowledged).toBeGreaterThan(round * 60), { timeout: 60_000 });
      await server.kill();
      await systemClock.sleep(100);
      await server.restart();
    }
    writing = false;
    await Promise.all(writers);
    expect(await stored()).toEqual({ rows: acknowledged, different: acknowledged });
    expect(mostPending).toBeLessThanOrEqual(60);
    await writer.stop();
  });

  test("PF-062 a full writer holds its callers until the engine is back", async () => {
    const writer = createWriter({ maxPendingRows: 10, maxWaitingWrites: 3 });
    await server.kill();
    const writes = Array.from({ length: 13 }, (_, a) => writer.write([{ a }]));
    await expect(writer.write([{ a: 99 }])).rejects.toMatchObject({ code: "ANALYTICS_OVERLOADED" });
    await vi.waitFor(() => expect(writer.stats()).toMatchObject({ pendingRows: 10, waitingWrites: 3 }));
    await server.restart();
    await Promise.all(writes);
    expect(await stored()).toEqual({ rows: 13, different: 13 });
    await writer.stop();
  });

  test("stopping gives up at its deadline and says so to every caller", async () => {
    const writer = createWriter({ maxPendingRows: 2 });
    await server.kill();
    const writes = Array.from({ length: 4 }, (_, a) => writer.write([{ a }]));
    const outcomes = Promise.allSettled(writes);
    await vi.waitFor(() => expect(writer.stats()).toMatchObject({ pendingRows: 2, waitingWrites: 2 }));
    await writer.stop({ deadlineMs: 50 });
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "ANALYTICS_CLOSED" } });
    }
    expect(writer.stats()).toEqual({ pendingRows: 0, pendingBytes: 0, waitingWrites: 0 });
    await server.restart();
  });
});
