import { createVirtualClock } from "@signalbox/kernel";
import { encodeEvent, type NostrEvent, type Signer, type VerifiedEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "./testing/raw-client.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const alice = testSigner("alice");
const bob = testSigner("bob");
const base = 1_767_225_600;

describe("what is stored, replaced and removed", () => {
  let server: TestRelay;
  let client: RawClient;
  beforeAll(async () => {
    server = await startTestRelay({
      relay: { auth: { challenge_on_connect: false }, limits: { requests_per_minute: 0 } },
    });
    client = await connectRaw(server.url);
  });
  afterAll(async () => {
    await client.close();
    await server.destroy();
  });

  let names = 0;
  const newName = (): string => `name ${++names}`;
  const send = async (event: VerifiedEvent): Promise<readonly unknown[]> => {
    client.send(["EVENT", event]);
    return (await client.next()).slice(2);
  };
  const stored = async (...filters: object[]): Promise<unknown[]> => {
    client.send(["REQ", "r", ...filters]);
    const messages = (await client.until("EOSE")).slice(0, -1).map(([, , event]) => event);
    client.send(["CLOSE", "r"]);
    return messages;
  };
  const accepted = [true, ""];
  const refused = (prefix: string) => [false, expect.stringMatching(new RegExp(`^${prefix}: `))];

  test("GR-026 regular events are all kept", async () => {
    const name = newName();
    const events = [1, 2].map((content) =>
      signEvent(alice, {
        tags: [
          ["t", name],
          ["d", name],
        ],
        content: String(content),
      }),
    );
    for (const event of events) expect(await send(event)).toEqual(accepted);
    expect(await stored({ "#t": [name] })).toHaveLength(2);
  });

  test.each([
    ["replaceable", 10_002, false],
    ["addressable", 30_023, true],
  ])(
    "GR-026 GR-027 of %s events the newest is kept, and older ones are refused, also one that was stored before",
    async (_, kind, addressed) => {
      const d = newName();
      const signer = testSigner(d);
      const version = (created_at: number, content = "") =>
        signEvent(signer, {
          kind,
          created_at,
          tags: addressed
            ? [
                ["d", d],
                ["d", "ignored"],
              ]
            : [],
          content,
        });
      const [one, two, three] = [version(base), version(base + 1), version(base + 2)];
      expect(await send(two)).toEqual(accepted);
      expect(await send(one)).toEqual(refused("duplicate"));
      expect(await send(three)).toEqual(accepted);
      expect(await send(two)).toEqual(refused("duplicate"));
      expect(await send(three)).toEqual([true, expect.stringMatching(/^duplicate: /)]);
      expect(await stored({ authors: [signer.publicKey] })).toEqual([three]);
      expect(await stored({ ids: [one.id, two.id] })).toEqual([]);
      // On a tie the lowest id wins, whichever came first.
      const tied = Array.from({ length: 6 }, (_, index) => version(base + 9, String(index))).sort((a, b) =>
        a.id < b.id ? -1 : 1,
      );
      const [first, middle, last] = [tied[0], tied[3], tied[5]];
      for (const event of [middle, first, last]) if (event) await send(event);
      expect(await stored({ authors: [signer.publicKey] })).toEqual([first]);
    },
  );

  test("GR-026 a missing d tag is an empty one", async () => {
    const signer = testSigner(newName());
    const without = signEvent(signer, { kind: 30_023, created_at: base });
    const empty = signEvent(signer, { kind: 30_023, created_at: base + 1, tags: [["d", ""]] });
    await send(without);
    await send(empty);
    expect(await stored({ authors: [signer.publicKey] })).toEqual([empty]);
  });

  test("GR-027 two versions sent at once end in the newest, in either order", async () => {
    for (const backwards of [false, true]) {
      const signer = testSigner(newName());
      const versions = Array.from({ length: 10 }, (_, index) =>
        signEvent(signer, { kind: 10_002, created_at: base + index }),
      );
      const sent = backwards ? versions.toReversed() : versions;
      for (const event of sent) client.send(["EVENT", event]);
      for (const event of sent) expect((await client.next())[1]).toBe(event.id);
      expect(await stored({ authors: [signer.publicKey] })).toEqual([versions.at(-1)]);
    }
  });

  test("GR-090 GR-091 a deletion is served, removes, and keeps what it removed away", async () => {
    const name = newName();
    const note = signEvent(alice, { tags: [["t", name]] });
    const foreign = signEvent(bob, { tags: [["t", name]] });
    const version = (created_at: number) =>
      signEvent(alice, {
        kind: 30_023,
        created_at,
        tags: [
          ["d", name],
          ["t", name],
        ],
      });
    const never = signEvent(alice, { tags: [["t", name]], content: "deleted before it came" });
    for (const event of [note, foreign, version(base)]) await send(event);
    const deletion = signEvent(alice, {
      kind: 5,
      created_at: base + 10,
      tags: [
        ["e", note.id],
        ["e", foreign.id],
        ["e", never.id],
        ["a", `30023:${alice.publicKey}:${name}`],
      ],
    });
    expect(await send(deletion)).toEqual(accepted);
    expect(await stored({ "#t": [name] })).toEqual([foreign]);
    expect(await stored({ ids: [deletion.id] })).toEqual([deletion]);
    for (const event of [note, never, version(base), version(base + 10)])
      expect(await send(event)).toEqual([false, "blocked: deleted by its author"]);
    expect(await send(version(base + 11))).toEqual(accepted);
  });

  test("GR-090 a deletion and what it names may come in one breath, in either order", async () => {
    const name = newName();
    const [before, after] = ["before", "after"].map((content) => signEvent(alice, { tags: [["t", name]], content }));
    const deletion = signEvent(alice, {
      kind: 5,
      tags: [
        ["e", before?.id ?? ""],
        ["e", after?.id ?? ""],
      ],
    });
    for (const event of [before, deletion, after]) client.send(["EVENT", event]);
    expect((await client.next())[2]).toBe(true);
    expect((await client.next())[2]).toBe(true);
    expect((await client.next()).slice(2)).toEqual([false, "blocked: deleted by its author"]);
    expect(await stored({ "#t": [name] })).toEqual([]);
  });

  test("GR-093 expired events are refused; a value that is no number ends nothing", async () => {
    const ended = signEvent(alice, { tags: [["expiration", "1700000000"]] });
    expect(await send(ended)).toEqual([false, "invalid: expired"]);
    expect(await send(signEvent(alice, { tags: [["expiration", "soon"]] }))).toEqual(accepted);
  });

  test("GR-096 protected events, and reposts that hold one, stay away", async () => {
    const secret = signEvent(alice, { tags: [["-"]] });
    client.send(["EVENT", secret]);
    expect(await client.next()).toEqual(["AUTH", expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect((await client.next()).slice(2)).toEqual(refused("auth-required"));
    for (const kind of [6, 16])
      expect(await send(signEvent(bob, { kind, content: encodeEvent(secret) }))).toEqual(refused("blocked"));
  });
});

describe("time and restarts", () => {
  test("GR-093 an event is seen until it ends, in answers and counts; the sweep then removes it", async () => {
    const clock = createVirtualClock(base * 1_000);
    const server = await startTestRelay({ clock, relay: { auth: { challenge_on_connect: false } } });
    const client = await connectRaw(server.url);
    const event = signEvent(alice, { created_at: base, tags: [["expiration", String(base + 30)]] });
    client.send(["EVENT", event]);
    expect((await client.next())[2]).toBe(true);
    const count = async () => {
      client.send(["COUNT", "c", { ids: [event.id] }]);
      return (await client.next())[2];
    };
    await clock.advanceBy(29_000);
    expect(await count()).toEqual({ count: 1 });
    await clock.advanceBy(1_000);
    expect(await count()).toEqual({ count: 0 });
    expect(await server.relay.events.known([event.id])).toEqual(new Set([event.id]));
    await clock.advanceBy(31_000);
    await expect.poll(async () => (await server.relay.events.known([event.id])).size).toBe(0);
    await client.close();
    await server.destroy();
  });

  test("GR-091 what was stored and what was removed survives a restart", async () => {
    const first = await startTestRelay({ relay: { auth: { challenge_on_connect: false } } });
    const one = await connectRaw(first.url);
    const [kept, removed] = [signEvent(alice, { content: "kept" }), signEvent(alice, { content: "removed" })];
    const deletion = signEvent(alice, { kind: 5, tags: [["e", removed.id]] });
    for (const event of [kept, removed, deletion]) {
      one.send(["EVENT", event]);
      await one.next();
    }
    one.send(["REQ", "open", { limit: 0 }]);
    await one.next();
    await first.stop();
    expect(await one.next()).toEqual(["CLOSED", "open", "error: shutting down"]);
    expect((await one.closed).code).toBe(1001);

    const second = await startTestRelay({
      directory: first.directory,
      relay: { auth: { challenge_on_connect: false } },
    });
    const two = await connectRaw(second.url);
    for (const [event, verdict] of [
      [kept, [true, expect.stringMatching(/^duplicate: /)]],
      [removed, [false, "blocked: deleted by its author"]],
    ] as const) {
      two.send(["EVENT", event]);
      expect((await two.next()).slice(2)).toEqual(verdict);
    }
    await two.close();
    await second.destroy();
    await first.destroy();
  });

  test("GR-146 events with a tag that is purged end after two hours, also those that were stored before the setting", async () => {
    const clock = createVirtualClock(base * 1_000);
    const quiet = { auth: { challenge_on_connect: false } };
    const tagged = (content: string) => signEvent(alice, { created_at: base, content, tags: [["rehearsal", "1"]] });
    const accept = (server: TestRelay, event: NostrEvent) =>
      server.relay.eventIntake.accept(event, {
        origin: { source: "client", correlationId: "C" },
        authenticated: new Set(),
      });
    const first = await startTestRelay({ clock, relay: quiet });
    const [before, lasting] = [tagged("before"), signEvent(alice, { created_at: base, tags: [["t", "rehearsal"]] })];
    for (const event of [before, lasting]) expect(await accept(first, event)).toEqual({ kind: "saved" });
    await first.stop();

    const server = await startTestRelay({
      clock,
      directory: first.directory,
      relay: { ...quiet, housekeeping: { purge_tags: "rehearsal,trial" } },
    });
    const after = tagged("after");
    expect(await accept(server, after)).toEqual({ kind: "saved" });
    const known = () => server.relay.events.known([before.id, after.id, lasting.id]);
    await clock.advanceBy(7_140_000);
    expect((await known()).size).toBe(3);
    await clock.advanceBy(120_000);
    await expect.poll(known).toEqual(new Set([lasting.id]));
    // And they do not come back from a peer that still has them.
    expect(await accept(server, before)).toMatchObject({ kind: "rejected", prefix: "invalid", text: "expired" });
    await server.destroy();
  });
});

describe("GR-092 gift wraps", () => {
  const wrapFor = (recipient: Signer, content: string) =>
    signEvent(alice, { kind: 1_059, content, tags: [["p", recipient.publicKey], repositoryTag(alice, "x")] });
  const deletion = (author: Signer, ...events: readonly NostrEvent[]) =>
    signEvent(author, { kind: 5, tags: events.map(({ id }) => ["e", id]) });

  test.each([
    ["open", true],
    ["grasp", false],
  ] as const)("GR-092 with the profile %s whom it is for may delete one: %s", async (profile, mayDelete) => {
    const server = await startTestRelay({ relay: { profile, domain: "relay.example" } });
    const { eventIntake, events } = server.relay;
    const accept = (event: NostrEvent) =>
      eventIntake.accept(event, { origin: { source: "client", correlationId: "C" }, authenticated: new Set() });
    await accept(signAnnouncement(alice, { identifier: "x", domains: ["relay.example"] }));
    const [wrap, late] = [wrapFor(bob, "for bob"), wrapFor(bob, "later")];
    const note = signEvent(alice, { kind: 1, tags: [["p", bob.publicKey], repositoryTag(alice, "x")] });
    for (const event of [wrap, note]) expect(await accept(event)).toEqual({ kind: "saved" });
    const isStored = async ({ id }: NostrEvent) => (await events.known([id])).has(id);
    // Somebody else, and another kind of event: nothing happens.
    await accept(deletion(testSigner("carol"), wrap));
    await accept(deletion(bob, note));
    expect([await isStored(wrap), await isStored(note)]).toEqual([true, true]);
    await accept(deletion(bob, wrap, late));
    expect(await isStored(wrap)).toBe(!mayDelete);
    const blocked = { kind: "rejected", prefix: "blocked", text: "deleted by its author" };
    expect(await accept(late)).toMatchObject(mayDelete ? blocked : { kind: "saved" });
    if (mayDelete) expect(await accept(wrap)).toMatchObject(blocked);
    // The author may in any case.
    const own = wrapFor(bob, "own");
    await accept(own);
    await accept(deletion(alice, own));
    expect(await isStored(own)).toBe(false);
    await server.destroy();
  });
});
