import { createVirtualClock, SignalboxError } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test } from "vitest";
import { addHealthRoutes, type DependencyCheck, watchHealth } from "./health.js";
import { eventually } from "./testing/eventually.js";
import { createRecordingLogger } from "./testing/recording-logger.js";
import { bodyOf, serve } from "./testing/serve.js";

const up = async () => {};
const forever = () => new Promise<void>(() => {});

function listen(checks: readonly DependencyCheck[], logger = createRecordingLogger()) {
  const clock = createVirtualClock();
  const server = serve({ rateLimits: { perAddress: { perSecond: 0.001, burst: 1 } } }, (app) =>
    addHealthRoutes(app, { checks, clock, logger }),
  );
  return server.then(({ url, app }) => ({ url, app, clock, logger }));
}

describe("PF-053 health", () => {
  test("PF-053 liveness is 200 whatever the dependencies do, without limit", async () => {
    const { url } = await listen([{ name: "database", check: forever }]);
    for (let index = 0; index < 5; index++) {
      const response = await fetch(`${url}/-/liveness`);
      expect([response.status, await bodyOf(response)]).toEqual([200, { status: "live" }]);
    }
  });

  test("PF-053 readiness is 200 when every dependency is up", async () => {
    const { url } = await listen([
      { name: "database", check: up },
      { name: "analytics", check: up },
    ]);
    const response = await fetch(`${url}/-/readiness`);
    expect([response.status, await bodyOf(response)]).toEqual([
      200,
      {
        status: "ready",
        checks: [
          { name: "database", status: "up", duration_s: 0 },
          { name: "analytics", status: "up", duration_s: 0 },
        ],
      },
    ]);
  });

  test("PF-053 readiness is 503 with the whole list when one is down, by code and without its words", async () => {
    const logger = createRecordingLogger();
    const { url } = await listen(
      [
        { name: "database", check: up },
        {
          name: "analytics",
          check: async () => {
            throw new SignalboxError("ANALYTICS_UNAVAILABLE", { message: "http://user:pw@db refused" });
          },
        },
        {
          name: "blobs",
          check: async () => {
            throw new Error("secret path");
          },
        },
      ],
      logger,
    );
    const response = await fetch(`${url}/-/readiness`);
    expect(response.headers.get("retry-after")).toBe("5");
    const text = await response.text();
    expect(JSON.parse(text)).toEqual({
      status: "not_ready",
      checks: [
        { name: "database", status: "up", duration_s: 0 },
        { name: "analytics", status: "down", duration_s: 0, reason: "ANALYTICS_UNAVAILABLE" },
        { name: "blobs", status: "down", duration_s: 0, reason: "failed" },
      ],
    });
    expect([response.status, text.includes("secret"), text.includes("pw")]).toEqual([503, false, false]);
    expect(logger.lines.map(({ level, fields }) => [level, fields?.["dependency"]])).toEqual([
      ["warn", "analytics"],
      ["warn", "blobs"],
    ]);
  });

  test("PF-053 a dependency that does not answer is down after its own limit, and is told to stop", async () => {
    let signal: AbortSignal | undefined;
    const { url, clock } = await listen([
      { name: "patient", check: forever, timeoutMs: 3000 },
      {
        name: "analytics",
        timeoutMs: 500,
        check: (given) => {
          signal = given;
          return forever();
        },
      },
    ]);
    const response = fetch(`${url}/-/readiness`);
    await eventually(() => signal).toBeDefined();
    await clock.advanceBy(500);
    expect(signal?.aborted).toBe(true);
    await clock.advanceBy(2500);
    expect(await bodyOf(await response)).toMatchObject({
      checks: [
        { name: "patient", status: "down", duration_s: 3, reason: "timeout" },
        { name: "analytics", status: "down", duration_s: 0.5, reason: "timeout" },
      ],
    });
  });

  test("PF-053 many who ask within a second share one answer; afterwards it is asked anew and a return is logged", async () => {
    let asked = 0;
    let failing = true;
    const { url, clock, logger } = await listen([
      {
        name: "database",
        check: async () => {
          asked++;
          if (failing) throw new Error("away");
        },
      },
    ]);
    const statuses = await Promise.all([1, 2, 3].map(async () => (await fetch(`${url}/-/readiness`)).status));
    expect([statuses, asked]).toEqual([[503, 503, 503], 1]);
    failing = false;
    await clock.advanceBy(1000);
    expect((await fetch(`${url}/-/readiness`)).status).toBe(200);
    expect(logger.lines.map((line) => line.message)).toEqual(["a dependency is down", "a dependency is back"]);
  });

  test("PF-053 what is down in the course of things, as a server that still starts, is in the answer and not in the log", async () => {
    const check = () => Promise.reject(new SignalboxError("starting", { message: "It still starts" }));
    const { url, logger } = await listen([{ name: "server", check, quiet: true }]);
    const response = await fetch(`${url}/-/readiness`);
    expect(await bodyOf(response)).toMatchObject({ checks: [{ name: "server", status: "down", reason: "starting" }] });
    expect(logger.lines).toEqual([]);
  });

  test("PF-053 while the server stops it is alive and not ready", async () => {
    const { url, app } = await listen([{ name: "database", check: up }]);
    app.beginShutdown();
    expect((await fetch(`${url}/-/liveness`)).status).toBe(200);
    const readiness = await fetch(`${url}/-/readiness`);
    expect([readiness.status, await bodyOf(readiness)]).toMatchObject([503, { status: "shutting_down" }]);
  });
});

test("PF-047 listeners to the health hear how it is, and then each change; nothing is asked for nobody", async () => {
  const clock = createVirtualClock();
  const published: unknown[] = [];
  let [isListenedTo, isUp, asked] = [false, true, 0];
  const watch = watchHealth({
    topic: {
      name: "system.health",
      get isListenedTo() {
        return isListenedTo;
      },
      publish: (data) => void published.push(data),
    },
    checks: [
      {
        name: "database",
        check: async () => {
          asked++;
          if (!isUp) throw Object.assign(new Error("away"), { code: "DATABASE_UNAVAILABLE" });
        },
      },
    ],
    clock,
    everyMs: 1_000,
  });
  await watch.start();
  onTestFinished(() => watch.stop({ deadlineMs: 1_000 }));
  await clock.advanceBy(3_000);
  expect([asked, published]).toEqual([0, []]);
  isListenedTo = true;
  await clock.advanceBy(3_000);
  expect(published).toEqual([{ status: "ready", checks: [{ name: "database", status: "up" }] }]);
  isUp = false;
  await clock.advanceBy(3_000);
  expect(published.slice(1)).toEqual([
    { status: "not_ready", checks: [{ name: "database", status: "down", reason: "DATABASE_UNAVAILABLE" }] },
  ]);
});
