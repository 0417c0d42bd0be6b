import { encodeNpub, type NostrEvent, repositoryAddress } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readAuthors, readRepositoryRules } from "./repository-rules.js";
import { connectRaw, type RawClient } from "./testing/raw-client.js";
import { readRelaySettings, startTestRelay, type TestRelay } from "./testing/start-relay.js";

const [owner, friend, stranger] = [testSigner("owner"), testSigner("friend"), testSigner("stranger")];
const npub = encodeNpub(owner.publicKey);
const domain = "relay.example";
const identifier = "a repo: with colons";
const announcement = signAnnouncement(owner, { identifier, domains: [domain], maintainers: [friend.publicKey] });
const elsewhere = (author = stranger, name = identifier) =>
  signAnnouncement(author, { identifier: name, domains: ["other.example"] });
const issue = (tags: string[][] = [repositoryTag(owner, identifier)]) => signEvent(stranger, { kind: 1621, tags });
const commit = "1".repeat(40);

describe("GR-131 the profile grasp", () => {
  let server: TestRelay;
  let client: RawClient;
  const start = async (relay: object = {}): Promise<void> => {
    server = await startTestRelay({ relay: { profile: "grasp", domain, ...relay } });
    client = await connectRaw(server.url);
  };
  beforeEach(() => start());
  afterEach(async () => {
    await client.close();
    await server.destroy();
  });
  const restart = async (relay: object): Promise<void> => {
    await client.close();
    await server.destroy();
    await start(relay);
  };
  const send = async (event: NostrEvent): Promise<readonly unknown[]> => {
    client.send(["EVENT", event]);
    return (await client.next(([type]) => type === "OK")).slice(2);
  };
  const accepted = [true, ""];
  const refused = (text: string) => [false, expect.stringContaining(text)];
  const unrelated = [false, "blocked: not related to a repository hosted here"];

  test("GR-133 GR-134 an announcement is well-formed and lists this service in both tags", async () => {
    expect(await send(elsewhere(owner))).toEqual([
      false,
      "blocked: announcement does not list this service in clone and relays",
    ]);
    const twice = signEvent(owner, {
      kind: 30_617,
      tags: [
        ["d", "x"],
        ["relays", `wss://${domain}`],
        ["relays", "wss://x"],
      ],
    });
    expect(await send(twice)).toEqual(refused("invalid: "));
    expect(await send(signEvent(owner, { kind: 30_617, tags: [["d", "../x"]] }))).toEqual(refused("invalid: "));
    expect(await send(announcement)).toEqual(accepted);
  });

  test("GR-134 without a domain the listen address is what has to be listed", async () => {
    await client.close();
    await server.destroy();
    server = await startTestRelay({ relay: { profile: "grasp" } });
    client = await connectRaw(server.url);
    const address = new URL(server.url).host;
    const local = signEvent(owner, {
      kind: 30_617,
      tags: [
        ["d", "x"],
        ["relays", `ws://${address}`],
        ["clone", `http://${address}/${npub}/x.git`],
      ],
    });
    expect(await send(announcement)).toEqual(refused("does not list this service"));
    expect(await send(local)).toEqual(accepted);
  });

  test("GR-135 a maintainer's announcement need not list this service", async () => {
    expect(await send(elsewhere(friend))).toEqual(refused("does not list this service"));
    await send(announcement);
    expect(await send(elsewhere(friend, "another"))).toEqual(refused("does not list this service"));
    expect(await send(elsewhere(stranger))).toEqual(refused("does not list this service"));
    expect(await send(elsewhere(friend))).toEqual(accepted);
  });

  test("GR-136 a list restricts which listing announcements are accepted; the block list always wins", async () => {
    await restart({
      policy: { repositories: [`${npub}/one`, "two"], blocked_repositories: [`${encodeNpub(friend.publicKey)}`] },
    });
    const listing = (author: typeof owner, name: string) =>
      signAnnouncement(author, { identifier: name, domains: [domain] });
    expect(await send(listing(owner, "one"))).toEqual(accepted);
    expect(await send(listing(stranger, "two"))).toEqual(accepted);
    expect(await send(listing(stranger, "one"))).toEqual(refused("blocked: "));
    expect(await send(listing(owner, "three"))).toEqual(refused("blocked: "));
    expect(await send(listing(friend, "two"))).toEqual(refused("blocked: "));
  });

  test("GR-137 a state is well-formed, for a known repository, and a maintainer's", async () => {
    const state = (author: typeof owner, createdAt: number) =>
      signState(author, identifier, { "refs/heads/main": commit }, createdAt);
    expect(await send(state(owner, 1))).toEqual([false, "invalid: no announcement for this repository is known here"]);
    await send(announcement);
    expect(await send(state(owner, 1))).toEqual(accepted);
    expect(await send(state(friend, 2))).toEqual(accepted);
    expect(await send(state(stranger, 3))).toEqual([false, "invalid: author is not a maintainer"]);
    expect(await send(signState(owner, identifier, { "refs/heads/main": "x" }, 4))).toEqual(refused("invalid: "));
  });

  test("GR-138 a pull request names a commit, and is related", async () => {
    await send(announcement);
    const pull = (kind: number, tags: string[][]) => signEvent(stranger, { kind, tags });
    const [, address] = repositoryTag(owner, identifier);
    for (const kind of [1618, 1619]) {
      expect(await send(pull(kind, [["a", address]]))).toEqual(refused("invalid: "));
      expect(await send(pull(kind, [["c", commit]]))).toEqual(unrelated);
      expect(
        await send(
          pull(kind, [
            ["a", address],
            ["c", commit],
          ]),
        ),
      ).toEqual(accepted);
    }
  });

  test("GR-139 deletions and lists of grasp servers are always accepted, and relate nobody", async () => {
    const deletion = signEvent(stranger, { kind: 5, tags: [["e", "0".repeat(64)]] });
    const list = signEvent(stranger, { kind: 10_317, tags: [] });
    for (const event of [deletion, list]) {
      expect(await send(event)).toEqual(accepted);
      expect(await send(signEvent(friend, { kind: 1111, tags: [["e", event.id]] }))).toEqual(unrelated);
    }
  });

  test("GR-140 an event is related by the address of a stored announcement, compared as one key", async () => {
    await send(announcement);
    await send(signAnnouncement(friend, { identifier: "other", domains: [domain] }));
    const [, address] = repositoryTag(owner, identifier);
    for (const name of ["a", "A", "q"])
      expect(await send(signEvent(stranger, { kind: 1, tags: [[name, address]] }))).toEqual(accepted);
    for (const tags of [
      [],
      [["p", owner.publicKey]],
      [["a", repositoryAddress(owner.publicKey, "other")]],
      [["a", repositoryAddress(friend.publicKey, identifier)]],
      [["a", address.replace("30617", "30618")]],
      [["t", address]],
    ])
      expect(await send(signEvent(stranger, { kind: 1, tags, content: JSON.stringify(tags) }))).toEqual(unrelated);
  });

  test("GR-140 an event is related by a stored event that it names, over many steps", async () => {
    await send(announcement);
    const root = issue();
    await send(root);
    let last = root;
    for (const name of ["e", "E", "q", "e"]) {
      last = signEvent(friend, { kind: 1111, tags: [[name, last.id]], content: name });
      expect(await send(last)).toEqual(accepted);
    }
    expect(await send(signEvent(friend, { kind: 1111, tags: [["e", "0".repeat(64)]] }))).toEqual(unrelated);
    // The announcement itself is an event like that.
    expect(await send(signEvent(friend, { kind: 7, tags: [["e", announcement.id]] }))).toEqual(accepted);
  });

  test("GR-140 GR-141 an event is related by a stored one that names it, by id or by address, over many steps", async () => {
    await send(announcement);
    const [, address] = repositoryTag(owner, identifier);
    const third = signEvent(stranger, { content: "third" });
    const second = signEvent(stranger, { tags: [["q", third.id]], content: "second" });
    const first = signEvent(stranger, {
      tags: [
        ["a", address],
        ["e", second.id],
      ],
    });
    const article = signEvent(stranger, { kind: 30_023, tags: [["d", "x"]] });
    const pointing = signEvent(stranger, {
      tags: [
        ["a", address],
        ["q", repositoryAddress(stranger.publicKey, "x").replace("30617", "30023")],
      ],
    });
    for (const event of [third, second, article]) expect(await send(event)).toEqual(unrelated);
    for (const event of [first, second, third, pointing, article]) expect(await send(event)).toEqual(accepted);
  });

  test("GR-140 what was deleted relates nobody any more", async () => {
    await send(announcement);
    const root = issue();
    await send(root);
    await send(signEvent(stranger, { kind: 5, created_at: root.created_at, tags: [["e", root.id]] }));
    expect(await send(signEvent(friend, { kind: 1111, tags: [["e", root.id]] }))).toEqual(unrelated);
  });

  test("GR-132 blocked authors come first, then protection, end and deletion, then the kind", async () => {
    await restart({ policy: { blocked_authors: [encodeNpub(stranger.publicKey), friend.publicKey] } });
    await send(announcement);
    for (const author of [stranger, friend])
      expect(await send(signEvent(author, { kind: 5, tags: [["-"], ["expiration", "5"]] }))).toEqual(
        refused("blocked: "),
      );
    expect(await send(signEvent(owner, { kind: 1, tags: [["-"], ["expiration", "5"]] }))).toEqual(
      refused("auth-required: "),
    );
    expect(await send(signEvent(owner, { kind: 1, tags: [["expiration", "5"]] }))).toEqual([false, "invalid: expired"]);
    const gone = signEvent(owner, { kind: 1, content: "gone" });
    await send(signEvent(owner, { kind: 5, tags: [["e", gone.id]] }));
    expect(await send(gone)).toEqual([false, "blocked: deleted by its author"]);
  });

  test("GR-130 events in one breath are judged one after the other, in their order", async () => {
    const root = issue();
    const reply = signEvent(friend, { kind: 1111, tags: [["e", root.id]] });
    const state = signState(friend, identifier, { "refs/heads/main": commit });
    for (const event of [reply, announcement, state, root, reply]) client.send(["EVENT", event]);
    const verdicts = [];
    for (let index = 0; index < 5; index++) verdicts.push((await client.next())[2]);
    expect(verdicts).toEqual([false, true, true, true, true]);
  });

  test("GR-026 ephemeral events are subject to the policy", async () => {
    await send(announcement);
    expect(await send(signEvent(stranger, { kind: 20_001 }))).toEqual(unrelated);
    expect(await send(signEvent(stranger, { kind: 20_001, tags: [repositoryTag(owner, identifier)] }))).toEqual(
      accepted,
    );
  });

  test("GR-600 GR-601 in reciprocal mode an invited key speaks when its own announcement lists a maintainer", async () => {
    await restart({ authority: { mode: "reciprocal" } });
    await send(announcement);
    const state = signState(friend, identifier, { "refs/heads/main": commit });
    expect(await send(state)).toEqual([false, "invalid: author is not a maintainer"]);
    const answer = signAnnouncement(friend, { identifier, domains: [domain], maintainers: [owner.publicKey] });
    expect(await send(answer)).toEqual(accepted);
    expect(await send(state)).toEqual(accepted);
  });
});

