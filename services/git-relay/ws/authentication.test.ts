import type { EventTemplate, VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "../testing/raw-client.js";
import { startTestRelay, type TestRelay } from "../testing/start-relay.js";

const [alice, bob, carol] = [testSigner("alice"), testSigner("bob"), testSigner("carol")];
const seconds = (): number => Math.floor(Date.now() / 1_000);
const domain = "relay.example";

describe("GR-094 proving a key", () => {
  let server: TestRelay;
  let client: RawClient;
  let challenge: string;
  beforeEach(async () => {
    server = await startTestRelay({ relay: { domain } });
    client = await connectRaw(server.url, { host: "attacker.example" });
    challenge = String((await client.next())[1]);
  });
  afterEach(async () => {
    await client.close();
    await server.destroy();
  });
  const answerOf = (signer = alice, changes: Partial<EventTemplate> = {}): VerifiedEvent =>
    signEvent(signer, {
      kind: 22_242,
      created_at: seconds(),
      tags: [
        ["relay", `wss://${domain}`],
        ["challenge", challenge],
      ],
      ...changes,
    });
  const authenticate = async (answer: VerifiedEvent): Promise<readonly unknown[]> => {
    client.send(["AUTH", answer]);
    const [type, id, ...verdict] = await client.next();
    expect([type, id]).toEqual(["OK", answer.id]);
    return verdict;
  };
  const send = async (event: VerifiedEvent): Promise<readonly unknown[]> => {
    client.send(["EVENT", event]);
    return (await client.next(([type]) => type === "OK")).slice(2);
  };
  const accepted = [true, ""];
  const invalid = [false, expect.stringMatching(/^invalid: /)];

  test("GR-094 the challenge comes on connect in this profile, 32 random bytes for each connection", async () => {
    expect(challenge).toMatch(/^[0-9a-f]{64}$/);
    const other = await connectRaw(server.url);
    expect((await other.next())[1]).not.toBe(challenge);
    await other.close();
  });

  test("GR-094 an answer names this connection's challenge and our own address, by whatever scheme", async () => {
    const relay = (url: string) =>
      answerOf(alice, {
        tags: [
          ["relay", url],
          ["challenge", challenge],
        ],
      });
    for (const url of [`wss://${domain}`, `ws://${domain.toUpperCase()}:443/`, server.url])
      expect(await authenticate(relay(url))).toEqual(accepted);
    for (const url of [
      "wss://attacker.example",
      `wss://${domain}.evil.org`,
      `wss://${domain}/path`,
      `https://${domain}`,
      domain,
      "",
    ])
      expect(await authenticate(relay(url))).toEqual(invalid);
  });

  test.each<[string, (challenge: string) => Partial<EventTemplate>]>([
    ["of another kind", () => ({ kind: 1 })],
    ["of an hour ago", () => ({ created_at: seconds() - 3_600 })],
    ["of the future", () => ({ created_at: seconds() + 3_600 })],
    ["without a challenge", () => ({ tags: [["relay", `wss://${domain}`]] })],
    [
      "with another challenge",
      () => ({
        tags: [
          ["relay", `wss://${domain}`],
          ["challenge", "0".repeat(64)],
        ],
      }),
    ],
    ["without a relay", (own) => ({ tags: [["challenge", own]] })],
  ])("GR-094 an answer %s is invalid", async (_, changes) => {
    expect(await authenticate(answerOf(alice, changes(challenge)))).toEqual(invalid);
  });

  test("GR-094 a forged answer is invalid, and one without an id gets a NOTICE", async () => {
    expect(await authenticate({ ...answerOf(), sig: "0".repeat(128) })).toEqual(invalid);
    expect(await authenticate({ ...answerOf(), pubkey: bob.publicKey })).toEqual(invalid);
    client.send(["AUTH", "x"]);
    expect((await client.next())[0]).toBe("NOTICE");
  });

  test("GR-096 a protected event is accepted from its author only", async () => {
    const mine = signEvent(alice, { tags: [["-"]] });
    expect(await send(mine)).toEqual([false, expect.stringMatching(/^auth-required: /)]);
    await authenticate(answerOf(bob));
    expect(await send(mine)).toEqual([false, expect.stringMatching(/^auth-required: /)]);
    await authenticate(answerOf(alice));
    expect(await send(mine)).toEqual(accepted);
    // Several keys add up.
    expect(await send(signEvent(bob, { tags: [["-"]] }))).toEqual(accepted);
  });

  test("GR-095 restricted kinds are for those whom they concern, in requests, counts, reconciliations and live", async () => {
    const secret = signEvent(alice, {
      kind: 4,
      tags: [
        ["p", bob.publicKey],
        ["t", "x"],
      ],
    });
    const open = signEvent(alice, { tags: [["t", "x"]] });
    for (const event of [secret, open]) await send(event);
    const ask = async (message: unknown[]) => {
      client.send(message);
      return client.next(([type]) => type !== "AUTH");
    };
    const refusedWith = (type: string, prefix: string) => [
      type,
      "r",
      expect.stringMatching(new RegExp(`^${prefix}: `)),
    ];
    const only = { kinds: [4, 1059] };
    expect(await ask(["REQ", "r", only])).toEqual(refusedWith("CLOSED", "auth-required"));
    expect(await ask(["COUNT", "r", only])).toEqual(refusedWith("CLOSED", "auth-required"));
    expect(await ask(["NEG-OPEN", "r", only, "6100000200"])).toEqual(refusedWith("NEG-ERR", "auth-required"));
    // In mixed filters they are left out.
    expect(await ask(["COUNT", "r", { "#t": ["x"] }])).toEqual(["COUNT", "r", { count: 1 }]);
    expect(await ask(["COUNT", "r", { kinds: [1, 4], "#t": ["x"] }])).toEqual(["COUNT", "r", { count: 1 }]);

    await authenticate(answerOf(carol));
    expect(await ask(["REQ", "r", { ...only, authors: [alice.publicKey] }])).toEqual(
      refusedWith("CLOSED", "restricted"),
    );
    expect(await ask(["COUNT", "r", only])).toEqual(["COUNT", "r", { count: 0 }]);
    await authenticate(answerOf(bob));
    expect(await ask(["COUNT", "r", only])).toEqual(["COUNT", "r", { count: 1 }]);
    expect(await ask(["REQ", "r", { ...only, "#p": [bob.publicKey] }])).toMatchObject([
      "EVENT",
      "r",
      { id: secret.id },
    ]);
    await client.next();

    // Live: the one whom it concerns hears it, somebody else does not.
    const stranger = await connectRaw(server.url);
    await stranger.next();
    stranger.send(["REQ", "live", { limit: 0 }]);
    await stranger.next();
    const next = signEvent(alice, { kind: 1059, tags: [["p", bob.publicKey]] });
    const last = signEvent(alice, { content: "for everybody" });
    await send(next);
    await send(last);
    expect(client.messages).toContainEqual(["EVENT", "r", next]);
    expect(await stranger.next()).toEqual(["EVENT", "live", last]);
    await stranger.close();
  });
});

describe("GR-094 in the profile grasp", () => {
  test("GR-094 the challenge comes right before the answer that asks for it", async () => {
    const server = await startTestRelay({ relay: { profile: "grasp" } });
    const client = await connectRaw(server.url);
    client.send(["REQ", "r", { kinds: [1059] }]);
    expect(await client.next()).toEqual(["AUTH", expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(await client.next()).toEqual(["CLOSED", "r", expect.stringMatching(/^auth-required: /)]);
    await client.close();
    await server.destroy();
  });
});
