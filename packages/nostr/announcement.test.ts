import { describe, expect, test } from "vitest";
import { listsService, readAnnouncement, readCloneUrl } from "./announcement.js";
import { encodeNpub } from "./keys.js";
import { normaliseRelayUrl, readServiceAddress } from "./relay-url.js";
import { signAnnouncement, signEvent, testSigner } from "./testing.js";

const alice = testSigner("alice");
const npub = encodeNpub(alice.publicKey);
const announce = (tags: string[][]) => readAnnouncement(signEvent(alice, { kind: 30_617, tags }));
const lists = (domain: string, relays: string[], clone: string[]): boolean => {
  const read = announce([
    ["d", "x"],
    ["clone", ...clone],
    ["relays", ...relays],
  ]);
  return read.kind === "announcement" && listsService(read.announcement, readServiceAddress(domain));
};

describe("GR-133 the syntax of an announcement", () => {
  test("GR-133 what it says is read", () => {
    const event = signAnnouncement(alice, {
      identifier: "my repo",
      domains: ["one.example", "two.example"],
      maintainers: ["m"],
      name: "My repo",
    });
    expect(readAnnouncement(event)).toMatchObject({
      announcement: {
        id: event.id,
        pubkey: alice.publicKey,
        identifier: "my repo",
        address: `30617:${alice.publicKey}:my repo`,
        name: "My repo",
        description: undefined,
        clone: [`https://one.example/${npub}/my%20repo.git`, `https://two.example/${npub}/my%20repo.git`],
        relays: ["wss://one.example", "wss://two.example"],
        maintainers: ["m"],
      },
    });
  });

  test.each(["a", "with space", "emoji 🎉", "colons:in:it", "...", "a.git", "x".repeat(256), "é".repeat(128)])(
    "GR-133 %j is an identifier",
    (identifier) => {
      expect(announce([["d", identifier]]).kind).toBe("announcement");
    },
  );

  test.each(["", ".", "..", "a/b", "a\\b", "a\0", "a\nb", "\u007f", "\u0085", "x".repeat(257), "é".repeat(129)])(
    "GR-133 %j is no identifier",
    (identifier) => {
      expect(announce([["d", identifier]])).toMatchObject({ kind: "invalid" });
    },
  );

  test("GR-133 one clone tag, one relays tag, a d tag", () => {
    expect(announce([]).kind).toBe("invalid");
    expect(
      announce([
        ["d", "x"],
        ["clone", "a"],
        ["clone", "b"],
      ]),
    ).toMatchObject({
      reason: expect.stringContaining("clone"),
    });
    expect(announce([["d", "x"], ["relays"], ["relays"]])).toMatchObject({ reason: expect.stringContaining("relays") });
    expect(
      announce([
        ["d", "x"],
        ["web", "a"],
        ["web", "b"],
      ]).kind,
    ).toBe("announcement");
  });
});

