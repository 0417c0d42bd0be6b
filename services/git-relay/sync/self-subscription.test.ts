import { createVirtualClock } from "@signalbox/kernel";
import type { VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import type { SavedListener } from "../accept-event.js";
import { createSelfSubscription } from "./self-subscription.js";

const author = testSigner("an author");

async function start() {
  const clock = createVirtualClock();
  const flushes: { readonly atMs: number; readonly events: readonly VerifiedEvent[] }[] = [];
  let synced = 0;
  let tell: SavedListener = () => {};
  const subscription = createSelfSubscription({
    intake: {
      onSaved(listener) {
        tell = listener;
        return () => {};
      },
    },
    clock,
    windowMs: 5_000,
    onFlush: (events) => void flushes.push({ atMs: clock.monotonicMs(), events }),
    onSynced: () => synced++,
  });
  await subscription.start();
  const save = (kind: number, peer?: string): VerifiedEvent => {
    const event = signEvent(author, { kind, content: `${flushes.length} ${clock.monotonicMs()}`, tags: [["d", "x"]] });
    tell({
      event,
      origin: { source: peer === undefined ? "client" : "sync", correlationId: "one", ...(peer && { peer }) },
    });
    return event;
  };
  return { clock, flushes, save, subscription, synced: () => synced };
}

test("GR-265 a steady stream of events is flushed every five seconds all the same", async () => {
  const { clock, flushes, save, subscription } = await start();
  for (let second = 0; second < 12; second++) {
    save(30_617);
    await clock.advanceBy(1_000);
  }
  expect(flushes.map(({ atMs, events }) => [atMs, events.length])).toEqual([
    [5_000, 5],
    [10_000, 5],
  ]);
  await subscription.stop();
});

test("GR-265 what changes nothing for peers is not told, and an empty window is no flush", async () => {
  const { clock, flushes, save, subscription } = await start();
  for (const kind of [30_618, 1_619, 1_111, 1]) save(kind);
  await clock.advanceBy(20_000);
  expect(flushes).toEqual([]);
  for (const kind of [30_617, 1_617, 1_618, 1_621, 10_317]) save(kind);
  await clock.advanceBy(5_000);
  expect(flushes[0]?.events.map(({ kind }) => kind)).toEqual([30_617, 1_617, 1_618, 1_621, 10_317]);
  await subscription.stop();
});

test("GR-238 what was stored up to some moment, or comes of a peer, is flushed at the end of its window", async () => {
  const { clock, save, subscription, synced } = await start();
  save(1_111, "one");
  expect(subscription.isFlushed("one", subscription.position)).toBe(true);
  const before = subscription.position;
  save(1_621, "one");
  const after = subscription.position;
  expect(subscription.isFlushed("one", before)).toBe(false);
  expect(subscription.isFlushed("two", before)).toBe(true);
  expect(subscription.isFlushed("two", after)).toBe(false);
  expect(synced()).toBe(2);
  await clock.advanceBy(5_000);
  save(1_621, "one");
  expect(subscription.isFlushed("two", after)).toBe(true);
  expect(subscription.isFlushed("one", after)).toBe(false);
  await subscription.stop();
});
