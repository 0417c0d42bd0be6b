import { randomUUID } from "node:crypto";
import { ulid } from "@signalbox/kernel";
import { describeTimelineSource } from "@signalbox/timeline/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDigest, type TestDigest, uninterrupted } from "./testing/digest.js";
import { errorPayload, receivedEvent } from "./testing/received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "./testing/stores.js";
import { createErrorTimelineSource } from "./timeline-source.js";

let stores: { readonly database: TestDatabase; readonly analytics: TestAnalytics };
let digest: TestDigest;

beforeAll(async () => {
  // One engine for the file: a process can hold one.
  stores = { database: await openTestDatabase(), analytics: await openTestAnalytics() };
  digest = createTestDigest(stores.database, stores.analytics);
});

afterAll(async () => {
  await stores?.analytics.close();
  await stores?.database.close();
});

async function report(correlationId: string, count: number, tags: Record<string, string> = {}): Promise<void> {
  const events = Array.from({ length: count }, () =>
    receivedEvent(
      { ...errorPayload("checkOut"), tags: { correlation_id: correlationId, ...tags } },
      { eventId: randomUUID().replaceAll("-", "") },
    ),
  );
  await digest.digest.handle(events, uninterrupted);
}

describeTimelineSource({
  name: "of error tracking",
  create: async () => ({
    source: createErrorTimelineSource(stores.analytics.analytics, stores.database.database),
    happen: report,
    allowed: { projects: [1] },
    refused: { projects: [2] },
    close: async () => {},
  }),
});

test("PF-070 PF-071 an error leads to its event under its issue, and names the event that caused it", async () => {
  const [correlationId, causationId] = [ulid(), ulid()];
  await report(correlationId, 1, { causation_id: causationId });
  const source = createErrorTimelineSource(stores.analytics.analytics, stores.database.database);
  const { entries } = await source.find({
    correlationIds: [correlationId],
    principal: {
      subject: "reader",
      issuer: "signalbox",
      scopes: new Set(["timeline:read"] as const),
      tokenId: "t",
      expiresAtMs: Number.MAX_SAFE_INTEGER,
    },
    limit: 10,
    signal: new AbortController().signal,
  });
  expect(entries).toEqual([
    expect.objectContaining({
      kind: "error",
      outcome: "failed",
      status: "error",
      causedBy: `event:${causationId}`,
      link: expect.stringMatching(/^\/api\/v1\/projects\/1\/errors\/1\/events\/[0-9a-f]{32}$/),
    }),
  ]);
});
