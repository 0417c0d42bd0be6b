import { readServiceAddress } from "@signalbox/nostr";
import fc from "fast-check";
import { expect, test } from "vitest";
import { testPeer } from "../testing/test-peer.js";
import { createSelfCheck, readPeerUrl } from "./peer-url.js";

test.each([
  ["WSS://Relay.Example/", "wss://relay.example"],
  ["wss://relay.example:443", "wss://relay.example"],
  ["ws://relay.example:80/", "ws://relay.example"],
  ["ws://relay.example:443", "ws://relay.example:443"],
  ["wss://relay.example./", "wss://relay.example"],
  ["wss://relay.example/git//", "wss://relay.example/git"],
  ["wss://relay.example/?a=1#b", "wss://relay.example"],
  ["wss://bücher.example", "wss://xn--bcher-kva.example"],
  ["  wss://relay.example\n", "wss://relay.example"],
  ["ws://[::1]:7334/", "ws://[::1]:7334"],
])("GR-270 %j is the peer %s", (text, url) => expect(readPeerUrl(text)).toBe(url));

test.each([
  ["relay.example", "wss://relay.example"],
  ["relay.example:7334/path", "wss://relay.example:7334/path"],
])("GR-268 without a scheme, %j is read as wss", (text, url) => expect(readPeerUrl(text)).toBe(url));

test.each(["https://relay.example", "http://relay.example", "ftp://relay.example", "javascript://relay.example"])(
  "GR-396 %j is no address of a relay",
  (text) => expect(readPeerUrl(text)).toBeUndefined(),
);

test.each(["wss://me@relay.example", "wss://me:secret@relay.example", "mailto:me@relay.example"])(
  "GR-396 %j is refused for its user info",
  (text) => expect(readPeerUrl(text)).toBeUndefined(),
);

test.each(["", "wss://", "/relay", "//relay.example", "wss://a b", "wss:\\\\relay.example", "wss://relay.example:0"])(
  "%j names no peer",
  (text) => expect(readPeerUrl(text)).toBeUndefined(),
);

test("an address longer than any real one names no peer", () => {
  expect(readPeerUrl(`wss://relay.example/${"a".repeat(500)}`)).toBeUndefined();
});

const textOf = (parts: readonly string[], minLength: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...parts), { minLength, maxLength: 8 }).map((chosen) => chosen.join(""));
const scheme = fc.constantFrom("ws://", "WSS://", "https://", "", "ws:");
const host = fc.oneof(textOf(["a", "B", "é", ".", "-", "1", "_", "%41", "@"], 1), fc.constantFrom("[::1]", "127.1"));
const port = fc.constantFrom("", ":80", ":443", ":7334", ":0", ":99999");
const rest = textOf(["/", "x", "%20", "%zz", "?", "#", "é", " ", ".."], 0);

test("GR-270 the spelling of a peer is its own spelling", () => {
  fc.assert(
    fc.property(fc.tuple(scheme, host, port, rest), (parts) => {
      const text = parts.join("");
      const url = readPeerUrl(text);
      if (url !== undefined) expect(readPeerUrl(url)).toBe(url);
    }),
    { numRuns: 2_000 },
  );
});

const isSelf = (own: Partial<Parameters<typeof createSelfCheck>[0]>, text: string): boolean => {
  const check = createSelfCheck({
    domain: readServiceAddress("relay.example"),
    listening: "10.1.2.3:7334",
    aliases: [],
    ...own,
  });
  return check(testPeer(text));
};

test.each(["wss://relay.example", "ws://relay.example", "wss://relay.example/other/path", "ws://10.1.2.3:7334"])(
  "GR-269 %s is ourselves",
  (text) => expect(isSelf({}, text)).toBe(true),
);

test.each(["wss://relay.example:7334", "wss://relay.example.org", "wss://a.relay.example", "ws://10.1.2.3"])(
  "GR-269 %s is somebody else",
  (text) => expect(isSelf({}, text)).toBe(false),
);

test("GR-269 aliases are ourselves, with their port", () => {
  const own = { aliases: ["Onion.example:8080", "old.example"] };
  expect(["ws://onion.example:8080", "wss://old.example"].every((text) => isSelf(own, text))).toBe(true);
  expect(["ws://onion.example", "ws://old.example:8080"].some((text) => isSelf(own, text))).toBe(false);
});

test.each(["127.0.0.1:7334", "0.0.0.0:7334", "[::]:7334", "localhost:7334"])(
  "GR-269 listening on %s, every name of this machine's inside is ourselves",
  (listening) => {
    const names = ["ws://localhost:7334", "ws://127.0.0.1:7334", "ws://[::1]:7334"];
    expect(names.filter((text) => !isSelf({ listening }, text))).toEqual([]);
    expect(isSelf({ listening }, "ws://127.0.0.1:7335")).toBe(false);
  },
);
