import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import type { Principal } from "@signalbox/http";
import { canonicalCorrelationId, isUlid, noMetrics, silentLogger, systemClock, ulid } from "@signalbox/kernel";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { describeTimelineSource } from "@signalbox/timeline/testing";
import { expect, onTestFinished, test } from "vitest";
import { experienceAnalytics } from "./analytics-migrations.js";
import { createJourneyTimelineSource } from "./timeline-source.js";

async function open() {
  const engine = await startClickHouseHttp();
  const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };
  const analytics = await openAnalytics({ url: engine.url, ...ports });
  await migrateAnalytics(analytics, [experienceAnalytics]);
  return {
    analytics,
    source: createJourneyTimelineSource({ analytics, tenantClaim: "tenant" }),
    async close() {
      await analytics.close();
      await engine.stop();
    },
  };
}

const column = (timeMs: number) => new Date(timeMs).toISOString().slice(0, 23).replace("T", " ");

function checkpoint(correlationId: string, changes: object = {}): object {
  const now = column(Date.now());
  return {
    tenant: "acme",
    correlation_id: canonicalCorrelationId(correlationId),
    covered_experience_id: "checkout",
    run: "1",
    event_id: ulid(),
    checkpoint: "start",
    checkpoint_category: "",
    type: "web",
    feature_category: "shop",
    urgency: "sync_fast",
    client_timestamp: now,
    server_timestamp: now,
    occurred_at: now,
    sequence: 0,
    applied: true,
    outcome: "",
    error_message: "",
    discard_reason: "",
    anomalies: [],
    meta: {},
    producer: "",
    definition_version: "",
    inserted_at: now,
    ...changes,
  };
}

async function timedOut(analytics: Analytics, correlationId: string, startedAtMs: number): Promise<void> {
  const row = {
    ...{ tenant: "acme", correlation_id: correlationId, covered_experience_id: "checkout", run: "1" },
    ...{ feature_category: "shop", urgency: "sync_fast", type: "web", state: "timed_out", reason: "timeout" },
    ...{ error: true, apdex_success: null, started_at: column(startedAtMs), ended_at: null },
    ...{ verdict_at: column(startedAtMs + 30_000), decided_at: column(startedAtMs + 30_100), elapsed_s: 30 },
    ...{ threshold_s: 2, timeout_s: 30, last_category: "cart", last_type: "web", checkpoint_count: 2 },
    ...{ anomalies: [], late_end_at: null, late_end_outcome: "", lateness_s: null, discard_reason: "" },
    ...{ in_measurement_gap: false, definition_version: "", inserted_at: column(startedAtMs + 30_100) },
  };
  await analytics.insert("experience_verdicts", [row]);
}

const reader = (tenant: string): Principal => ({
  subject: "reader",
  issuer: "signalbox",
  scopes: new Set(["timeline:read"] as const),
  tokenId: "t",
  expiresAtMs: Number.MAX_SAFE_INTEGER,
  claims: { tenant },
});

describeTimelineSource({
  name: "of the experience tracker",
  async create() {
    const { analytics, source, close } = await open();
    return {
      source,
      happen: (correlationId, count) =>
        analytics.insert(
          "experience_checkpoints",
          Array.from({ length: count }, () => checkpoint(correlationId)),
        ),
      allowed: { claims: { tenant: "acme" } },
      refused: { claims: { tenant: "other" } },
      close,
    };
  },
});

test("XP-544 a journey shows its verdict, how long it lived and its checkpoints; without a verdict it is open", async () => {
  const { analytics, source, close } = await open();
  onTestFinished(close);
  const [failed, running] = [ulid(), ulid()];
  const startedAtMs = Date.now() - 60_000;
  const times = (offsetMs: number) => ({ occurred_at: column(startedAtMs + offsetMs) });
  await analytics.insert("experience_checkpoints", [
    checkpoint(failed, times(0)),
    checkpoint(failed, { ...times(400), checkpoint: "intermediate", checkpoint_category: "cart", sequence: 1 }),
    checkpoint(running, times(0)),
  ]);
  await timedOut(analytics, failed, startedAtMs);
  const signal = new AbortController().signal;
  const find = (id: string) => source.find({ correlationIds: [id], principal: reader("acme"), limit: 10, signal });
  expect((await find(failed)).entries).toEqual([
    expect.objectContaining({
      id: `journey:checkout/${failed}/1`,
      status: "timed_out",
      outcome: "failed",
      atMs: startedAtMs,
      durationMs: 30_000,
      link: `/api/v1/experience/runs/checkout/${failed}/1`,
      details: expect.objectContaining({ reason: "timeout", last_category: "cart" }),
    }),
    expect.objectContaining({ kind: "checkpoint", title: "checkout: start" }),
    expect.objectContaining({ kind: "checkpoint", title: "checkout: cart", atMs: startedAtMs + 400 }),
  ]);
  expect((await find(running)).entries[0]).toMatchObject({ kind: "journey", status: "open", outcome: "open" });
});

test("XP-544 PF-070 a journey is found by the ambient correlation id that its producer had, and the other way round", async () => {
  const { analytics, source, close } = await open();
  onTestFinished(close);
  const id = ulid();
  await analytics.insert("experience_checkpoints", [
    checkpoint(id, { meta: { ambient_correlation_id: "request-4711" } }),
  ]);
  const aliasesOf = (correlationId: string, principal = reader("acme")) =>
    source.aliases?.({ correlationId, principal, signal: new AbortController().signal });
  expect(isUlid(id)).toBe(true);
  expect(await aliasesOf("request-4711")).toEqual([id]);
  expect(await aliasesOf(id)).toEqual(["request-4711"]);
  expect(await aliasesOf(ulid())).toEqual([]);
  expect(await aliasesOf("request-4711", reader("globex"))).toEqual([]);
  expect(await aliasesOf(id, reader("globex"))).toEqual([]);
});
