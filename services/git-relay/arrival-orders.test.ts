import { createVirtualClock, silentLogger, systemClock } from "@signalbox/kernel";
import { markVerified, type VerifiedEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { describe, expect, test } from "vitest";
import type { Sender } from "./accept-event.js";
import { createPeerIntake } from "./sync/intake.js";
import { startTestRelay } from "./testing/start-relay.js";
import { testPeer } from "./testing/test-peer.js";
import { createWaitingRoom } from "./waiting-room.js";

const owner = testSigner("owner");
const other = testSigner("other");
const announcement = signAnnouncement(owner, { identifier: "x", domains: ["relay.example"] });
const state = signState(owner, "x", { "refs/heads/main": "1".repeat(40) });
const root = signEvent(other, { kind: 1621, tags: [repositoryTag(owner, "x")] });
const reply = signEvent(owner, { kind: 1111, tags: [["e", root.id]] });
const quoted = signEvent(other, { kind: 1, content: "quoted" });
const quoting = signEvent(owner, {
  kind: 1111,
  tags: [
    ["e", reply.id],
    ["q", quoted.id],
  ],
});
const fromPeer: Sender = {
  origin: { source: "sync", peer: "wss://peer.example", correlationId: "C" },
  authenticated: new Set(),
};

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length <= 1) return [[...list]];
  return list.flatMap((item, index) =>
    permutations([...list.slice(0, index), ...list.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

describe("events from a peer in any order", () => {
  test("GR-143 GR-144 all orders of an announcement, its state, an issue and a reply end in the same set", async () => {
    const server = await startTestRelay({
      relay: { profile: "grasp", domain: "relay.example", sync: { enabled: true } },
    });
    const { eventIntake: intake, events, sync } = server.relay;
    if (!sync) throw new Error("the relay syncs");
    // As what a peer sends comes in: what is refused is remembered, and decided anew by itself.
    const peerIntake = createPeerIntake({
      intake,
      rejected: sync.rejected,
      limits: { maxEventBytes: 262_144, maxEventTags: 5_000, maxContentLength: 262_144 },
      isStopping: () => false,
      clock: systemClock,
      logger: silentLogger,
    });
    const from = { peer: testPeer("wss://peer.example"), correlationId: "C" };
    const all = [announcement, state, root, reply];
    const orders = permutations(all);
    expect(orders).toHaveLength(24);
    for (const order of orders) {
      for (const event of order) await peerIntake.receive(event, 1_000, from).decided;
      await expect
        .poll(async () => (await events.known(all.map(({ id }) => id))).size, { interval: 2 })
        .toBe(all.length);
      expect(intake.waiting()).toEqual([]);
      for (const table of ["relay_events", "relay_event_tags", "relay_rejected"])
        await server.database.run(`delete from ${table}`);
    }
    await server.destroy();
  });

  test("GR-141 all orders of an announcement and what is related to it, near and far, end in the same set", async () => {
    const server = await startTestRelay({ relay: { profile: "grasp", domain: "relay.example" } });
    const all = [announcement, root, reply, quoting, quoted];
    for (const order of permutations(all)) {
      for (const event of order) await server.relay.eventIntake.accept(event, fromPeer);
      const isStored = async () => (await server.relay.events.known(all.map(({ id }) => id))).size;
      await expect.poll(isStored, { interval: 2 }).toBe(all.length);
      for (const table of ["relay_events", "relay_event_tags"]) await server.database.run(`delete from ${table}`);
    }
    await server.destroy();
  });

  test("GR-143 what stays unrelated waits 600 seconds; from a client it is refused at once", async () => {
    const clock = createVirtualClock(root.created_at * 1_000);
    const server = await startTestRelay({ clock, relay: { profile: "grasp", domain: "relay.example" } });
    const { eventIntake, events } = server.relay;
    const fromClient: Sender = { ...fromPeer, origin: { source: "client", correlationId: "C" } };
    expect(await eventIntake.accept(root, fromPeer)).toEqual({ kind: "waiting" });
    expect(await eventIntake.accept(reply, fromPeer)).toEqual({ kind: "waiting" });
    expect(await eventIntake.accept(root, fromClient)).toMatchObject({ kind: "rejected", prefix: "blocked" });
    await clock.advanceBy(599_000);
    expect(eventIntake.isWaiting(root.id)).toBe(true);
    await clock.advanceBy(1_000);
    expect(eventIntake.isWaiting(root.id)).toBe(false);
    expect(await eventIntake.accept(announcement, fromClient)).toEqual({ kind: "saved" });
    await eventIntake.settled();
    expect(await events.known([root.id, reply.id])).toEqual(new Set());
    await server.destroy();
  });

  test("GR-272 a peer's event ends in exactly one verdict", async () => {
    const server = await startTestRelay({ relay: { profile: "grasp", domain: "relay.example" } });
    const accept = (event: VerifiedEvent) => server.relay.eventIntake.accept(event, fromPeer);
    expect(await accept(announcement)).toEqual({ kind: "saved" });
    expect(await accept(announcement)).toEqual({ kind: "duplicate" });
    expect(await accept({ ...root, sig: "0".repeat(128) })).toMatchObject({ kind: "invalid" });
    expect(await accept({ ...root, content: "changed" })).toMatchObject({ kind: "invalid" });
    expect(await accept(signEvent(owner, { kind: 30_618 }))).toMatchObject({ kind: "rejected" });
    expect(await accept(quoted)).toEqual({ kind: "waiting" });
    expect(await server.relay.events.find(announcement.id)).toMatchObject({
      source: "sync",
      peer: "wss://peer.example",
    });
    // Protected events come from their authors alone.
    expect(await accept(signEvent(owner, { tags: [["-"], ["e", announcement.id]] }))).toMatchObject({
      kind: "rejected",
      prefix: "auth-required",
    });
    await server.destroy();
  });
});

test("GR-034 a listener that fails changes nothing for the sender or for other listeners", async () => {
  const server = await startTestRelay();
  const heard: string[] = [];
  server.relay.eventIntake.onSaved(() => {
    throw new Error("not today");
  });
  const end = server.relay.eventIntake.onSaved(({ event }) => void heard.push(event.id));
  expect(await server.relay.eventIntake.accept(quoted, fromPeer)).toEqual({ kind: "saved" });
  end();
  expect(await server.relay.eventIntake.accept(root, fromPeer)).toEqual({ kind: "saved" });
  expect(heard).toEqual([quoted.id]);
  await server.destroy();
});

describe("the waiting room", () => {
  const clock = createVirtualClock();
  const note = (index: number) =>
    signEvent(other, { content: String(index), tags: [["e", index.toString(16).padStart(64, "0")]] });
  const { origin } = fromPeer;

  test("GR-143 there is room for 10,000 events, and for 32 MiB", () => {
    const fill = (count: number, content: string): number => {
      const room = createWaitingRoom({ clock });
      for (let index = 0; index < count; index++) {
        const id = index.toString(16).padStart(64, "0");
        room.add(markVerified({ ...quoted, id, content }), origin);
      }
      return room.size;
    };
    expect(fill(10_005, "")).toBe(10_000);
    const size = fill(200, "x".repeat(256 * 1024));
    expect(size).toBeLessThan(128);
    expect(size).toBeGreaterThan(120);
  });

  test("GR-143 the oldest leave when there is no room, by number or by size", () => {
    const byNumber = createWaitingRoom({ clock, maxEvents: 3 });
    const notes = [1, 2, 3, 4, 5].map(note);
    for (const event of notes) byNumber.add(event, origin);
    expect(notes.map(({ id }) => byNumber.isWaiting(id))).toEqual([false, false, true, true, true]);
    const bySize = createWaitingRoom({ clock, maxBytes: 1_000 });
    for (const event of notes) bySize.add(event, origin);
    expect(bySize.size).toBe(2);
  });

  test("GR-143 those that refer to an event, or that it refers to, are taken out", () => {
    const room = createWaitingRoom({ clock });
    const list = signEvent(other, { kind: 30_005, tags: [["d", "list"]] });
    const naming = signEvent(owner, {
      tags: [
        ["a", `30005:${other.publicKey}:list`],
        ["e", quoted.id],
      ],
    });
    for (const event of [list, quoted, note(1)]) room.add(event, origin);
    expect(room.takeRelated(naming).map(({ event }) => event)).toEqual([quoted, list]);
    expect(room.size).toBe(1);
    const target = { ...quoted, id: "1".padStart(64, "0") };
    expect(room.takeRelated(target).map(({ event }) => event.content)).toEqual(["1"]);
    expect(room.size).toBe(0);
  });
});
