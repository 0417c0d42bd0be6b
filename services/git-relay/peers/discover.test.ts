import { encodeNpub, readServiceAddress } from "@signalbox/nostr";
import { testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { testPeer } from "../testing/test-peer.js";
import { choosePeers, createPeerDiscovery } from "./discover.js";

const npub = encodeNpub(testSigner("owner").publicKey);
const { peersOf } = createPeerDiscovery({
  domain: readServiceAddress("us.example"),
  listening: "127.0.0.1:7334",
  aliases: [],
});

test("GR-268 peers are the relays of an announcement, then the servers of its clone addresses", () => {
  const peers = peersOf({
    relays: ["wss://one.example/", "two.example", "WSS://ONE.example"],
    clone: [
      `https://three.example/${npub}/repo.git`,
      `http://four.example:8080/${npub}/repo.git`,
      `https://five.example/base/${npub}/repo.git`,
    ],
  });
  expect(peers).toEqual([
    "wss://one.example",
    "wss://two.example",
    "wss://three.example",
    "ws://four.example:8080",
    "wss://five.example/base",
  ]);
});

test("GR-268 git hosts that serve repositories by other paths are not tried as relays", () => {
  const clone = [
    "https://git.example/owner/repo.git",
    "git@git.example:owner/repo.git",
    "ssh://git.example/repo.git",
    `https://git.example/${npub}/repo`,
    `https://git.example/${npub.slice(0, -1)}q/repo.git`,
  ];
  expect(peersOf({ relays: ["https://web.example", "", "not a relay"], clone })).toEqual([]);
});

test("a server that is named as relay is not tried a second time by its clone address", () => {
  const clone = [`http://one.example/${npub}/repo.git`];
  expect(peersOf({ relays: ["wss://one.example"], clone })).toEqual(["wss://one.example"]);
});

test("GR-268 GR-269 an announcement leads to at most 20 peers, ourselves not counted", () => {
  const relays = ["wss://us.example", ...Array.from({ length: 30 }, (_, index) => `wss://r${index}.example`)];
  const peers = peersOf({ relays, clone: [`https://us.example/${npub}/repo.git`] });
  expect(peers).toHaveLength(20);
  expect(peers[0]).toBe("wss://r0.example");
});

test("GR-268 beyond the limit those stay that most repositories want, bootstrap relays in any case", () => {
  const wantedBy = new Map([
    [testPeer("wss://rare.example"), 1],
    [testPeer("wss://common.example"), 5],
    [testPeer("wss://some.example"), 2],
  ]);
  const bootstrap = new Set([testPeer("wss://boot.example")]);
  const choice = choosePeers(wantedBy, { maxPeers: 2, bootstrap, current: new Set() });
  expect([...choice.tracked]).toEqual(["wss://boot.example", "wss://common.example"]);
  expect(choice.overLimit).toEqual(["wss://some.example", "wss://rare.example"]);
});

test("among peers that are wanted alike those stay that are there", () => {
  const wantedBy = new Map([testPeer("wss://a.example"), testPeer("wss://b.example")].map((url) => [url, 1]));
  const current = new Set([testPeer("wss://b.example")]);
  expect([...choosePeers(wantedBy, { maxPeers: 1, bootstrap: new Set(), current }).tracked]).toEqual([
    "wss://b.example",
  ]);
  expect([...choosePeers(wantedBy, { maxPeers: 1, bootstrap: new Set(), current: new Set() }).tracked]).toEqual([
    "wss://a.example",
  ]);
});