describe("GR-131 the profile open", () => {
  test("GR-131 takes every valid event and says so", async () => {
    const server = await startTestRelay({ relay: { profile: "open", auth: { challenge_on_connect: false } } });
    const client = await connectRaw(server.url);
    for (const event of [signEvent(stranger), elsewhere(), signState(stranger, "nobody's"), issue([])]) {
      client.send(["EVENT", event]);
      expect((await client.next()).slice(2)).toEqual([true, ""]);
    }
    const answer = await fetch(server.httpUrl, { headers: { accept: "application/nostr+json" } });
    expect(await answer.json()).toMatchObject({
      description: expect.stringContaining("every valid event"),
      limitation: { restricted_writes: false },
    });
    await client.close();
    await server.destroy();
  });

  test("GR-131 GR-475 an unknown profile, key or value refuses the start by name", () => {
    expect(() => readRelaySettings({ profile: "closed" })).toThrow(/relay\.profile/);
    expect(() => readRelaySettings({ limits: { max_filters: 0 } })).toThrow(/relay\.limits\.max_filters/);
    expect(() => readRelaySettings({ limits: { max_filtres: 5 } })).toThrow(/relay\.limits\.max_filtres/);
  });
});

describe("GR-136 entries of lists", () => {
  test("GR-136 a malformed one refuses the start, naming the entry", async () => {
    const rules = (entry: string) => () => readRepositoryRules([entry]);
    for (const entry of ["npub1nobody", "nobody/x", `${npub}/`, `${npub}/x/y`, "..", "", `${npub}/..`])
      expect(rules(entry)).toThrow(
        expect.objectContaining({ code: "RELAY_BAD_ENTRY", message: expect.stringContaining(`"${entry}"`) }),
      );
    expect(() => readAuthors(["npub1nobody"])).toThrow(expect.objectContaining({ code: "RELAY_BAD_ENTRY" }));
    await expect(startTestRelay({ relay: { policy: { repositories: ["npub1nobody"] } } })).rejects.toMatchObject({
      code: "RELAY_BAD_ENTRY",
    });
    await expect(startTestRelay({ relay: { domain: "https://relay.example" } })).rejects.toMatchObject({
      code: "RELAY_BAD_DOMAIN",
    });
  });
});
