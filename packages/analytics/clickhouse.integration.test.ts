import { createVirtualClock, type Logger, silentLogger } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { Analytics } from "./analytics.js";
import { openClickHouse } from "./clickhouse.js";
import { describeAnalytics } from "./contract.js";

describeAnalytics({
  name: "ClickHouse over HTTP",
  async create() {
    const server = await startClickHouseHttp();
    let analytics = await openClickHouse({ url: server.url });
    return {
      analytics,
      async reopen() {
        await analytics.close();
        analytics = await openClickHouse({ url: server.url });
        return analytics;
      },
      async crash() {
        await server.kill();
        await server.restart();
        return analytics;
      },
      async destroy() {
        await analytics.close();
        await server.stop();
      },
    };
  },
});

describe("a server that is not always there", () => {
  let server: ClickHouseHttpServer;
  const opened: Analytics[] = [];
  beforeAll(async () => {
    server = await startClickHouseHttp({ args: ["signalbox:it's secret"] });
  });
  afterEach(async () => {
    await server.misbehave({});
    await Promise.all(opened.splice(0).map((analytics) => analytics.close()));
  });
  afterAll(() => server.stop());

  const open = async (options = {}, credentials = "signalbox:it%27s%20secret"): Promise<Analytics> => {
    const analytics = await openClickHouse({ url: `http://${credentials}@127.0.0.1:${server.port}`, ...options });
    opened.push(analytics);
    return analytics;
  };
  const unavailable = { name: "AnalyticsError", code: "ANALYTICS_UNAVAILABLE", retryable: true, status: 503 };

  test("PF-063 it may be away when it is opened: calls say so, and work when it is back", async () => {
    const messages: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      child: () => logger,
      info: (message) => void messages.push(message),
      warn: (message) => void messages.push(message),
    };
    await server.kill();
    const analytics = await open({ logger });
    await expect(analytics.ping()).rejects.toMatchObject(unavailable);
    await expect(analytics.query("SELECT 1 AS one")).rejects.toMatchObject(unavailable);
    await expect(analytics.insert("rows", [{ a: 1 }])).rejects.toMatchObject(unavailable);
    await expect(analytics.command("CREATE TABLE rows (a UInt8) ENGINE = Memory")).rejects.toMatchObject(unavailable);
    await server.restart();
    await analytics.ping();
    expect(await analytics.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(messages).toEqual(["analytics engine is unavailable", "analytics engine answers again"]);
    // What changes with every call is not said with every call.
    for (let change = 0; change < 5; change++) {
      await server.misbehave({ hangUp: { times: 1, when: "before" } });
      await expect(analytics.insert("rows", [{ a: 1 }])).rejects.toMatchObject(unavailable);
      await analytics.query("SELECT 1 AS one");
    }
    expect(messages).toHaveLength(2);
  });

  test("PF-063 wrong credentials are an engine that is not there", async () => {
    const stranger = await open({}, "signalbox:wrong");
    await expect(stranger.ping()).rejects.toMatchObject(unavailable);
    await expect(stranger.insert("rows", [{ a: 1 }])).rejects.toMatchObject(unavailable);
  });

  test("a connection that is cut is not an answer", async () => {
    const analytics = await open();
    await server.misbehave({ hangUp: { times: 2, when: "before" } });
    await expect(analytics.query("SELECT 1")).rejects.toMatchObject(unavailable);
    await expect(analytics.insert("rows", [{ a: 1 }])).rejects.toMatchObject(unavailable);
    expect(await analytics.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a server that does not answer is given up at the deadline", async () => {
    const clock = createVirtualClock();
    const analytics = await open({ clock });
    await server.misbehave({ delayMs: 5_000 });
    const read = analytics.query("SELECT 1", {}, { maxExecutionSeconds: 3 }).catch((error: unknown) => error);
    const ping = analytics.ping().catch((error: unknown) => error);
    await vi.waitFor(() => expect(clock.nextTimerMs()).toBeDefined());
    await clock.advanceBy(8_000);
    expect(await read).toMatchObject({ code: "ANALYTICS_TIMEOUT", retryable: true, status: 503 });
    expect(await ping).toMatchObject({ code: "ANALYTICS_TIMEOUT" });
  });

  test("PF-063 a server that hangs is unavailable after some seconds of silence, to new calls at once, until it goes on", async () => {
    const analytics = await open();
    await analytics.ping();
    await server.kill("SIGSTOP");
    const calls = [analytics.query("SELECT 1"), analytics.insert("rows", [{ a: 1 }]), analytics.ping()];
    for (const call of await Promise.allSettled(calls)) expect(call).toMatchObject({ reason: unavailable });
    // Nobody asks the server any more: it would take as long again.
    const ends = await Promise.race([
      Promise.allSettled([analytics.query("SELECT 1"), analytics.ping()]),
      new Promise((resolve) => setImmediate(resolve)),
    ]);
    expect(ends).toMatchObject([{ reason: unavailable }, { reason: unavailable }]);
    await server.kill("SIGCONT");
    await expect
      .poll(() => analytics.query("SELECT 1 AS one").catch(() => []), { timeout: 60_000 })
      .toEqual([{ one: 1 }]);
  });

  test("a statement that takes long is no silence", async () => {
    const analytics = await open();
    await server.misbehave({ delayMs: 6_000 });
    expect(await analytics.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("reads beyond the line are refused, those in it are answered", async () => {
    const analytics = await open({ maxConcurrentReads: 1 });
    const reads = await Promise.allSettled(Array.from({ length: 300 }, () => analytics.query("SELECT 1 AS one")));
    const answered = reads.filter((read) => read.status === "fulfilled");
    expect(answered).toHaveLength(257);
    for (const read of reads.slice(257)) {
      expect(read).toMatchObject({ reason: { code: "ANALYTICS_OVERLOADED", retryable: true } });
    }
  });

  test("inserts can be compressed", async () => {
    const analytics = await open({ compress: true });
    await analytics.command("CREATE TABLE compressed (text String) ENGINE = MergeTree ORDER BY text");
    await analytics.insert("compressed", [{ text: "x".repeat(100_000) }]);
    expect(await analytics.query("SELECT length(text) AS length FROM compressed")).toEqual([{ length: "100000" }]);
  });
});
