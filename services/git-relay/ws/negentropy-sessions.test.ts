import { createVirtualClock } from "@signalbox/kernel";
import { createItemSetBuilder, createNegentropyInitiator, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "../testing/raw-client.js";
import { startTestRelay, type TestRelay } from "../testing/start-relay.js";

const alice = testSigner("alice");
const base = 1_767_225_600;
const empty = "6100000200";
const clock = createVirtualClock(base * 1_000 + 1_000_000);

describe("reconciling with the relay", () => {
  let server: TestRelay;
  let client: RawClient;
  let all: VerifiedEvent[];
  beforeAll(async () => {
    server = await startTestRelay({
      clock,
      relay: {
        auth: { challenge_on_connect: false },
        negentropy: { max_records: 100 },
        limits: { requests_per_minute: 0 },
      },
    });
    all = Array.from({ length: 90 }, (_, index) =>
      signEvent(alice, {
        created_at: base + Math.floor(index / 4),
        content: String(index),
        tags: [["t", index < 80 ? "x" : "y"]],
      }),
    );
    const writer = await connectRaw(server.url);
    for (const event of all) writer.send(["EVENT", event]);
    for (const event of all) expect((await writer.next())[1]).toBe(event.id);
    await writer.close();
  });
  beforeEach(async () => {
    client = await connectRaw(server.url);
    return () => client.close();
  });
  afterAll(() => server.destroy());

  const ask = async (...message: unknown[]): Promise<readonly unknown[]> => {
    client.send(message);
    return client.next();
  };
  /** Ids that the relay has for a filter, found by a client that has none. */
  const needed = async (id: string, filter: object, own: readonly VerifiedEvent[] = []) => {
    const builder = createItemSetBuilder();
    for (const event of own) builder.add(event.created_at, event.id);
    const initiator = createNegentropyInitiator(builder.seal());
    const have: string[] = [];
    const need: string[] = [];
    let answer = await ask("NEG-OPEN", id, filter, Buffer.from(initiator.open()).toString("hex"));
    for (;;) {
      expect(answer.slice(0, 2)).toEqual(["NEG-MSG", id]);
      const step = initiator.receive(new Uint8Array(Buffer.from(String(answer[2]), "hex")));
      have.push(...step.have);
      need.push(...step.need);
      if (!step.message) return { have: have.sort(), need: need.sort() };
      answer = await ask("NEG-MSG", id, Buffer.from(step.message).toString("hex"));
    }
  };
  const idsOf = (events: readonly VerifiedEvent[]): string[] => events.map(({ id }) => id).sort();

  test("GR-180 the set is what is stored for the filter, at the time of opening", async () => {
    expect(await needed("n", { "#t": ["x"] })).toEqual({ have: [], need: idsOf(all.slice(0, 80)) });
    const foreign = signEvent(alice, { created_at: base, content: "only here" });
    expect(await needed("n", { "#t": ["x"] }, [...all.slice(10, 80), foreign])).toEqual({
      have: [foreign.id],
      need: idsOf(all.slice(0, 10)),
    });
  });

  test("GR-180 limit is honoured: the newest", async () => {
    const newest = all
      .toSorted((one, other) => other.created_at - one.created_at || (one.id < other.id ? -1 : 1))
      .slice(0, 30);
    expect((await needed("n", { limit: 30 })).need).toEqual(idsOf(newest));
    expect((await needed("n", { limit: 0 })).need).toEqual([]);
  });

  test("GR-180 a used id begins anew; ids are apart from those of requests", async () => {
    await ask("NEG-OPEN", "same", { "#t": ["x"] }, empty);
    client.send(["REQ", "same", { limit: 0 }]);
    expect(await client.next()).toEqual(["EOSE", "same"]);
    expect((await needed("same", { "#t": ["y"] })).need).toEqual(idsOf(all.slice(80)));
    client.send(["CLOSE", "same"]);
    expect((await ask("NEG-MSG", "same", empty))[0]).toBe("NEG-MSG");
  });

  test("GR-180 a message for nobody is answered with closed, and so is one after the end", async () => {
    const closed = ["NEG-ERR", "n", expect.stringMatching(/^closed: /)];
    expect(await ask("NEG-MSG", "n", empty)).toEqual(closed);
    await ask("NEG-OPEN", "n", {}, empty);
    client.send(["NEG-CLOSE", "n"]);
    expect(await ask("NEG-MSG", "n", empty)).toEqual(closed);
    client.send(["NEG-CLOSE", "nobody"]);
  });

  test.each([
    ["no hex", "zz"],
    ["odd hex", "610"],
    ["nothing", ""],
    ["no text", 5],
    ["no version", "00"],
    ["a truncated message", "6100"],
    ["an unknown mode", "61000009"],
    ["a prefix that is too long", `610121${"00".repeat(33)}00`],
  ])("GR-178 %s ends the session with invalid; the connection stays open", async (_, message) => {
    expect(await ask("NEG-OPEN", "n", {}, message)).toEqual(["NEG-ERR", "n", expect.stringMatching(/^invalid: /)]);
    await ask("NEG-OPEN", "n", {}, empty);
    expect(await ask("NEG-MSG", "n", message)).toEqual(["NEG-ERR", "n", expect.stringMatching(/^invalid: /)]);
    expect(await ask("NEG-MSG", "n", empty)).toEqual(["NEG-ERR", "n", expect.stringMatching(/^closed: /)]);
  });

  test("GR-178 another version is answered with ours", async () => {
    expect(await ask("NEG-OPEN", "n", {}, "60")).toEqual(["NEG-MSG", "n", "61"]);
  });

  test("GR-030 GR-180 the filter and the id follow the rules of requests", async () => {
    expect(await ask("NEG-OPEN", "", {}, empty)).toEqual(["NEG-ERR", "", expect.stringMatching(/^invalid: /)]);
    expect(await ask("NEG-OPEN", "n", { ids: ["x"] }, empty)).toEqual([
      "NEG-ERR",
      "n",
      expect.stringMatching(/^invalid: /),
    ]);
    expect(await ask("NEG-OPEN", "n", { x: 1 }, empty)).toEqual([
      "NEG-ERR",
      "n",
      expect.stringMatching(/^unsupported: /),
    ]);
  });

  test("GR-181 more sessions than 20 on a connection are blocked; replacing one is not more", async () => {
    for (let index = 0; index < 20; index++) expect((await ask("NEG-OPEN", `n${index}`, {}, empty))[0]).toBe("NEG-MSG");
    expect(await ask("NEG-OPEN", "more", {}, empty)).toEqual(["NEG-ERR", "more", expect.stringMatching(/^blocked: /)]);
    expect((await ask("NEG-OPEN", "n5", {}, empty))[0]).toBe("NEG-MSG");
    client.send(["NEG-CLOSE", "n3"]);
    expect((await ask("NEG-OPEN", "more", {}, empty))[0]).toBe("NEG-MSG");
  });

  test("GR-181 a session ends after 60 seconds without a message", async () => {
    await ask("NEG-OPEN", "n", {}, empty);
    await clock.advanceBy(50_000);
    expect((await ask("NEG-MSG", "n", empty))[0]).toBe("NEG-MSG");
    await clock.advanceBy(59_000);
    expect((await ask("NEG-MSG", "n", empty))[0]).toBe("NEG-MSG");
    await clock.advanceBy(60_000);
    expect(await client.next()).toEqual(["NEG-ERR", "n", expect.stringMatching(/^closed: /)]);
    expect(await ask("NEG-MSG", "n", empty)).toEqual(["NEG-ERR", "n", expect.stringMatching(/^closed: /)]);
  });

  test("GR-181 more records than allowed are blocked, with the maximum", async () => {
    const writer = await connectRaw(server.url);
    for (let index = 0; index < 11; index++) {
      writer.send(["EVENT", signEvent(alice, { created_at: base + 900, content: `more ${index}` })]);
      await writer.next();
    }
    await writer.close();
    expect(await ask("NEG-OPEN", "n", {}, empty)).toEqual(["NEG-ERR", "n", expect.stringMatching(/^blocked: /), 100]);
    expect((await ask("NEG-OPEN", "n", { "#t": ["x"] }, empty))[0]).toBe("NEG-MSG");
  });
});
