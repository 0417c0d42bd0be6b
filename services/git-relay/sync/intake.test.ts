import { silentLogger, systemClock } from "@signalbox/kernel";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createRejectedIndex, type StoredRejectedIndex } from "../peers/rejected-index.js";
import { startTestRelay, type TestRelay } from "../testing/start-relay.js";
import { testPeer } from "../testing/test-peer.js";
import { createInlineVerifier } from "../verify/verifier.js";
import { createPeerIntake, type Decision, type PeerIntake } from "./intake.js";

const domain = "relay.example";
const [owner, author] = [testSigner("the owner"), testSigner("an author")];
const announcement = signAnnouncement(owner, { identifier: "one", domains: [domain], createdAt: 1_000 });
const issue = signEvent(author, { kind: 1_621, tags: [[...repositoryTag(owner, "one")]] });
const peer = testPeer("wss://peer.example");
const other = testPeer("wss://other.example");

let server: TestRelay;
let rejected: StoredRejectedIndex;
let intake: PeerIntake;
let verified: number;
beforeEach(async () => {
  verified = 0;
  const verifier = createInlineVerifier();
  server = await startTestRelay({
    relay: { profile: "grasp", domain },
    verifier: {
      ...verifier,
      verify(parts) {
        verified++;
        return verifier.verify(parts);
      },
    },
  });
  const { database, metrics, relay } = server;
  rejected = createRejectedIndex({ database, metrics, clock: systemClock, logger: silentLogger });
  intake = createPeerIntake({
    intake: relay.eventIntake,
    rejected,
    limits: { maxEventBytes: 10_000, maxEventTags: 10, maxContentLength: 1_000 },
    isStopping: () => false,
    clock: systemClock,
    logger: silentLogger,
  });
});
afterEach(() => server.destroy());

const receive = (value: unknown, from = peer, bytes = 500): Promise<Decision> =>
  intake.receive(value, bytes, { peer: from, correlationId: "one" }).decided;
const ends = async (values: readonly unknown[]): Promise<string[]> => {
  const found: string[] = [];
  for (const value of values) found.push((await receive(value)).disposition);
  return found;
};

describe("GR-272 events of a peer", () => {
  test("GR-272 each gets exactly one disposition", async () => {
    const older = signAnnouncement(owner, { identifier: "one", domains: [domain], createdAt: 999 });
    const elsewhere = signAnnouncement(owner, { identifier: "two", domains: ["elsewhere.example"], createdAt: 1_000 });
    const orphan = signEvent(author, { kind: 1_621, tags: [["e", "f".repeat(64)]] });
    const forged = { ...issue, sig: "0".repeat(128) };
    expect(await ends([announcement, announcement, older, elsewhere, orphan, orphan, forged, issue])).toEqual([
      "saved",
      "duplicate",
      "duplicate",
      "rejected",
      "waiting",
      "waiting",
      "invalid",
      "saved",
    ]);
    expect((await server.relay.events.find(issue.id))?.peer).toBe(peer);
  });

  test("GR-272 ones of the wrong shape or too large are not looked at, and further fields are dropped", async () => {
    expect(await ends([{ id: "x" }, "no event", signEvent(author, { content: "x".repeat(1_001) })])).toEqual([
      "invalid",
      "invalid",
      "invalid",
    ]);
    expect((await receive(announcement, peer, 10_001)).disposition).toBe("invalid");
    expect(verified).toBe(0);
    expect(await ends([{ ...announcement, more: true }])).toEqual(["saved"]);
    expect((await server.relay.events.find(announcement.id))?.raw).toBe(JSON.stringify(announcement));
  });

  test("GR-272 one that several peers send at the same time is verified once, and a known one not at all", async () => {
    const decisions = await Promise.all([receive(announcement), receive(announcement, other)]);
    expect(decisions.map(({ disposition }) => disposition)).toEqual(["saved", "duplicate"]);
    await receive(announcement);
    expect(verified).toBe(1);
  });

  test("GR-272 one is not lost because somebody else sends its id with a wrong signature", async () => {
    const forged = { ...announcement, sig: "0".repeat(128) };
    const decisions = await Promise.all([receive(forged, other), receive(announcement)]);
    expect(decisions.map(({ disposition }) => disposition)).toEqual(["invalid", "saved"]);
  });

  test("ephemeral ones are not passed on: between relays they would go round for ever", async () => {
    await receive(announcement);
    const tags = [[...repositoryTag(owner, "one")]];
    expect(await ends([signEvent(author, { kind: 20_001, tags })])).toEqual(["rejected"]);
  });

  test("GR-383 refused announcements and states are remembered, unless nobody knows who wrote them", async () => {
    const state = signState(author, "nobody-announced-it", {}, 1_000);
    const later = signState(author, "later", {}, Math.floor(Date.now() / 1_000) + 100_000);
    await ends([state, later]);
    expect(await rejected.remembered([state.id, later.id])).toEqual(new Set([state.id]));
  });
});
