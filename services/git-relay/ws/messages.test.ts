import { createVirtualClock } from "@signalbox/kernel";
import { encodeEvent, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "../testing/raw-client.js";
import { startTestRelay, type TestRelay } from "../testing/start-relay.js";

const alice = testSigner("alice");
const seconds = (): number => Math.floor(Date.now() / 1_000);
let counter = 0;
const fresh = (changes: Partial<VerifiedEvent> = {}): VerifiedEvent =>
  signEvent(alice, { created_at: seconds(), content: `message ${++counter}`, ...changes });

describe("messages of clients", () => {
  let server: TestRelay;
  let client: RawClient;
  beforeAll(async () => {
    server = await startTestRelay({
      relay: {
        auth: { challenge_on_connect: false },
        limits: { max_message_bytes: "16KiB", max_event_bytes: "8KiB", max_event_tags: 20, max_content_length: 4000 },
      },
    });
  });
  beforeEach(async () => {
    client = await connectRaw(server.url);
    return () => client.close();
  });
  afterAll(() => server.destroy());

  /** The answer to what is sent. */
  const ask = async (message: unknown): Promise<readonly unknown[]> => {
    client.send(message);
    return client.next();
  };

  describe("GR-020 what is no message of the protocol", () => {
    test.each(["", "hello", "{}", '"EVENT"', "[]", "[1]", '["HELLO"]', '["event",{}]', "null", '["EVENT"', "[[]]"])(
      "GR-020 %j is answered with a NOTICE, and the connection stays open",
      async (text) => {
        expect(await ask(text)).toEqual(["NOTICE", expect.stringMatching(/^invalid: /)]);
        const event = fresh();
        expect(await ask(["EVENT", event])).toEqual(["OK", event.id, true, ""]);
      },
    );

    test("GR-020 a binary frame is answered with a NOTICE", async () => {
      client.socket.send(Buffer.from(JSON.stringify(["EVENT", fresh()])));
      expect(await client.next()).toEqual(["NOTICE", expect.stringMatching(/^invalid: /)]);
    });

    test("GR-020 a message that is too long ends the connection with 1009", async () => {
      client.send(`["REQ","${"x".repeat(17 * 1024)}"]`);
      expect((await client.closed).code).toBe(1009);
    });

    test("GR-007 an inflated message counts with its full length", async () => {
      // Compressed it is a few dozen bytes.
      client.socket.send(`["REQ","${"x".repeat(17 * 1024)}"]`, { compress: true });
      expect((await client.closed).code).toBe(1009);
    });
  });

  describe("GR-021 every event gets one answer", () => {
    test.each<[string, object]>([
      ["no fields but an id", { id: "x" }],
      ["a wrong id", { ...fresh(), id: "0".repeat(64) }],
      ["a wrong signature", { ...fresh(), sig: "0".repeat(128) }],
      ["a kind out of range", { ...fresh(), kind: 70_000 }],
      ["tags that are no lists", { ...fresh(), tags: ["e"] }],
    ])("GR-021 GR-022 %s", async (_, event) => {
      expect(await ask(["EVENT", event])).toEqual([
        "OK",
        "id" in event ? event.id : "",
        false,
        expect.stringMatching(/^invalid: /),
      ]);
    });

    test("GR-021 an event without an id gets a NOTICE", async () => {
      for (const event of [undefined, null, {}, { id: 1 }, [], "x"])
        expect(await ask(["EVENT", event])).toEqual(["NOTICE", expect.stringMatching(/^invalid: /)]);
    });

    test("GR-021 answers keep the order of the events, whatever each of them needs", async () => {
      const known = fresh();
      await ask(["EVENT", known]);
      const sent = Array.from({ length: 60 }, (_, index) => {
        if (index % 3 === 0) return known;
        return index % 3 === 1 ? fresh() : { ...fresh(), sig: "1".repeat(128) };
      });
      for (const event of sent) client.send(["EVENT", event]);
      for (const [index, event] of sent.entries()) {
        const answer = await client.next();
        expect(answer.slice(0, 3)).toEqual(["OK", event.id, index % 3 !== 2]);
      }
    });

    test("GR-024 a known event is a duplicate, and its signature is not looked at again", async () => {
      const event = fresh();
      await ask(["EVENT", event]);
      const duplicate = ["OK", event.id, true, expect.stringMatching(/^duplicate: /)];
      expect(await ask(["EVENT", event])).toEqual(duplicate);
      expect(await ask(["EVENT", { ...event, sig: "0".repeat(128) }])).toEqual(duplicate);
    });

    test("GR-022 further fields are not stored; the text is served as it was signed", async () => {
      const event = fresh({ tags: [["t", "fields"]] });
      client.send(["EVENT", { seen_on: ["x"], ...event, extra: 1 }]);
      await client.next();
      client.socket.send(JSON.stringify(["REQ", "fields", { "#t": ["fields"] }]));
      const text = await new Promise<string>((resolve) =>
        client.socket.once("message", (data) => resolve(String(data))),
      );
      expect(text).toBe(`["EVENT","fields",${encodeEvent(event)}]`);
    });

    test("GR-005 an event within the message but beyond its own limits is invalid", async () => {
      const refused = [
        fresh({ content: "x".repeat(4_001) }),
        fresh({ tags: Array.from({ length: 21 }, () => ["t", "x"]) }),
        fresh({ content: "é".repeat(3_990), tags: [["t", "é".repeat(500)]] }),
      ];
      for (const event of refused)
        expect(await ask(["EVENT", event])).toEqual(["OK", event.id, false, expect.stringMatching(/^invalid: /)]);
    });

    test("GR-028 too far ahead is invalid, the distant past is not", async () => {
      const ahead = fresh({ created_at: seconds() + 960 });
      expect(await ask(["EVENT", ahead])).toEqual(["OK", ahead.id, false, expect.stringMatching(/^invalid: .*future/)]);
      for (const created_at of [0, seconds() + 840]) {
        const event = fresh({ created_at });
        expect(await ask(["EVENT", event])).toEqual(["OK", event.id, true, ""]);
      }
    });
  });

  describe("GR-029 GR-030 requests", () => {
    test("GR-029 an id is a text of 1 to 64 characters", async () => {
      expect(await ask(["REQ", "x".repeat(64), { limit: 0 }])).toEqual(["EOSE", "x".repeat(64)]);
      expect(await ask(["REQ", "x".repeat(65), {}])).toEqual([
        "CLOSED",
        "x".repeat(64),
        expect.stringMatching(/^invalid: /),
      ]);
      for (const id of ["", 1, null, {}])
        expect(await ask(["REQ", id, {}])).toEqual(["CLOSED", "", expect.stringMatching(/^invalid: /)]);
    });

    test.each<[string, unknown[], RegExp]>([
      ["no filter", [], /^invalid: /],
      ["51 filters", Array(51).fill({ limit: 0 }), /^invalid: /],
      ["an unknown condition", [{ names: ["x"] }], /^unsupported: /],
      ["a search", [{ search: "x" }], /^unsupported: /],
      ["an id prefix", [{ ids: ["abcd"] }], /^invalid: /],
      ["a filter that is none", [1], /^invalid: /],
      ["a good and a bad filter", [{ limit: 0 }, { kinds: "1" }], /^invalid: /],
      ["2,001 values", [{ "#t": Array.from({ length: 2_001 }, (_, index) => index.toString(36)) }], /^invalid: /],
    ])("GR-030 GR-035 GR-066 %s is refused with CLOSED", async (_, filters, reason) => {
      expect(await ask(["REQ", "bad", ...filters])).toEqual(["CLOSED", "bad", expect.stringMatching(reason)]);
      expect(await ask(["COUNT", "bad", ...filters])).toEqual(["CLOSED", "bad", expect.stringMatching(reason)]);
    });

    test("GR-030 50 filters are fine, and so are values that match nothing", async () => {
      expect(await ask(["REQ", "many", ...Array(50).fill({ limit: 0 })])).toEqual(["EOSE", "many"]);
      for (const filter of [{ ids: [] }, { kinds: [70_000] }, { "#e": ["zz"] }, { since: -5, until: -1 }])
        expect(await ask(["REQ", "none", filter])).toEqual(["EOSE", "none", ["finish"]]);
    });

    test("GR-035 CLOSE of an unknown id, and of no id, says nothing", async () => {
      client.send(["CLOSE", "nobody"]);
      client.send(["CLOSE", 5]);
      expect(await ask(["REQ", "after", { limit: 0 }])).toEqual(["EOSE", "after"]);
    });
  });
});

describe("limits of a connection", () => {
  let server: TestRelay;
  beforeAll(async () => {
    server = await startTestRelay({
      relay: {
        auth: { challenge_on_connect: false },
        limits: { events_per_minute: 5, requests_per_minute: 8, max_subscriptions: 3 },
      },
    });
  });
  afterAll(() => server.destroy());

  test("GR-036 events beyond the burst are refused, on this connection only", async () => {
    const client = await connectRaw(server.url);
    const events = Array.from({ length: 7 }, () => fresh());
    for (const event of events) client.send(["EVENT", event]);
    const answers = [];
    for (const _ of events) answers.push((await client.next())[3]);
    expect(answers.slice(0, 5)).toEqual(Array(5).fill(""));
    for (const answer of answers.slice(5)) expect(answer).toMatch(/^rate-limited: /);
    const other = await connectRaw(server.url);
    other.send(["EVENT", fresh()]);
    expect((await other.next())[2]).toBe(true);
    await Promise.all([client.close(), other.close()]);
  });

  test("GR-036 requests, counts and reconciliations share a limit", async () => {
    const client = await connectRaw(server.url);
    for (let index = 0; index < 3; index++) client.send(["COUNT", "c", { kinds: [1] }]);
    for (let index = 0; index < 3; index++) client.send(["REQ", "r", { limit: 0 }]);
    for (let index = 0; index < 2; index++) client.send(["NEG-OPEN", "n", {}, "6100000200"]);
    client.send(["REQ", "r", { limit: 0 }]);
    client.send(["COUNT", "c", { kinds: [1] }]);
    client.send(["NEG-OPEN", "n", {}, "6100000200"]);
    const refused = (message: readonly unknown[]): boolean => String(message[2]).startsWith("rate-limited: ");
    expect((await client.next(refused)).slice(0, 2)).toEqual(["CLOSED", "r"]);
    expect((await client.next(refused)).slice(0, 2)).toEqual(["CLOSED", "c"]);
    expect((await client.next(refused)).slice(0, 2)).toEqual(["NEG-ERR", "n"]);
    await client.close();
  });

  test("GR-036 a request that reads much costs as much as many that do not", async () => {
    // No time passes, in which what was spent would come back.
    const standing = await startTestRelay({
      clock: createVirtualClock(Date.now()),
      relay: { auth: { challenge_on_connect: false }, limits: { requests_per_minute: 8 } },
    });
    const client = await connectRaw(standing.url);
    const other = await connectRaw(standing.url);
    try {
      const ids = (from: number): string[] =>
        Array.from({ length: 2_000 }, (_, index) => (from + index).toString(16).padStart(64, "0"));
      const filters = Array.from({ length: 7 }, (_, index) => ({ "#e": ids(index * 2_000) }));
      client.send(["REQ", "hard", ...filters]);
      expect(await client.next()).toEqual(["EOSE", "hard", ["finish"]]);
      client.send(["REQ", "next", { limit: 0 }]);
      expect(await client.next()).toEqual(["CLOSED", "next", expect.stringMatching(/^rate-limited: /)]);
      // Easy ones are as many as the limit says.
      for (let index = 0; index < 8; index++) {
        other.send(["REQ", `easy-${index}`, { kinds: [1] }]);
        expect(await other.next()).toEqual(["EOSE", `easy-${index}`, ["finish"]]);
      }
    } finally {
      await Promise.all([client.close(), other.close()]);
      await standing.destroy();
    }
  });

  test("GR-035 more subscriptions than allowed are refused; replacing one is not more", async () => {
    const client = await connectRaw(server.url);
    for (const id of ["a", "b", "c", "a"]) {
      client.send(["REQ", id, { limit: 0 }]);
      expect(await client.next()).toEqual(["EOSE", id]);
    }
    client.send(["REQ", "d", { limit: 0 }]);
    expect(await client.next()).toEqual(["CLOSED", "d", expect.stringMatching(/^blocked: /)]);
    client.send(["CLOSE", "a"]);
    client.send(["REQ", "d", { limit: 0 }]);
    expect(await client.next()).toEqual(["EOSE", "d"]);
    await client.close();
  });
});
