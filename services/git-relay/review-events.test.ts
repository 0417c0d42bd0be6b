import { encodeNpub, kinds, type NostrEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { afterEach, expect, test } from "vitest";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const [owner, friend, stranger] = [testSigner("owner"), testSigner("friend"), testSigner("stranger")];
const domain = "here.example";
const never = new AbortController().signal;
const ends: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const announcement = signAnnouncement(owner, {
  identifier: "shop",
  domains: [domain],
  maintainers: [friend.publicKey],
  createdAt: 1,
});
const issue = signEvent(stranger, { kind: kinds.issue, created_at: 3, tags: [repositoryTag(owner, "shop")] });
const comment = signEvent(friend, { kind: 1111, created_at: 4, tags: [["E", issue.id]] });
/** Everything that a repository can have; nobody else lists this service. */
const events: readonly NostrEvent[] = [
  announcement,
  signAnnouncement(friend, { identifier: "shop", domains: ["elsewhere.example"], createdAt: 2 }),
  signState(friend, "shop", {}, 3),
  issue,
  comment,
  signEvent(stranger, { kind: kinds.deletion, created_at: 5, tags: [["e", "0".repeat(64)]] }),
  signEvent(stranger, { kind: kinds.graspList, created_at: 5 }),
];

async function start(policy: object = {}, earlier?: TestRelay): Promise<TestRelay> {
  const relay = await startTestRelay({
    relay: { domain, profile: "grasp", policy },
    ...(earlier && { directory: earlier.directory }),
  });
  ends.push(() => (earlier ? relay.stop() : relay.destroy()));
  return relay;
}

/** A relay that has accepted everything, then started again with another policy. */
async function restartWith(policy: object): Promise<TestRelay> {
  const before = await start();
  for (const event of events) {
    const sender = { origin: { source: "client", correlationId: "C" }, authenticated: new Set<string>() } as const;
    expect(await before.relay.eventIntake.accept(event, sender)).toEqual({ kind: "saved" });
  }
  await before.stop();
  return start(policy, before);
}

test("GR-147 under the policy that accepted it, everything fits", async () => {
  const { relay } = await restartWith({});
  expect(await relay.review(100, never)).toEqual({ checked: events.length, unfit: [], isCut: false });
});

test("GR-147 what a new policy would refuse is listed with its reason, and stays", async () => {
  const { relay } = await restartWith({
    blocked_authors: [encodeNpub(stranger.publicKey)],
    blocked_repositories: [`${encodeNpub(owner.publicKey)}/shop`],
  });
  const { checked, unfit } = await relay.review(100, never);
  expect(checked).toBe(events.length);
  expect(unfit.map(({ event, message }) => [event.id, message])).toEqual(
    expect.arrayContaining([
      [announcement.id, "blocked: the repository is not welcome here"],
      [issue.id, "blocked: the author is not welcome here"],
    ]),
  );
  expect(unfit.map(({ event }) => event.pubkey)).not.toContain(friend.publicKey);
  expect((await relay.events.known(events.map(({ id }) => id))).size).toBe(events.length);
});

test("GR-147 an announcement is no reason to accept itself", async () => {
  const { relay } = await restartWith({ repositories: ["another"] });
  const { unfit } = await relay.review(100, never);
  expect(unfit).toMatchObject([
    { event: { id: announcement.id }, message: "blocked: the repository is not on this relay's list" },
  ]);
});

test("a review ends when enough was found, and when nobody wants it any more", async () => {
  const { relay } = await restartWith({ blocked_authors: [stranger, owner, friend].map(({ publicKey }) => publicKey) });
  const { unfit, isCut } = await relay.review(3, never);
  expect([unfit.length, isCut]).toEqual([3, true]);
  await expect(relay.review(3, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
});
