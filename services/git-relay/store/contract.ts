import { createHash } from "node:crypto";
import { type Database, migrate } from "@signalbox/database";
import {
  compareNewestFirst,
  encodeEvent,
  expirationOf,
  type Filter,
  type FilterJson,
  markVerified,
  matchesFilter,
  readFilter,
  type VerifiedEvent,
} from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relayMigrations } from "./migrations.js";
import type { EventOrigin, EventPosition, RelayEvents, StreamOptions } from "./port.js";

/** A new, empty store of the adapter under test. */
export interface RelayEventsUnderTest {
  readonly events: RelayEvents;
  /** Holds the events; the contract asks it what the port does not tell. */
  readonly database: Database;
  destroy(): Promise<void>;
}

export interface RelayEventsContractOptions {
  readonly name: string;
  create(): Promise<RelayEventsUnderTest>;
}

const origin: EventOrigin = { source: "client", correlationId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
const alice = testSigner("alice");
const bob = testSigner("bob");
const now = 1_767_225_600;

/** Events that were stored before tags knew the kinds of their events are found like others. */
export async function expectOldTagsToBeFound(
  database: Database,
  createEvents: (database: Database) => RelayEvents,
): Promise<void> {
  const { name, migrations } = relayMigrations;
  const last = migrations.findIndex((migration) => migration.name === "0005_kinds_of_tags");
  await migrate(database, [{ name, migrations: migrations.slice(0, last) }]);
  const kept = [1, 7, 1621].map((kind) => signEvent(alice, { kind, tags: [["t", "old"]], content: `of kind ${kind}` }));
  for (const event of kept) {
    await database.run(
      `insert into relay_events (id, pubkey, kind, created_at, first_seen_at, source, correlation_id, anchor, raw)
        values (?, ?, ?, ?, 0, 'client', 'C', ?, ?)`,
      [event.id, event.pubkey, event.kind, event.created_at, true, encodeEvent(event)],
    );
    await database.run("insert into relay_event_tags (name, value, created_at, id) values ('t', 'old', ?, ?)", [
      event.created_at,
      event.id,
    ]);
  }
  await migrate(database, [relayMigrations]);
  const events = createEvents(database);
  const idsOf = async (filter: FilterJson) => (await readAll(events, filterOf(filter), { now })).map(({ id }) => id);
  expect(await idsOf({ "#t": ["old"], kinds: [7] })).toEqual([kept[1]?.id]);
  expect(new Set(await idsOf({ "#t": ["old"], kinds: [1, 1621] }))).toEqual(new Set([kept[0]?.id, kept[2]?.id]));
  expect(await idsOf({ "#t": ["old"] })).toHaveLength(3);
}

/** Every promise of the `RelayEvents` port, as tests. An adapter's test file calls it first. */
export function describeRelayEvents({ name, create }: RelayEventsContractOptions): void {
  test(`GR-477 ${name} tells as RELAY_STORE_FAILED that the database does not do its part, with the cause`, async () => {
    const { events, database, destroy } = await create();
    const ownError = new Error("the work's own");
    await expect(events.write(() => Promise.reject(ownError))).rejects.toBe(ownError);
    await database.run("drop table relay_events");
    const id = "0".repeat(64);
    const calls: readonly (() => Promise<unknown>)[] = [
      () => events.known([id]),
      () => events.stream(filterOf({ kinds: [1] }), { now }).next(),
      () => events.load([id], now),
      () => events.find(id),
      () => events.count(1),
      () => events.removeExpired(now),
      () => events.write((unit) => unit.store([{ event: signEvent(alice), origin, anchor: true }])),
    ];
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({
        code: "RELAY_STORE_FAILED",
        retryable: false,
        cause: { code: "DATABASE_QUERY_FAILED" },
      });
    await destroy();
    await expect(events.findDeletion(id)).rejects.toMatchObject({
      code: "RELAY_STORE_FAILED",
      cause: { code: "DATABASE_CLOSED" },
    });
  });

  describe(`GR-061 ${name} keeps the promises of the port for relay events`, () => {
    let subject: RelayEventsUnderTest;
    let events: RelayEvents;
    beforeAll(async () => {
      subject = await create();
      events = subject.events;
    });
    afterAll(() => subject.destroy());

    const store = (added: readonly VerifiedEvent[], anchor = true): Promise<void> =>
      events.write((unit) => unit.store(added.map((event) => ({ event, origin, anchor }))));
    const remove = (deletion: VerifiedEvent): Promise<readonly string[]> =>
      events.write((unit) => unit.applyDeletion(deletion));
    const idsOf = async (json: FilterJson, options: Partial<StreamOptions> = {}): Promise<string[]> =>
      (await readAll(events, filterOf(json), { now, ...options })).map(({ id }) => id);
    /** Tests do not see each other's events. */
    let topics = 0;
    const newTopic = (): [string, string] => ["t", `topic ${++topics}`];

    describe("storing and finding", () => {
      test("GR-060 the text is served byte for byte, with everything known about the event", async () => {
        const topic = newTopic();
        const event = signEvent(alice, {
          tags: [topic, ["e", "x", "y"], ["long name", "z"], ["n", "a\0b"], ["m", "x".repeat(5_000)]],
          content: 'a "quoted" \\ line\n\u0000 and \u{1F600}',
        });
        await events.write((unit) =>
          unit.store([{ event, origin: { source: "sync", peer: "wss://peer", correlationId: "C" }, anchor: false }]),
        );
        expect([...(await events.load([event.id, "0".repeat(64)], now))]).toEqual([[event.id, encodeEvent(event)]]);
        expect(await events.find(event.id)).toMatchObject({
          id: event.id,
          kind: 1,
          pubkey: alice.publicKey,
          createdAt: event.created_at,
          source: "sync",
          peer: "wss://peer",
          correlationId: "C",
          raw: encodeEvent(event),
        });
        expect(await events.find("0".repeat(64))).toBeUndefined();
        expect(await events.known([event.id, "0".repeat(64)])).toEqual(new Set([event.id]));
        expect(await idsOf({ "#n": ["a\0b"] })).toEqual([event.id]);
        expect(await idsOf({ "#m": ["x".repeat(5_000)], "#e": ["x"] })).toEqual([event.id]);
        expect(await idsOf({ "#e": ["y"] })).toEqual([]);
      });

      test("GR-025 a unit that fails leaves nothing behind, others are stored", async () => {
        const topic = newTopic();
        const [good, bad] = [signEvent(alice, { tags: [topic] }), signEvent(bob, { tags: [topic] })];
        const outcomes = await Promise.allSettled([
          events.write(async (unit) => {
            await unit.store([{ event: bad, origin, anchor: true }]);
            throw new Error("changed my mind");
          }),
          store([good]),
        ]);
        expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
        expect(await idsOf({ "#t": [topic[1]] })).toEqual([good.id]);
      });

      test("GR-066 values are data, whatever they look like", async () => {
        const odd = `'); drop table relay_events; -- ? $1 ${newTopic()[1]}`;
        const event = signEvent(alice, {
          kind: 30_001,
          tags: [
            ["t", odd],
            ["d", odd],
          ],
          content: odd,
        });
        await store([event]);
        expect(await idsOf({ "#t": [odd], "#d": [odd] })).toEqual([event.id]);
      });

      test("a thousand values are one condition like any other", async () => {
        const topic = newTopic();
        const event = signEvent(alice, { tags: [topic] });
        await store([event]);
        const many = Array.from({ length: 1_000 }, (_, index) => `nothing ${index}`);
        expect(await idsOf({ "#t": [...many, topic[1]] })).toEqual([event.id]);
        const strangers = many.map((text) => createHash("sha256").update(text).digest("hex"));
        expect(await idsOf({ "#t": [topic[1]], authors: [...strangers, alice.publicKey] })).toEqual([event.id]);
        expect(await idsOf({ ids: [...strangers, event.id] })).toEqual([event.id]);
      });

      test("long lists of several conditions are one question like any other", async () => {
        const event = signEvent(alice, { tags: [["x", "long lists"]] });
        await store([event]);
        const strangers = Array.from({ length: 1_900 }, (_, index) =>
          createHash("sha256").update(`stranger ${index}`).digest("hex"),
        );
        const values = ["long lists", ...Array.from({ length: 60 }, (_, index) => `none ${index}`)];
        expect(await idsOf({ "#x": values, authors: [...strangers, alice.publicKey] })).toEqual([event.id]);
      });

      test("GR-032 a stream goes on after a position, page by page", async () => {
        const topic = newTopic();
        const all = Array.from({ length: 30 }, (_, index) =>
          signEvent(alice, { created_at: now + Math.floor(index / 7), tags: [topic], content: String(index) }),
        ).sort(compareNewestFirst);
        await store(all);
        const json = { "#t": [topic[1]] };
        const ids = all.map(({ id }) => id);
        expect(await idsOf(json, { pageSize: 4 })).toEqual(ids);
        const position = { id: all[12]?.id ?? "", createdAt: all[12]?.created_at ?? 0 };
        expect(await idsOf(json, { pageSize: 4, after: position })).toEqual(ids.slice(13));
      });
    });

    describe("facts", () => {
      test("announcements of one identifier are all known, however many there are", async () => {
        const identifier = newTopic()[1];
        const announce = (index: number): VerifiedEvent =>
          markVerified({
            id: createHash("sha256").update(`${identifier} ${index}`).digest("hex"),
            pubkey: createHash("sha256").update(`owner ${index}`).digest("hex"),
            kind: 30_617,
            created_at: now + (index % 3),
            tags: [["d", identifier]],
            content: "",
            sig: "0".repeat(128),
          });
        const all = Array.from({ length: 450 }, (_, index) => announce(index));
        await store(all);
        const another = announce(450);
        const found = await events.write(async (unit) =>
          (await unit.facts([another])).announcementsOf(identifier).map(({ id }) => id),
        );
        expect([...found].sort()).toEqual(all.map(({ id }) => id).sort());
      });
    });

    describe("versions", () => {
      test("GR-027 a new version replaces the one before, which is not served by id either", async () => {
        const topic = newTopic();
        const version = (created_at: number, d: string) =>
          signEvent(alice, { kind: 30_001, created_at, tags: [["d", d], topic] });
        const [one, two, other] = [version(1, "x"), version(2, "x"), version(1, "y")];
        await store([one, other]);
        await store([two]);
        expect((await idsOf({ "#t": [topic[1]] })).sort()).toEqual([two.id, other.id].sort());
        expect((await events.load([one.id], now)).size).toBe(0);
        expect(await events.known([one.id])).toEqual(new Set());
        // Of several in one unit the last stays.
        const [three, four] = [version(3, "x"), version(4, "x")];
        await store([three, four]);
        expect((await idsOf({ "#t": [topic[1]] })).sort()).toEqual([four.id, other.id].sort());
      });

      test("identifiers that no index could hold are identifiers", async () => {
        const topic = newTopic();
        for (const d of ["", "a\0b", "x".repeat(5_000), `${"x".repeat(5_000)}y`])
          await store([
            signEvent(alice, { kind: 30_002, created_at: 1, tags: [["d", d], topic] }),
            signEvent(alice, { kind: 30_002, created_at: 2, tags: [["d", d], topic] }),
          ]);
        expect(await idsOf({ "#t": [topic[1]] })).toHaveLength(4);
      });
    });

    describe("removing", () => {
      test("GR-090 a deletion removes its author's events by id and by address, up to its own time", async () => {
        const topic = newTopic();
        const [mine, hers] = [signEvent(alice, { tags: [topic] }), signEvent(bob, { tags: [topic] })];
        const addressed = (author: typeof alice, d: string, created_at: number) =>
          signEvent(author, { kind: 30_003, created_at, tags: [["d", d], topic] });
        const old = addressed(alice, "old", 10);
        const newer = addressed(alice, "newer", 30);
        const foreign = addressed(bob, "old", 10);
        await store([mine, hers, old, newer, foreign]);
        const address = (key: string, d: string): [string, string] => ["a", `30003:${key}:${d}`];
        const deletion = signEvent(alice, {
          kind: 5,
          created_at: 20,
          tags: [
            ["e", mine.id],
            ["e", hers.id],
            address(alice.publicKey, "old"),
            address(alice.publicKey, "newer"),
            address(bob.publicKey, "old"),
          ],
        });
        expect([...(await remove(deletion))].sort()).toEqual([mine.id, old.id].sort());
        expect((await idsOf({ "#t": [topic[1]] })).sort()).toEqual([hers.id, newer.id, foreign.id].sort());
        expect(await events.findDeletion(mine.id)).toBe(deletion.id);
      });

      test("GR-090 a deletion is not deleted", async () => {
        const first = signEvent(alice, { kind: 5, tags: [newTopic()] });
        await store([first]);
        expect(await remove(signEvent(alice, { kind: 5, tags: [["e", first.id]] }))).toEqual([]);
        expect(await events.known([first.id])).toEqual(new Set([first.id]));
      });

      test("GR-093 what has ended is not seen, and a sweep removes it with its tags", async () => {
        const topic = newTopic();
        const ending = signEvent(alice, { tags: [topic, ["expiration", String(now + 10)]] });
        const lasting = signEvent(alice, { tags: [topic] });
        await store([ending, lasting]);
        const json = { "#t": [topic[1]] };
        expect(await idsOf(json, { now: now + 9 })).toHaveLength(2);
        expect(await idsOf(json, { now: now + 10 })).toEqual([lasting.id]);
        expect(await events.load([ending.id], now + 10)).toEqual(new Map());
        expect(await events.removeExpired(now + 9)).toBe(0);
        expect(await events.removeExpired(now + 10)).toBe(1);
        expect(await events.known([ending.id])).toEqual(new Set());
        const { rows } = await subject.database.run("select id from relay_event_tags where id = ?", [ending.id]);
        expect(rows).toEqual([]);
      });
    });

    describe("facts", () => {
      test("GR-091 deletions are known for what they name, by id and by version", async () => {
        const gone = signEvent(alice, { content: `never here ${newTopic()[1]}` });
        const version = (created_at: number) => signEvent(alice, { kind: 30_004, created_at, tags: [["d", "x"]] });
        const deletion = signEvent(alice, {
          kind: 5,
          created_at: 20,
          tags: [
            ["e", gone.id],
            ["a", `30004:${alice.publicKey}:x`],
          ],
        });
        const older = signEvent(alice, { kind: 5, created_at: 15, tags: [["a", `30004:${alice.publicKey}:x`]] });
        await remove(deletion);
        await remove(older);
        const byOther = signEvent(bob, { content: "x" });
        await remove(signEvent(alice, { kind: 5, tags: [["e", byOther.id]] }));
        const asked = [gone, version(20), version(21), byOther];
        const facts = await events.write((unit) => unit.facts(asked));
        expect(asked.map((event) => facts.deletionOf(event)?.deletionId)).toEqual([
          deletion.id,
          deletion.id,
          undefined,
          undefined,
        ]);
      });

      test("GR-140 what relates an event to others is known, stored or added", async () => {
        const announcement = signEvent(alice, { kind: 30_617, tags: [["d", "a:b"]] });
        const address = `30617:${alice.publicKey}:a:b`;
        const issue = signEvent(bob, { kind: 1621, tags: [["a", address]] });
        const comment = signEvent(bob, { kind: 1111, tags: [["e", issue.id]] });
        const loose = signEvent(bob, { kind: 1, content: "loose" });
        const quoting = signEvent(bob, { kind: 1, tags: [["q", loose.id]] });
        const ask = (asked: VerifiedEvent[]) => events.write((unit) => unit.facts(asked));

        const before = await ask([issue, comment]);
        expect([before.isAnnounced(address), before.isAnchor(issue.id)]).toEqual([false, false]);
        before.add({ event: announcement, origin, anchor: true });
        before.add({ event: issue, origin, anchor: true });
        expect([before.isAnnounced(address), before.isAnchor(issue.id)]).toEqual([true, true]);

        await store([announcement, issue]);
        await store([signEvent(bob, { kind: 10_317, tags: [] })], false);
        const after = await ask([issue, comment, loose]);
        expect([after.isAnnounced(address), after.isAnchor(issue.id), after.isStored(issue.id)]).toEqual([
          true,
          true,
          true,
        ]);
        expect(after.isReferredTo(loose)).toBe(false);
        await store([quoting]);
        expect((await ask([loose])).isReferredTo(loose)).toBe(true);
        expect(
          (await ask([signEvent(bob, { kind: 30_617, tags: [["d", "a:b"]] })])).announcementsOf("a:b"),
        ).toMatchObject([{ address }]);
      });

      test("GR-140 a reference by address counts, one by an event that relates nobody does not", async () => {
        const list = signEvent(alice, { kind: 30_005, tags: [["d", "list"]] });
        const address = `30005:${alice.publicKey}:list`;
        const note = signEvent(alice, { content: `note ${newTopic()[1]}` });
        await store([signEvent(bob, { kind: 1111, tags: [["A", address]] })]);
        await store([signEvent(bob, { kind: 5, tags: [["e", note.id]] })], false);
        const facts = await events.write((unit) => unit.facts([list, note]));
        expect([facts.isReferredTo(list), facts.isReferredTo(note)]).toEqual([true, false]);
      });

      test("GR-027 the current version of an address is known", async () => {
        const version = (created_at: number) => signEvent(alice, { kind: 10_002, created_at });
        const [one, two] = [version(1), version(2)];
        await store([one]);
        const facts = await events.write((unit) => unit.facts([two]));
        expect(facts.currentVersion(`10002:${alice.publicKey}:`)).toMatchObject({ id: one.id, created_at: 1 });
        facts.add({ event: two, origin, anchor: true });
        expect(facts.currentVersion(`10002:${alice.publicKey}:`)).toMatchObject({ id: two.id });
        expect([facts.isStored(one.id), facts.isStored(two.id)]).toEqual([false, true]);
      });
    });

    describe("reading", () => {
      test("GR-095 events of restricted kinds are seen by their author and by whom they are for", async () => {
        const topic = newTopic();
        const open = signEvent(alice, { tags: [topic] });
        const secret = signEvent(alice, { kind: 1059, tags: [topic, ["p", bob.publicKey]] });
        await store([open, secret]);
        const seenBy = (...keys: string[]) =>
          idsOf({ "#t": [topic[1]] }, { viewer: { restrictedKinds: [4, 1059], keys: new Set(keys) } });
        expect(await seenBy()).toEqual([open.id]);
        expect(await seenBy(testSigner("carol").publicKey)).toEqual([open.id]);
        expect(await seenBy(alice.publicKey)).toHaveLength(2);
        expect(await seenBy(testSigner("carol").publicKey, bob.publicKey)).toHaveLength(2);
      });
    });
  });

  describe(`GR-063 ${name} finds what a naive scan finds`, () => {
    const eventCount = Number(process.env["SIGNALBOX_TEST_RELAY_EVENTS"] ?? 10_000);
    const filterCount = Number(process.env["SIGNALBOX_TEST_RELAY_FILTERS"] ?? 2_000);
    let subject: RelayEventsUnderTest;
    let all: VerifiedEvent[];
    beforeAll(async () => {
      subject = await create();
      all = randomEvents(eventCount).sort(compareNewestFirst);
      for (let from = 0; from < all.length; from += 250) {
        const some = all.slice(from, from + 250);
        await subject.events.write((unit) => unit.store(some.map((event) => ({ event, origin, anchor: true }))));
      }
    });
    afterAll(() => subject.destroy());

    test("GR-062 GR-063 the same events in the same order, for random filters with limits and ties", async () => {
      const random = createRandom(11);
      const cases = Array.from({ length: filterCount }, () => ({
        filter: filterOf(randomFilter(random)),
        limit: 1 + Math.floor(random() * 200),
        pageSize: 1 + Math.floor(random() * 100),
      }));
      let next = 0;
      const compare = async (): Promise<void> => {
        for (let round = next++; round < cases.length; round = next++) {
          const { filter, limit, pageSize } = cases[round] ?? raise(`there is no filter ${round}`);
          const expected = all
            .filter((event) => matchesFilter(filter, event) && (expirationOf(event) ?? now + 1) > now)
            .slice(0, limit)
            .map(({ id }) => id);
          const found = await readAll(subject.events, filter, { now, pageSize }, limit);
          expect(
            found.map(({ id }) => id),
            `filter ${round}`,
          ).toEqual(expected);
        }
      };
      // Side by side, so that a server need not wait for our own computing.
      await Promise.all(Array.from({ length: 4 }, compare));
    }, 600_000);
  });
}

function raise(message: string): never {
  throw new Error(message);
}

async function readAll(
  events: RelayEvents,
  filter: Filter,
  options: StreamOptions,
  limit = Number.POSITIVE_INFINITY,
): Promise<EventPosition[]> {
  const stream = events.stream(filter, options);
  const found: EventPosition[] = [];
  for (let page = await stream.next(); page.length > 0 && found.length < limit; page = await stream.next())
    found.push(...page);
  return found.slice(0, limit);
}

function filterOf(json: FilterJson): Filter {
  const read = readFilter(json);
  if (read.kind !== "filter") throw new Error(read.reason);
  return read.filter;
}

/** Numbers from 0 to 1 that are the same each time. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const someIds = Array.from({ length: 200 }, (_, index) => createHash("sha256").update(`id ${index}`).digest("hex"));
const someKinds = [1, 5, 1617, 1621, 30_617, 30_618, 10_002];

/** Unsigned events with few different values, so that conditions meet and many share a second. */
function randomEvents(count: number): VerifiedEvent[] {
  const random = createRandom(5);
  const any = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() ** 2 * list.length)];
  const seen = new Set<string>();
  return Array.from({ length: count }, (_, index) => {
    const pubkey = any(someIds.slice(0, 40)) ?? "";
    const kind = any(someKinds) ?? 1;
    const tags = Array.from({ length: Math.floor(random() * 5) }, () => {
      const name = any(["e", "p", "a", "t", "T", "title"]) ?? "t";
      return [name, name === "t" || name === "T" ? `topic ${Math.floor(random() * 30)}` : (any(someIds) ?? "")];
    });
    if (kind >= 30_000) tags.unshift(["d", `d${index}`]);
    if (random() < 0.02) tags.push(["expiration", String(random() < 0.5 ? now - 5 : now + 5)]);
    return markVerified({
      id: createHash("sha256").update(`event ${index}`).digest("hex"),
      pubkey,
      created_at: 1_000 + Math.floor(random() * 300),
      kind,
      tags,
      content: "",
      sig: "0".repeat(128),
    });
  }).filter((event) => {
    // One version of what is replaceable: replacing is another test's matter.
    if (event.kind !== 10_002) return true;
    const first = !seen.has(event.pubkey);
    seen.add(event.pubkey);
    return first;
  });
}

function randomFilter(random: () => number): FilterJson {
  const some = <T>(list: readonly T[], most: number): T[] =>
    Array.from(
      { length: Math.floor(random() * (most + 1)) },
      () => list[Math.floor(random() ** 2 * list.length)],
    ).filter((item) => item !== undefined);
  const filter: Record<string, (string | number)[] | number> = {};
  if (random() < 0.05)
    filter["ids"] = some(
      Array.from({ length: 500 }, (_, index) => createHash("sha256").update(`event ${index}`).digest("hex")),
      300,
    );
  if (random() < 0.35) filter["authors"] = some(someIds.slice(0, 45), 30);
  if (random() < 0.4) filter["kinds"] = some([...someKinds, 7], 5);
  for (const letter of ["e", "a", "p"]) if (random() < 0.2) filter[`#${letter}`] = some(someIds, 60);
  for (const letter of ["t", "T"])
    if (random() < 0.2)
      filter[`#${letter}`] = some(
        Array.from({ length: 32 }, (_, index) => `topic ${index}`),
        4,
      );
  if (random() < 0.3) filter["since"] = 990 + Math.floor(random() * 320);
  if (random() < 0.3) filter["until"] = 990 + Math.floor(random() * 320);
  return filter;
}
