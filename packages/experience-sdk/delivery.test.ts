import { describe, expect, test } from "vitest";
import { type OpenClient, openClient } from "./testing/open-client.js";
import { acceptAll, type Script } from "./testing/scripted-transport.js";

const noAnswer: Script = () => new Error("connection refused");
const status =
  (code: number, retryAfter?: string): Script =>
  () => ({ status: code, retryAfter });

/** The times of all requests so far, in ms since the client was made. */
function requestTimes({ transport }: OpenClient): number[] {
  return transport.requests.map(
    ({ checkpoints }) => Date.parse(checkpoints[0]?.sent_timestamp ?? "") - Date.UTC(2026, 0, 1),
  );
}

describe("XP-082 a batch leaves", () => {
  test("XP-082 1,000 ms after its first checkpoint", async () => {
    const opened = openClient();
    opened.client.start("checkout");
    await opened.clock.advanceBy(600);
    opened.client.start("import_project");
    await opened.clock.advanceBy(399);
    expect(opened.transport.requests).toEqual([]);
    await opened.clock.advanceBy(1);
    expect(opened.transport.requests.map(({ checkpoints }) => checkpoints.length)).toEqual([2]);
  });

  test("XP-082 when 100 wait, at most 100 at once", async () => {
    const opened = openClient();
    for (let index = 0; index < 250; index++) opened.client.start("checkout");
    await opened.clock.advanceBy(0);
    expect(opened.transport.requests.map(({ checkpoints }) => checkpoints.length)).toEqual([100, 100]);
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.requests.map(({ checkpoints }) => checkpoints.length)).toEqual([100, 100, 50]);
  });

  test("XP-082 when 512 KiB wait, at most 512 KiB at once", async () => {
    const opened = openClient();
    const extra = Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`k${index}`, "x".repeat(1_000)]));
    for (let index = 0; index < 60; index++) opened.client.start("checkout", extra);
    await opened.clock.advanceBy(0);
    expect(opened.transport.requests).toHaveLength(1);
    const [first] = opened.transport.requests;
    const bytes = (first?.request.checkpoints ?? []).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeLessThanOrEqual(512 * 1_024);
    expect(bytes).toBeGreaterThan(400 * 1_024);
  });

  test("XP-082 at a flush", async () => {
    const opened = openClient();
    opened.client.start("checkout").complete();
    const flushed = opened.client.flush();
    await opened.clock.advanceBy(0);
    expect(await flushed).toEqual({ sent: 2, pending: 0 });
  });

  test.each([1, 3])("XP-082 with %i requests at once, and a run keeps its order", async (maxInFlight) => {
    const opened = openClient({ maxInFlight });
    let underWay = 0;
    let most = 0;
    opened.transport.script = async () => {
      most = Math.max(most, ++underWay);
      await opened.clock.sleep(50);
      underWay--;
      return { status: 200 };
    };
    const runs = Array.from({ length: 300 }, () => opened.client.start("checkout"));
    for (const run of runs) run.checkpoint("a");
    for (const run of runs) run.complete();
    const flushed = opened.client.flush();
    await opened.clock.advanceBy(5_000);
    expect(await flushed).toEqual({ sent: 900, pending: 0 });
    expect(most).toBe(maxInFlight);
    const orders = new Map<string, number[]>();
    for (const { correlation_id, sequence = -1 } of opened.transport.accepted)
      orders.set(correlation_id, [...(orders.get(correlation_id) ?? []), sequence]);
    expect(new Set([...orders.values()].map(String))).toEqual(new Set(["0,1,2"]));
  });
});

