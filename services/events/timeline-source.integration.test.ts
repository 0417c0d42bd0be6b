import type { Principal, Scope } from "@signalbox/http";
import { canonicalCorrelationId, noMetrics, silentLogger, systemClock, ulid } from "@signalbox/kernel";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describeTimelineSource } from "@signalbox/timeline/testing";
import { expect, onTestFinished, test } from "vitest";
import { createDispatchLog } from "./dispatch-log.js";
import { openTestAnalytics } from "./testing/open-analytics.js";
import { createEventTimelineSource } from "./timeline-source.js";

const ports = { clock: systemClock, logger: silentLogger, metrics: noMetrics };

async function open() {
  const engine = await startClickHouseHttp();
  const analytics = await openTestAnalytics(engine.url);
  const close = async (): Promise<void> => {
    await analytics.close();
    await engine.stop();
  };
  const log = createDispatchLog({ analytics, retentionDays: 30, ...ports });
  return { analytics, log, source: createEventTimelineSource(analytics), close };
}

function dispatched(eventId: string, correlationId: string, causationId: string | null, atMs: number) {
  return {
    eventId,
    eventType: "ci.pipeline_created",
    subject: "7",
    correlationId: canonicalCorrelationId(correlationId),
    causationId,
    rootCaller: null,
    publishedAtMs: atMs,
    subscriptions: ["a.one/ci.pipeline_created", "b.two/ci.pipeline_created"],
    decisions: ["dispatched", "condition_false"] as const,
    conditionUs: [0, 2],
    dueAtMs: [atMs, 0],
    deliveryIds: [`d-${eventId}`, ""],
  };
}

function handled(eventId: string, correlationId: string, settlement: "done" | "dead", atMs: number) {
  return {
    eventId,
    eventType: "ci.pipeline_created",
    subscription: "a.one/ci.pipeline_created",
    deliveryId: `d-${eventId}`,
    correlationId: canonicalCorrelationId(correlationId),
    attempt: 1,
    settlement,
    startedAtMs: atMs,
    finishedAtMs: atMs + 250,
    schedulingLatencyMs: 3,
    durationMs: 250,
    errorClass: settlement === "dead" ? "RangeError" : null,
    errorCode: null,
    errorMessage: settlement === "dead" ? "no such pipeline" : null,
    ignored: false,
  };
}

describeTimelineSource({
  name: "of the event store",
  async create() {
    const { log, source, close } = await open();
    return {
      source,
      allowed: { scopes: new Set<Scope>(["timeline:read", "events:read"]) },
      refused: {},
      async happen(correlationId, count) {
        for (let index = 0; index < count; index++) {
          const eventId = ulid();
          log.dispatched(dispatched(eventId, correlationId, null, Date.now()));
          log.handled(handled(eventId, correlationId, "done", Date.now()));
        }
        await log.flush();
      },
      close,
    };
  },
});

test("PF-070 an event shows its decisions and its cause, an attempt how long it took and why it failed", async () => {
  const { log, source, close } = await open();
  onTestFinished(close);
  const [correlationId, first, second] = [ulid(), ulid(), ulid()];
  const atMs = Date.now();
  log.dispatched(dispatched(first, correlationId, null, atMs));
  log.dispatched(dispatched(second, correlationId, first, atMs + 10));
  log.handled(handled(second, correlationId, "dead", atMs + 20));
  await log.flush();
  const principal: Principal = {
    subject: "reader",
    issuer: "signalbox",
    scopes: new Set<Scope>(["events:read"]),
    tokenId: "t",
    expiresAtMs: Number.MAX_SAFE_INTEGER,
  };
  const signal = new AbortController().signal;
  const { entries } = await source.find({ correlationIds: [correlationId], principal, limit: 10, signal });
  expect(entries).toEqual([
    expect.objectContaining({ id: `event:${first}`, kind: "event", atMs, title: "ci.pipeline_created" }),
    expect.objectContaining({
      id: `event:${second}`,
      causedBy: `event:${first}`,
      status: "dispatched to 1 of 2",
      details: expect.objectContaining({
        decisions: ["a.one/ci.pipeline_created: dispatched", "b.two/ci.pipeline_created: condition_false"],
      }),
    }),
    expect.objectContaining({
      kind: "attempt",
      atMs: atMs + 20,
      durationMs: 250,
      status: "dead",
      outcome: "failed",
      causedBy: `event:${second}`,
      details: expect.objectContaining({ error: "RangeError: no such pipeline" }),
    }),
  ]);
});