describe("GR-134 an announcement lists a service", () => {
  const clone = `https://relay.example/${npub}/x.git`;

  test.each<[string, string, string]>([
    ["relay.example", "wss://relay.example", clone],
    ["relay.example", "ws://relay.example/", `http://relay.example/${npub}/x.git`],
    ["relay.example", "WSS://RELAY.EXAMPLE:443", `https://Relay.Example:443/${npub}/x.git`],
    ["relay.example", "ws://relay.example:80", clone],
    ["relay.example:443", "wss://relay.example", clone],
    ["relay.example:7334", "ws://relay.example:7334", `http://relay.example:7334/${npub}/x.git/`],
    ["relay.example/base", "wss://relay.example/base/", `https://relay.example/base/${npub}/x.git`],
    ["bücher.example", "wss://xn--bcher-kva.example", `https://BÜCHER.example/${npub}/any%20name.git`],
    ["127.0.0.1:7334", "ws://127.0.0.1:7334", `http://127.0.0.1:7334/${npub}/x.git`],
    ["[::1]:7334", "ws://[::1]:7334", `http://[0:0:0:0:0:0:0:1]:7334/${npub}/x.git`],
  ])("GR-134 %s is meant by %s and %s", (domain, relay, cloneUrl) => {
    expect(lists(domain, ["wss://other.example", relay], ["https://github.example/x.git", cloneUrl])).toBe(true);
  });

  test.each<[string, string]>([
    ["another host", "wss://relay.example.evil.org"],
    ["a longer host", "wss://evil-relay.example"],
    ["a subdomain", "wss://sub.relay.example"],
    ["a host in the query", "wss://evil.org/?relay.example"],
    ["a query", "wss://relay.example/?x"],
    ["an empty query", "wss://relay.example?"],
    ["a fragment", "wss://relay.example/#x"],
    ["user info", "wss://user@relay.example"],
    ["user info that looks like the host", "wss://relay.example:x@evil.org"],
    ["another port", "wss://relay.example:8443"],
    ["another path", "wss://relay.example/other"],
    ["another scheme", "https://relay.example"],
    ["no scheme", "relay.example"],
    ["a backslash", "wss:\\\\relay.example"],
    ["spaces", " wss://relay.example"],
  ])("GR-134 %s in relays does not count", (_, relay) => {
    expect(lists("relay.example", [relay], [clone])).toBe(false);
  });

  test.each<[string, string]>([
    ["no npub", "https://relay.example/x.git"],
    ["a bad npub", `https://relay.example/${npub.slice(0, -1)}q/x.git`],
    ["no name", `https://relay.example/${npub}/.git`],
    ["no suffix", `https://relay.example/${npub}/x`],
    ["a longer path", `https://relay.example/base/${npub}/x.git`],
    ["a folder below", `https://relay.example/${npub}/x/y.git`],
    ["a query", `https://relay.example/${npub}/x.git?y`],
    ["another host", `https://relay.example.evil.org/${npub}/x.git`],
    ["another scheme", `ssh://relay.example/${npub}/x.git`],
  ])("GR-134 %s in clone does not count", (_, cloneUrl) => {
    expect(lists("relay.example", ["wss://relay.example"], [cloneUrl])).toBe(false);
  });

  test("GR-134 both tags have to list it", () => {
    expect(lists("relay.example", [], [clone])).toBe(false);
    expect(lists("relay.example", ["wss://relay.example"], [])).toBe(false);
  });

  test("a clone address tells host, key and name", () => {
    expect(readCloneUrl(`http://host:8080/git/${npub}/a%20b.git`)).toEqual({
      service: { hostname: "host", port: "8080", path: "/git" },
      secure: false,
      pubkey: alice.publicKey,
      name: "a b",
    });
    expect(readCloneUrl(`https://host/${npub}/%ff.git`)).toBeUndefined();
    expect(() => readServiceAddress("https://host")).toThrow(/does not name a relay/);
    expect(() => readServiceAddress("host/?x")).toThrow(/does not name a relay/);
  });
});

describe("GR-270 one spelling of a relay", () => {
  test.each([
    ["WSS://Relay.Example:443/", "wss://relay.example"],
    ["ws://relay.example:80", "ws://relay.example"],
    ["wss://user:secret@relay.example/path/?query#fragment", "wss://relay.example/path"],
    ["wss://bücher.example//", "wss://xn--bcher-kva.example"],
    ["ws://relay.example:443", "ws://relay.example:443"],
    [" wss://relay.example ", "wss://relay.example"],
  ])("GR-270 %s is %s", (text, url) => {
    expect(normaliseRelayUrl(text)).toBe(url);
    expect(normaliseRelayUrl(url)).toBe(url);
  });

  test.each(["https://relay.example", "relay.example", "wss://", "", "wss://a b"])("GR-270 %j is no relay", (text) => {
    expect(normaliseRelayUrl(text)).toBeUndefined();
  });
});
