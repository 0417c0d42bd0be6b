import type { Database } from "@signalbox/database";
import { createPrometheusMetrics, type PrometheusMetrics } from "@signalbox/http";
import { createVirtualClock, silentLogger, type VirtualClock } from "@signalbox/kernel";
import { kinds, type NostrEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { refusals } from "../policy.js";
import type { HealthRecord } from "../sync/ports.js";
import type { Certificate, SyncLayer } from "../sync/snapshot.js";
import { testPeer } from "../testing/test-peer.js";
import { createPeerStore } from "./peer-store.js";
import {
  createRejectedIndex,
  findRejection,
  type RejectedIndexOptions,
  type StoredRejectedIndex,
} from "./rejected-index.js";
import { createTransitionLog, type TransitionLog } from "./transition-log.js";

export interface PeerTablesUnderTest {
  readonly name: string;
  /** A migrated database of its own. */
  create(): Promise<{ readonly database: Database; destroy(): Promise<void> }>;
}

const dayMs = 86_400_000;
const alice = testSigner("alice");
const bob = testSigner("bob");
const health: HealthRecord = {
  failures: 3,
  streakStartedAt: 1_000,
  lastFailureAt: 2_000,
  lastFailure: { kind: "refused", code: "ECONNREFUSED", message: "connect ECONNREFUSED" },
  lastSuccessAt: null,
  recoveredAt: null,
  nextAttemptAt: 22_000,
  cooldownUntil: null,
};

/** What is remembered of peers, on one engine. */
export function describePeerTables({ name, create }: PeerTablesUnderTest): void {
  describe(`peers in ${name}`, () => {
    let database: Database;
    let destroy: () => Promise<void>;
    let clock: VirtualClock;
    beforeAll(async () => {
      ({ database, destroy } = await create());
    });
    afterAll(() => destroy());
    beforeEach(() => {
      clock = createVirtualClock();
    });
    /** Tests do not see each other's peers. */
    let peers = 0;
    const newPeer = () => testPeer(`wss://peer${++peers}.example`);

    describe("health and certificates", () => {
      test("GR-355 what is remembered of a peer is read back as it was saved last", async () => {
        const store = createPeerStore(database);
        const url = newPeer();
        const peer = {
          url,
          health,
          negentropyUnsupportedUntil: null,
          negentropyUnsupportedReason: null,
          naughty: null,
        };
        await store.savePeers([peer]);
        const later = {
          ...peer,
          health: { ...health, failures: 4 },
          negentropyUnsupportedUntil: 1_767_225_600_123,
          negentropyUnsupportedReason: "no answer",
          naughty: { category: "protocol_error", since: 1_767_225_600_000, until: 1_767_225_600_456 } as const,
        };
        await store.savePeers([later]);
        expect((await store.loadPeers()).filter((one) => one.url === url)).toEqual([later]);
      });

      test("GR-450 the last 30 certificates of each layer are kept, the newest first", async () => {
        const store = createPeerStore(database);
        const url = newPeer();
        const save = (layer: SyncLayer, at: number): Promise<void> =>
          store.saveCertificate(url, layer, certificateOf(at));
        for (let at = 1; at <= 33; at++) await save("roots", at);
        await save("states", 7);
        const kept = await store.certificates(url);
        expect(kept.roots.map(({ at }) => at)).toEqual(Array.from({ length: 30 }, (_, index) => 33 - index));
        expect(kept.states).toEqual([certificateOf(7)]);
        expect(kept.announcements).toEqual([]);
      });

      test("a forgotten peer leaves nothing behind, others stay", async () => {
        const store = createPeerStore(database);
        const log = createTransitionLog({ database, clock, logger: silentLogger });
        const [gone, kept] = [newPeer(), newPeer()];
        for (const url of [gone, kept]) {
          const marks = { negentropyUnsupportedUntil: null, negentropyUnsupportedReason: null, naughty: null };
          await store.savePeers([{ url, health, ...marks }]);
          await store.saveCertificate(url, "roots", certificateOf(1));
          log.notice(url, "hello", 1);
        }
        await log.service.stop();
        await store.forgetPeer(gone);
        const urls = (await store.loadPeers()).map(({ url }) => url);
        expect(urls).toContain(kept);
        expect(urls).not.toContain(gone);
        expect((await store.certificates(gone)).roots).toEqual([]);
        expect(await log.list(gone, { limit: 10 })).toEqual([]);
        expect(await log.list(kept, { limit: 10 })).toHaveLength(1);
      });
    });

    describe("transitions", () => {
      let log: TransitionLog;
      beforeEach(async () => {
        log = createTransitionLog({ database, clock, logger: silentLogger });
        await log.service.start();
      });

      test("GR-452 GR-458 what happened is read newest first, with notices, within a span", async () => {
        const url = newPeer();
        log.transition(url, "disconnected", "connecting", "attempt", 10);
        log.transition(url, "connecting", "syncing", "open", 20);
        log.notice(url, "slow\ndown\0", 20);
        log.transition(newPeer(), "disconnected", "connecting", "attempt", 20);
        log.transition(url, "syncing", "connected", "complete", 30);
        expect(await log.list(url, { limit: 100 })).toEqual([
          { kind: "transition", at: 30, from: "syncing", to: "connected", cause: "complete" },
          { kind: "notice", at: 20, cause: "slow down" },
          { kind: "transition", at: 20, from: "connecting", to: "syncing", cause: "open" },
          { kind: "transition", at: 10, from: "disconnected", to: "connecting", cause: "attempt" },
        ]);
        expect((await log.list(url, { fromMs: 20, toMs: 20, limit: 100 })).map(({ at }) => at)).toEqual([20, 20]);
        expect((await log.list(url, { limit: 1 })).map(({ at }) => at)).toEqual([30]);
      });

      test("what happened is there after a stop, for the next process", async () => {
        const url = newPeer();
        log.transition(url, "connected", "disconnected", "stop", 5);
        await log.service.stop();
        const next = createTransitionLog({ database, clock, logger: silentLogger });
        expect(await next.list(url, { limit: 10 })).toHaveLength(1);
      });

      test("GR-458 it is forgotten after 90 days", async () => {
        const url = newPeer();
        log.notice(url, "old", clock.nowMs());
        // So much newer that it stays, however many hours pass until a sweep has ended.
        log.notice(url, "new", clock.nowMs() + 60 * dayMs);
        await clock.advanceBy(1_000);
        await clock.advanceBy(90 * dayMs);
        await expect
          .poll(async () => {
            await clock.advanceBy(3_600_000);
            return (await log.list(url, { limit: 10 })).map(({ cause }) => cause);
          })
          .toEqual(["new"]);
      });

      test("a peer that talks without end is heard a hundred times an hour", async () => {
        const url = newPeer();
        for (let count = 0; count < 1_000; count++) log.notice(url, "x".repeat(5_000), 1_000 + count);
        log.notice(url, "next hour", 3_600_000);
        const heard = await log.list(url, { limit: 1_000 });
        expect(heard).toHaveLength(101);
        expect(heard[1]?.cause).toHaveLength(500);
      });
    });

    describe("refused events", () => {
      let metrics: PrometheusMetrics;
      const url = testPeer("wss://peer.example");
      const notListed = { prefix: "blocked", text: refusals.notListed };
      const notMaintainer = { prefix: "invalid", text: refusals.notMaintainer };
      const openIndex = (options: Partial<RejectedIndexOptions> = {}): StoredRejectedIndex => {
        metrics = createPrometheusMetrics();
        return createRejectedIndex({ database, clock, logger: silentLogger, metrics, ...options });
      };
      /** Tests do not see each other's repositories. */
      let repositories = 0;
      const newIdentifier = (): string => `repository ${++repositories}`;
      const announce = (identifier: string, by = alice): NostrEvent =>
        signAnnouncement(by, { identifier, domains: ["elsewhere.example"] });
      const sample = async (series: string): Promise<number> => {
        const { body } = await metrics.exposition();
        return Number(
          body
            .split("\n")
            .find((line) => line.startsWith(`${series} `))
            ?.split(" ")[1],
        );
      };
      beforeEach(async () => {
        await database.run("delete from relay_rejected");
      });

      test("GR-383 a refused announcement or state is remembered for 7 days, with its reason", async () => {
        const index = openIndex();
        const identifier = newIdentifier();
        const refused = [
          [announce(identifier), notListed, "does_not_list_service"],
          [signState(bob, identifier), notMaintainer, "maintainer_not_yet_valid"],
          [
            signState(alice, identifier),
            { prefix: "invalid", text: refusals.notAnnounced },
            "maintainer_not_yet_valid",
          ],
          [announce(identifier, bob), { prefix: "blocked", text: "the author is not welcome here" }, "other"],
        ] as const;
        for (const [event, refusal] of refused) await index.add(event, refusal, url);
        const ids = refused.map(([{ id }]) => id);
        expect([...(await index.remembered([...ids, "0".repeat(64)]))].sort()).toEqual([...ids].sort());
        for (const [event, { prefix, text }, reason] of refused)
          expect(await findRejection(database, event.id, clock.nowMs())).toEqual({
            reason,
            message: `${prefix}: ${text}`,
            peer: url,
            rejectedAt: clock.nowMs(),
            rememberedUntil: clock.nowMs() + 7 * dayMs,
          });
        await clock.advanceBy(7 * dayMs);
        expect((await index.remembered(ids)).size).toBe(0);
        expect(await findRejection(database, ids[0] ?? "", clock.nowMs())).toBeUndefined();
      });

      test("GR-383 events of other kinds are not remembered", async () => {
        const index = openIndex();
        const event = signEvent(alice, { kind: kinds.issue });
        await index.add(event, notListed, url);
        expect((await index.remembered([event.id])).size).toBe(0);
      });

      test("GR-144 GR-384 a stored announcement brings back what is kept of its identifier, once", async () => {
        const index = openIndex();
        const [identifier, other] = [newIdentifier(), newIdentifier()];
        const refused = [announce(identifier, bob), signState(bob, identifier)];
        for (const event of refused) await index.add(event, notMaintainer, url);
        await index.add(signState(bob, other), notMaintainer, url);
        const stored = announce(identifier);
        const { hot, cold } = await index.takeAffected(stored);
        expect(hot.map(({ event }) => event.id).sort()).toEqual(refused.map(({ id }) => id).sort());
        expect(hot[0]?.peer).toBe(url);
        expect(cold).toEqual([]);
        expect(await index.takeAffected(stored)).toEqual({ hot: [], cold: [] });
      });

      test("GR-144 a stored state brings back the states of its author and identifier", async () => {
        const index = openIndex();
        const identifier = newIdentifier();
        const own = signState(bob, identifier, {}, 1);
        for (const event of [own, signState(alice, identifier), announce(identifier, bob)])
          await index.add(event, notMaintainer, url);
        const { hot } = await index.takeAffected(signState(bob, identifier, {}, 2));
        expect(hot.map(({ event }) => event)).toEqual([own]);
      });

      test("GR-384 a deletion brings back what has the deleted address", async () => {
        const index = openIndex();
        const identifier = newIdentifier();
        const own = announce(identifier);
        for (const event of [own, announce(identifier, bob)]) await index.add(event, notListed, url);
        const deletion = signEvent(alice, { kind: kinds.deletion, tags: [repositoryTag(alice, identifier)] });
        const { hot } = await index.takeAffected(deletion);
        expect(hot.map(({ event }) => event)).toEqual([own]);
      });

      test("GR-384 after 120 s only the name is left, so it has to be downloaded again", async () => {
        const index = openIndex();
        const identifier = newIdentifier();
        const refused = announce(identifier, bob);
        await index.add(refused, notListed, url);
        await clock.advanceBy(120_000);
        expect((await index.remembered([refused.id])).size).toBe(1);
        expect(await index.takeAffected(announce(identifier))).toEqual({
          hot: [],
          cold: [{ kind: kinds.announcement, identifier }],
        });
        expect((await index.remembered([refused.id])).size).toBe(0);
      });

      test("GR-384 an event that is being written is waited for", async () => {
        const index = openIndex();
        const identifier = newIdentifier();
        const adding = index.add(announce(identifier, bob), notListed, url);
        expect((await index.takeAffected(announce(identifier))).hot).toHaveLength(1);
        await adding;
      });

      test("GR-385 another process knows what this one wrote, and time passed meanwhile", async () => {
        const identifier = newIdentifier();
        const refused = announce(identifier, bob);
        await openIndex().add(refused, notListed, url);
        await clock.advanceBy(60_000);
        const next = openIndex();
        await next.service.start();
        expect((await next.remembered([refused.id])).size).toBe(1);
        expect((await next.takeAffected(announce(identifier))).hot).toHaveLength(1);
        await next.service.stop();
      });

      test("GR-384 GR-385 sweeps remove what is over, and beyond the limits the oldest", async () => {
        const index = openIndex();
        await index.service.start();
        const identifier = newIdentifier();
        await index.add(announce(identifier), notListed, url);
        await expect
          .poll(async () => {
            await clock.advanceBy(60_000);
            return sample('ngit_sync_rejected_hot_cache_expired_total{event_type="announcement"}');
          })
          .toBe(1);
        expect(await rowsOf("raw is not null")).toBe(0);
        await expect
          .poll(async () => {
            await clock.advanceBy(dayMs);
            return rowsOf("1 = 1");
          })
          .toBe(0);
        await index.service.stop();
      });

      test("GR-384 GR-385 beyond the limits the oldest go", async () => {
        const index = openIndex({ maxHot: 100, maxCold: 200 });
        const identifier = newIdentifier();
        const groups = Array.from({ length: 10 }, (_, group) =>
          Array.from({ length: 100 }, (_unused, at) => signState(bob, identifier, {}, group * 100 + at)),
        );
        for (const group of groups) {
          await Promise.all(group.map((event) => index.add(event, notMaintainer, url)));
          await clock.advanceBy(1);
        }
        const kept = await index.remembered(groups.flat().map(({ id }) => id));
        expect(kept).toEqual(
          new Set(
            groups
              .slice(-2)
              .flat()
              .map(({ id }) => id),
          ),
        );
        expect(await rowsOf("raw is not null")).toBe(100);
      });

      test("GR-414 GR-415 the series of the index are there from the start and follow it", async () => {
        const index = openIndex();
        const names = ["hits_total", "misses_total", "expired_total"].map((name) => `rejected_hot_cache_${name}`);
        names.push("rejected_cold_index_expired_total", "rejected_invalidated_total");
        for (const type of ["announcement", "state"])
          for (const name of [...names, "rejected_hot_cache_current", "rejected_cold_index_current"])
            expect(await sample(`ngit_sync_${name}{event_type="${type}"}`)).toBe(0);
        const identifier = newIdentifier();
        await index.add(announce(identifier, bob), notListed, url);
        await index.add(signState(bob, identifier), notMaintainer, url);
        expect(await sample('ngit_sync_rejected_hot_cache_current{event_type="announcement"}')).toBe(1);
        expect(await sample('ngit_sync_rejected_cold_index_current{event_type="state"}')).toBe(1);
        await index.takeAffected(announce(identifier));
        await index.takeAffected(announce(identifier));
        expect(await sample('ngit_sync_rejected_hot_cache_hits_total{event_type="announcement"}')).toBe(1);
        expect(await sample('ngit_sync_rejected_hot_cache_misses_total{event_type="state"}')).toBe(1);
        expect(await sample('ngit_sync_rejected_invalidated_total{event_type="state"}')).toBe(1);
        expect(await sample('ngit_sync_rejected_cold_index_current{event_type="state"}')).toBe(0);
      });

      const rowsOf = async (condition: string): Promise<number> => {
        const { rows } = await database.run<{ count: number }>(
          `select count(*) as count from relay_rejected where ${condition}`,
        );
        return Number(rows[0]?.count);
      };
    });
  });
}

function certificateOf(at: number): Certificate {
  return {
    method: "negentropy",
    proof: "negentropy",
    at,
    filtersHash: "abc",
    localCount: 12,
    remoteMissing: 2,
    missingHere: 0,
    excluded: { held: 0, rejected: 1, refused: 0, expired: 0 },
    complete: true,
    incompleteReason: null,
  };
}