describe("XP-083 retries", () => {
  test("XP-083 wait a random share of an exponential ceiling", async () => {
    const opened = openClient({ random: () => 1, maxElapsedMs: 60_000 });
    opened.transport.script = status(502);
    opened.client.start("checkout");
    await opened.clock.advanceBy(4_100);
    // 1,000 to fill; then 200, 400, 800, 1,600; after the fifth failure the breaker holds back.
    expect(requestTimes(opened)).toEqual([1_000, 1_200, 1_600, 2_400, 4_000]);
    const eager = openClient({ random: () => 0 });
    eager.transport.script = status(502);
    eager.client.start("checkout");
    await eager.clock.advanceBy(1_000);
    expect(requestTimes(eager)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
  });

  test("XP-083 end after the time for a batch, then it is dropped as expired", async () => {
    const opened = openClient({ maxElapsedMs: 30_000 });
    opened.transport.script = noAnswer;
    opened.client.start("checkout").complete();
    await opened.clock.advanceBy(29_000);
    expect(opened.client.stats()).toMatchObject({ queueEvents: 2, dropped: { expired: 0 } });
    await opened.clock.advanceBy(30_000);
    expect(opened.client.stats()).toMatchObject({ queueEvents: 0, dropped: { expired: 2 } });
  });

  test("XP-083 end after a number of attempts only when one is set", async () => {
    const opened = openClient({ maxAttempts: 3 });
    opened.transport.script = noAnswer;
    opened.client.start("checkout");
    await opened.clock.advanceBy(20_000);
    expect(opened.transport.requests).toHaveLength(3);
    expect(opened.client.stats().dropped.expired).toBe(1);
  });

  test("XP-083 a request that takes 5,000 ms is given up", async () => {
    const opened = openClient();
    opened.transport.script = () => new Promise(() => {});
    opened.client.start("checkout");
    await opened.clock.advanceBy(5_999);
    expect(opened.transport.requests).toHaveLength(1);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.accepted).toHaveLength(1);
    expect(opened.transport.requests[0]?.request.signal.aborted).toBe(true);
  });
});

describe("XP-084 an answer", () => {
  test.each([408, 429, 502, 503, 504])("XP-084 of %i is repeated", async (code) => {
    const opened = openClient();
    opened.transport.script = status(code);
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.accepted).toHaveLength(1);
    expect(opened.client.stats()).toMatchObject({ sent: 1, retried: 1, dropped: { rejected: 0 } });
  });

  test.each([400, 403, 404, 415, 422, 500, 501])("XP-084 of %i is not repeated", async (code) => {
    const opened = openClient();
    opened.transport.script = status(code);
    opened.client.start("checkout");
    await opened.clock.advanceBy(60_000);
    expect(opened.transport.requests).toHaveLength(1);
    expect(opened.client.stats()).toMatchObject({ sent: 0, queueEvents: 0, dropped: { rejected: 1 } });
  });

  test("XP-084 repeats those items of a batch that say so, drops those that are refused", async () => {
    const opened = openClient();
    const [first, second, third] = ["a", "b", "c"];
    opened.transport.script = () => ({
      status: 200,
      body: {
        results: [
          { index: 0, status: 200 },
          { index: 1, status: 503, retryable: true },
          { index: 2, status: 422, retryable: false, error: { code: "invalid_checkpoint" } },
        ],
      },
    });
    for (const step of [first, second, third]) opened.client.start("checkout", { step });
    await opened.clock.advanceBy(1_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.accepted.map(({ meta }) => meta?.["step"])).toEqual(["a", "b"]);
    expect(opened.client.stats()).toMatchObject({ sent: 2, dropped: { rejected: 1 } });
    expect(opened.lines).toContainEqual(
      expect.objectContaining({ fields: { reason: "invalid_checkpoint", covered_experience_id: "checkout" } }),
    );
  });

  test("XP-084 of 413 halves the batch, in order, until a single one is too large", async () => {
    const opened = openClient();
    opened.transport.script = (checkpoints) =>
      checkpoints.some(({ meta }) => meta?.["n"] === 5) ? { status: 413 } : { status: 200 };
    for (let n = 0; n < 8; n++) opened.client.start("checkout", { n });
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.accepted.map(({ meta }) => meta?.["n"])).toEqual([0, 1, 2, 3, 4, 6, 7]);
    expect(opened.client.stats().dropped.too_large).toBe(1);
  });

  test.each([
    ["seconds", "7"],
    ["an HTTP date", new Date(Date.UTC(2026, 0, 1) + 8_000).toUTCString()],
  ])("XP-084 with Retry-After in %s is not repeated earlier, and up to a second later", async (_form, retryAfter) => {
    const opened = openClient({ random: () => 0.5 });
    opened.transport.script = status(503, retryAfter);
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(20_000);
    expect(requestTimes(opened)).toEqual([1_000, 8_500]);
  });

  test("XP-084 Retry-After is believed for 300 s at most", async () => {
    const opened = openClient({ random: () => 0 });
    opened.transport.script = status(429, "86400");
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(400_000);
    expect(requestTimes(opened)).toEqual([1_000, 301_000]);
  });
});

