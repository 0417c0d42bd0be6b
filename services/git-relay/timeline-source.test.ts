import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import type { Scope } from "@signalbox/http";
import { canonicalCorrelationId, systemClock, ulid } from "@signalbox/kernel";
import { encodeNpub, kinds } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { describeTimelineSource } from "@signalbox/timeline/testing";
import { expect, onTestFinished, test } from "vitest";
import { relayMigrations } from "./store/migrations.js";
import { createSqlRelayEvents } from "./store/sql.js";
import { createRelayTimelineSource } from "./timeline-source.js";

const alice = testSigner("alice");

async function openSource() {
  const directory = mkdtempSync(join(tmpdir(), "relay-timeline-"));
  const database = await openDatabase({ path: join(directory, "relay.db") });
  await migrate(database, [relayMigrations]);
  const events = createSqlRelayEvents({ database, clock: systemClock });
  return {
    source: createRelayTimelineSource(database),
    async store(correlationId: string, kept: readonly ReturnType<typeof signEvent>[]): Promise<void> {
      const origin = { source: "client", correlationId: canonicalCorrelationId(correlationId) } as const;
      await events.write((unit) => unit.store(kept.map((event) => ({ event, origin, anchor: false }))));
    },
    async close(): Promise<void> {
      await database.close();
      rmSync(directory, { recursive: true });
    },
  };
}

describeTimelineSource({
  name: "of the relay",
  async create() {
    const { source, store, close } = await openSource();
    let serial = 0;
    return {
      source,
      allowed: { scopes: new Set<Scope>(["timeline:read", "relay:read"]) },
      refused: {},
      happen: (correlationId, count) =>
        store(
          correlationId,
          Array.from({ length: count }, () => signEvent(alice, { content: `number ${serial++}` })),
        ),
      close,
    };
  },
});

test("PF-070 an announcement leads to its repository, any other event to what became of it", async () => {
  const { source, store, close } = await openSource();
  onTestFinished(close);
  const announcement = signEvent(alice, { kind: kinds.announcement, tags: [["d", "a repository"]] });
  const issue = signEvent(alice, { kind: kinds.issue });
  const correlationId = ulid();
  await store(correlationId, [announcement, issue]);
  const { entries } = await source.find({
    correlationIds: [correlationId],
    principal: {
      subject: "x",
      issuer: "signalbox",
      scopes: new Set<Scope>(["relay:read"]),
      tokenId: "1",
      expiresAtMs: Number.MAX_SAFE_INTEGER,
    },
    limit: 10,
    signal: new AbortController().signal,
  });
  expect(new Set(entries.map(({ link }) => link))).toEqual(
    new Set([
      `/api/v1/relay/explain/event/${issue.id}`,
      `/api/v1/relay/repositories/${encodeNpub(alice.publicKey)}/a%20repository`,
    ]),
  );
});
