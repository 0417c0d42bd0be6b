import type { Announcement } from "@signalbox/nostr";
import { describe, expect, test } from "vitest";
import type { PeerUrl } from "./ports.js";
import { WantedIndex } from "./wanted.js";

const url = (host: string): PeerUrl => `wss://${host}` as PeerUrl;
const announcement = (owner: string, identifier: string, createdAt = 1): Announcement => ({
  id: `${owner}${identifier}${createdAt}`,
  createdAt,
  pubkey: owner,
  identifier,
  address: `30617:${owner}:${identifier}`,
  name: undefined,
  description: undefined,
  web: [],
  clone: [],
  relays: [],
  maintainers: [],
});
const addressOf = (owner: string, identifier: string): string => announcement(owner, identifier).address;

describe("what is wanted", () => {
  test("GR-210 of each repository: its relays, its root events, and how much of it", () => {
    const wanted = new WantedIndex();
    const address = addressOf("alice", "one");
    wanted.addRoot("root", "carol", [address]);
    expect(wanted.repository(address)).toBeUndefined();
    wanted.addAnnouncement(announcement("alice", "one"), [url("a"), url("b")], "state_only");
    expect(wanted.repository(address)).toEqual({
      relays: [url("a"), url("b")],
      rootEvents: ["root"],
      syncLevel: "state_only",
    });
    wanted.addAnnouncement(announcement("alice", "one"), [url("b")], "full");
    wanted.addRoot("another", "carol", [address]);
    expect(wanted.repository(address)).toEqual({
      relays: [url("b")],
      rootEvents: ["root", "another"],
      syncLevel: "full",
    });
    wanted.removeAnnouncement(address, "full");
    expect(wanted.repository(address)).toBeUndefined();
  });

  test("GR-211 a stored announcement wants everything, a held one only states, and the former is never lowered", () => {
    const wanted = new WantedIndex();
    const held = announcement("alice", "one");
    wanted.addAnnouncement(held, [url("a")], "state_only");
    expect(wanted.of(url("a"))).toEqual({ states: new Set(["one"]), repositories: new Set(), roots: new Set() });
    wanted.addAnnouncement(held, [url("a")], "full");
    expect(wanted.of(url("a")).repositories).toEqual(new Set([held.address]));
    wanted.addAnnouncement(announcement("alice", "one", 2), [url("b")], "state_only");
    expect(wanted.of(url("a")).repositories).toEqual(new Set([held.address]));
    expect([...wanted.peers().keys()]).toEqual([url("a"), url("b")]);
    wanted.removeAnnouncement(held.address, "state_only");
    expect([...wanted.peers().keys()]).toEqual([url("a")]);
  });

  test("GR-266 a root event belongs to every repository that it names, also to ones announced later", () => {
    const wanted = new WantedIndex();
    wanted.addAnnouncement(announcement("alice", "one"), [url("a")], "full");
    wanted.addRoot("root", "carol", [addressOf("alice", "one"), addressOf("bob", "two")]);
    expect(wanted.of(url("a")).roots).toEqual(new Set(["root"]));
    expect(wanted.of(url("b")).roots).toEqual(new Set());
    wanted.addAnnouncement(announcement("bob", "two"), [url("b")], "full");
    expect(wanted.of(url("b")).roots).toEqual(new Set(["root"]));
    wanted.deleteEvent("root", "mallory");
    expect(wanted.of(url("b")).roots).toEqual(new Set(["root"]));
    wanted.deleteEvent("root", "carol");
    expect(wanted.of(url("b")).roots).toEqual(new Set());
  });

  test("GR-271 a newer announcement adds the peers it names and drops those it names no longer; an older one does nothing", () => {
    const wanted = new WantedIndex();
    wanted.addAnnouncement(announcement("alice", "one", 5), [url("a"), url("b")], "full");
    wanted.addAnnouncement(announcement("alice", "two", 5), [url("b")], "full");
    expect(wanted.peers()).toEqual(
      new Map([
        [url("a"), 1],
        [url("b"), 2],
      ]),
    );
    wanted.addAnnouncement(announcement("alice", "one", 6), [url("c")], "full");
    wanted.addAnnouncement(announcement("alice", "one", 4), [url("d")], "full");
    expect([...wanted.peers().keys()].sort()).toEqual([url("b"), url("c")]);
    wanted.removeAnnouncement(addressOf("alice", "two"), "full");
    expect([...wanted.peers().keys()]).toEqual([url("c")]);
  });

  test("an announcement that its author deleted is wanted no more, a newer one is", () => {
    const wanted = new WantedIndex();
    const first = announcement("alice", "one", 5);
    wanted.addAnnouncement(first, [url("a")], "full");
    wanted.deleteEvent(first.id, "mallory");
    wanted.deleteAddress(first.address, 4);
    expect(wanted.peers().size).toBe(1);
    wanted.deleteAddress(first.address, 5);
    expect(wanted.peers().size).toBe(0);
    const second = announcement("alice", "one", 6);
    wanted.addAnnouncement(second, [url("a")], "full");
    wanted.deleteEvent(second.id, "alice");
    expect(wanted.peers().size).toBe(0);
  });

  test("GR-093 what has an end is wanted until then; a version or a deletion in its place ends that, too", () => {
    const wanted = new WantedIndex();
    const address = addressOf("alice", "one");
    wanted.addAnnouncement(announcement("alice", "one", 5), [url("a")], "full", 100);
    wanted.addRoot("root", "carol", [address], 50);
    expect(wanted.expire(49)).toBe(false);
    expect(wanted.of(url("a")).roots).toEqual(new Set(["root"]));
    wanted.takeChanged();
    expect(wanted.expire(50)).toBe(true);
    expect(wanted.takeChanged()).toEqual(new Set([url("a")]));
    expect(wanted.of(url("a"))).toEqual({
      states: new Set(["one"]),
      repositories: new Set([address]),
      roots: new Set(),
    });
    wanted.addAnnouncement(announcement("alice", "one", 6), [url("a")], "full");
    expect(wanted.expire(100)).toBe(false);
    expect(wanted.peers().size).toBe(1);
    wanted.addAnnouncement(announcement("alice", "one", 7), [url("a")], "full", 200);
    wanted.addRoot("another", "carol", [address], 300);
    wanted.deleteEvent("another", "carol");
    wanted.addRoot("another", "carol", [address]);
    expect(wanted.expire(300)).toBe(true);
    expect(wanted.peers().size).toBe(0);
    expect(wanted.expire(1_000)).toBe(false);
    wanted.addAnnouncement(announcement("alice", "one", 8), [url("a")], "full");
    expect(wanted.of(url("a")).roots).toEqual(new Set(["another"]));
  });

  test("repositories of different owners with one identifier are apart", () => {
    const wanted = new WantedIndex();
    wanted.addAnnouncement(announcement("alice", "one"), [url("a")], "full");
    wanted.addAnnouncement(announcement("bob", "one"), [url("a")], "full");
    expect(wanted.of(url("a")).states).toEqual(new Set(["one"]));
    expect(wanted.of(url("a")).repositories.size).toBe(2);
  });
});
