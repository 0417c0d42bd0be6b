import { encodeNpub, kinds, type NostrEvent } from "@signalbox/nostr";
import { signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { afterEach, expect, test } from "vitest";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const owner = testSigner("owner");
const friend = testSigner("friend");
const domain = "here.example";
const state = signState(friend, "shop", {}, 5);
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A relay that has the state of somebody who is no maintainer yet, and one that syncs from it. */
async function startBoth(sync: object = {}): Promise<{ readonly source: TestRelay; readonly relay: TestRelay }> {
  const source = await startTestRelay({ name: "the source" });
  ends.push(() => source.destroy());
  for (const event of [announce(source, 1), state]) await accept(source, event);
  const relay = await startTestRelay({
    relay: {
      domain,
      profile: "grasp",
      sync: {
        enabled: true,
        allow_private_targets: true,
        batch_window_ms: 50,
        bootstrap_relays: [source.url],
        ...sync,
      },
    },
  });
  ends.push(() => relay.destroy());
  await expect.poll(() => relay.metric(rejectedStates)).toBe(1);
  await expect.poll(() => relay.metric(`ngit_sync_relay_connected{relay="${source.url}"}`)).toBe(3);
  return { source, relay };
}
const rejectedStates = 'ngit_sync_rejected_cold_index_current{event_type="state"}';
const isStored = async ({ relay }: TestRelay, { id }: NostrEvent): Promise<boolean> =>
  (await relay.events.known([id])).has(id);

test("GR-144 GR-384 a state that was refused is stored as soon as its author becomes a maintainer", async () => {
  const { source, relay } = await startBoth();
  const received = `signalbox_relay_sync_events_received_total{relay="${source.url}",disposition="rejected"}`;
  const before = await relay.metric(received);
  await accept(relay, announce(source, 2, [friend.publicKey]));
  await expect.poll(() => isStored(relay, state)).toBe(true);
  expect(await relay.metric(rejectedStates)).toBe(0);
  // Nothing was downloaded for it.
  expect(await relay.metric(received)).toBe(before);
  await expect.poll(() => relay.metric("ngit_sync_events_synced_total")).toBe(2);
});

test("GR-384 one that is not kept any more is downloaded again", async () => {
  const { source, relay } = await startBoth({ rejected_hot_s: 0 });
  await accept(relay, announce(source, 2, [friend.publicKey]));
  await expect.poll(() => isStored(relay, state)).toBe(true);
  expect(await relay.metric('ngit_sync_rejected_hot_cache_hits_total{event_type="state"}')).toBe(0);
  expect(await relay.metric('ngit_sync_rejected_invalidated_total{event_type="state"}')).toBe(1);
});

test("GR-144 what is still refused is remembered on", async () => {
  const { source, relay } = await startBoth();
  await accept(relay, announce(source, 2, [testSigner("somebody else").publicKey]));
  await expect.poll(() => relay.metric('ngit_sync_rejected_hot_cache_hits_total{event_type="state"}')).toBe(1);
  await expect.poll(() => relay.metric(rejectedStates)).toBe(1);
  expect(await isStored(relay, state)).toBe(false);
});

test("GR-383 what was refused is not downloaded again, also after a restart", async () => {
  const { source, relay } = await startBoth();
  await relay.stop();
  const next = await startTestRelay({
    directory: relay.directory,
    relay: {
      domain,
      profile: "grasp",
      sync: { enabled: true, allow_private_targets: true, batch_window_ms: 50, bootstrap_relays: [source.url] },
    },
  });
  ends.push(() => next.stop());
  await expect.poll(() => next.metric(`ngit_sync_relay_connected{relay="${source.url}"}`)).toBe(3);
  const received = (disposition: string): Promise<number> =>
    next.metric(`signalbox_relay_sync_events_received_total{relay="${source.url}",disposition="${disposition}"}`);
  expect(await received("rejected")).toBe(0);
  const peer = next.relay.sync?.engine.peers()[0];
  expect(peer?.certificates.states).toMatchObject({ complete: true, excluded: { rejected: 1 } });
});

function announce(at: TestRelay, createdAt: number, maintainers: readonly string[] = []): NostrEvent {
  return signEvent(owner, {
    kind: kinds.announcement,
    created_at: createdAt,
    tags: [
      ["d", "shop"],
      ["clone", `https://${domain}/${encodeNpub(owner.publicKey)}/shop.git`],
      ["relays", `wss://${domain}`, at.url],
      ...(maintainers.length > 0 ? [["maintainers", ...maintainers]] : []),
    ],
  });
}

async function accept({ relay }: TestRelay, event: NostrEvent): Promise<void> {
  const verdict = await relay.eventIntake.accept(event, {
    origin: { source: "client", correlationId: "C" },
    authenticated: new Set(),
  });
  expect(verdict.kind).toBe("saved");
}