describe("XP-086 a refused token", () => {
  test("XP-086 is asked for again once, and the request repeated", async () => {
    const asked: boolean[] = [];
    const opened = openClient({
      tokenProvider({ refresh }) {
        asked.push(refresh);
        return refresh ? "new" : "old";
      },
    });
    opened.transport.script = (_checkpoints, { token }) => ({ status: token === "new" ? 200 : 401 });
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    expect(asked).toEqual([false, true]);
    expect(opened.client.stats()).toMatchObject({ sent: 1, breakerOpen: false });
  });

  test("XP-086 a second refusal drops nothing: the breaker opens and the queue waits, however long", async () => {
    const opened = openClient({ tokenProvider: () => "old", maxElapsedMs: 10_000 });
    opened.transport.script = status(401);
    opened.client.start("checkout").complete();
    await opened.clock.advanceBy(1_000);
    expect(opened.client.stats()).toMatchObject({ breakerOpen: true, queueEvents: 2 });
    await opened.clock.advanceBy(120_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(20_000);
    expect(opened.client.stats()).toMatchObject({ sent: 2, breakerOpen: false });
  });

  test("XP-086 a provider that throws counts as a network fault", async () => {
    let broken = true;
    const opened = openClient({
      tokenProvider() {
        if (broken) throw new Error("vault is sealed");
        return "good";
      },
    });
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_050);
    broken = false;
    await opened.clock.advanceBy(10_000);
    expect(opened.transport.accepted).toHaveLength(1);
  });

  test("XP-086 a token is in no log line", async () => {
    const opened = openClient({ token: "s3cr3t-t0ken" });
    opened.transport.script = status(401);
    opened.client.start("checkout");
    await opened.clock.advanceBy(30_000);
    opened.transport.script = noAnswer;
    await opened.clock.advanceBy(30_000);
    expect(opened.lines.length).toBeGreaterThan(0);
    expect(JSON.stringify(opened.lines)).not.toContain("s3cr3t");
  });
});

describe("XP-087 the breaker", () => {
  test("XP-087 opens after five failures in a row for 5 s; each failed probe doubles the pause up to 20 s", async () => {
    const opened = openClient({ random: () => 0 });
    opened.transport.script = noAnswer;
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.requests).toHaveLength(5);
    expect(opened.client.stats().breakerOpen).toBe(true);
    await opened.clock.advanceBy(60_000);
    expect(requestTimes(opened).slice(5)).toEqual([6_000, 16_000, 36_000, 56_000]);
  });

  test("XP-087 closes with the first success, and counts from the beginning", async () => {
    const opened = openClient({ random: () => 0 });
    opened.transport.script = noAnswer;
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(5_000);
    expect(opened.client.stats()).toMatchObject({ breakerOpen: false, sent: 1 });
    opened.transport.script = noAnswer;
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.requests).toHaveLength(11);
    expect(opened.client.stats().breakerOpen).toBe(true);
  });

  test("XP-083 XP-087 a batch that waited for the breaker longer than it may is tried once all the same", async () => {
    const opened = openClient({ random: () => 0, maxElapsedMs: 4_000 });
    opened.transport.script = noAnswer;
    opened.client.start("checkout");
    await opened.clock.advanceBy(8_000);
    expect(opened.client.stats()).toMatchObject({ breakerOpen: true, dropped: { expired: 1 } });
    opened.transport.script = acceptAll;
    opened.client.start("checkout");
    await opened.clock.advanceBy(20_000);
    expect(opened.client.stats()).toMatchObject({ sent: 1, breakerOpen: false, dropped: { expired: 1 } });
  });

  test("XP-087 lets one probe through, also with several lanes", async () => {
    const opened = openClient({ random: () => 0, maxInFlight: 4 });
    opened.transport.script = noAnswer;
    for (let index = 0; index < 40; index++) opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    const before = opened.transport.requests.length;
    await opened.clock.advanceBy(5_000);
    expect(opened.transport.requests.length - before).toBe(1);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(10_000);
    expect(opened.transport.accepted).toHaveLength(40);
  });
});

describe("XP-089 the end", () => {
  test("XP-089 a flush that takes too long says how much still waits", async () => {
    const opened = openClient();
    opened.transport.script = noAnswer;
    opened.client.start("checkout").complete();
    const flushed = opened.client.flush(3_000);
    await opened.clock.advanceBy(3_000);
    expect(await flushed).toEqual({ sent: 0, pending: 2 });
  });

  test("XP-089 a shutdown sends what waits; twice is once; what comes later is counted as closed", async () => {
    const opened = openClient();
    opened.client.start("checkout");
    const [first, second] = [opened.client.shutdown(), opened.client.shutdown()];
    await opened.clock.advanceBy(0);
    expect(await first).toEqual({ sent: 1, pending: 0 });
    expect(await second).toEqual(await first);
    opened.client.start("checkout").complete();
    expect(opened.client.stats()).toMatchObject({ sent: 1, queueEvents: 0, dropped: { closed: 2 } });
    expect(await opened.client.flush()).toEqual({ sent: 0, pending: 0 });
    expect(opened.clock.nextTimerMs()).toBeUndefined();
  });

  test("XP-089 a shutdown while the tracker is away ends in time and counts what it gives up", async () => {
    const opened = openClient();
    opened.transport.script = () => new Promise(() => {});
    opened.client.start("checkout").complete();
    await opened.clock.advanceBy(1_000);
    opened.client.start("checkout");
    const stopped = opened.client.shutdown(2_000);
    await opened.clock.advanceBy(2_000);
    expect(await stopped).toEqual({ sent: 0, pending: 3 });
    expect(opened.client.stats()).toMatchObject({ queueEvents: 0, dropped: { closed: 3 } });
    expect(opened.clock.nextTimerMs()).toBeUndefined();
  });
});

describe("XP-090 the tracker is told of drops", () => {
  test("XP-090 once, with the next request that is accepted", async () => {
    const opened = openClient({ maxQueueEvents: 2 });
    for (let index = 0; index < 5; index++) opened.client.start("checkout");
    opened.transport.script = status(503);
    await opened.clock.advanceBy(1_000);
    opened.transport.script = acceptAll;
    await opened.clock.advanceBy(1_000);
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    expect(opened.transport.requests.map(({ request }) => request.dropped)).toEqual([
      "queue_full=3",
      "queue_full=3",
      undefined,
    ]);
  });
});

describe("XP-081 a dropped start", () => {
  test("XP-081 after a dropped start nothing of the run is sent", async () => {
    const opened = openClient({ maxQueueEvents: 2 });
    const first = opened.client.start("checkout");
    opened.client.start("checkout");
    opened.client.start("checkout");
    first.checkpoint("a").complete();
    const flushed = opened.client.flush();
    await opened.clock.advanceBy(0);
    expect(await flushed).toEqual({ sent: 2, pending: 0 });
    expect(opened.transport.accepted.map(({ correlation_id }) => correlation_id)).not.toContain(first.correlationId);
    expect(opened.client.stats().dropped.queue_full).toBe(3);
  });
});
