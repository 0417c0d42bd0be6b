import { compareNewestFirst, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connectRaw, type RawClient } from "../testing/raw-client.js";
import { startTestRelay, type TestRelay } from "../testing/start-relay.js";

const alice = testSigner("alice");
const base = 1_767_225_600;

describe("subscriptions", () => {
  let server: TestRelay;
  let client: RawClient;
  let writer: RawClient;
  beforeAll(async () => {
    server = await startTestRelay({
      relay: {
        auth: { challenge_on_connect: false },
        limits: { max_limit: 20, default_limit: 10, requests_per_minute: 0 },
      },
    });
    writer = await connectRaw(server.url);
  });
  beforeEach(async () => {
    client = await connectRaw(server.url);
    return () => client.close();
  });
  afterAll(async () => {
    await writer.close();
    await server.destroy();
  });

  let topics = 0;
  const newTopic = (): string => `topic ${++topics}`;
  const publish = async (...events: VerifiedEvent[]): Promise<void> => {
    for (const event of events) writer.send(["EVENT", event]);
    for (const event of events) expect(await writer.next()).toEqual(["OK", event.id, true, ""]);
  };
  const about = (topic: string, created_at: number, content = ""): VerifiedEvent =>
    signEvent(alice, { created_at, tags: [["t", topic]], content });
  /** Ids of the stored part, and its end. */
  const request = async (...filters: object[]) => {
    client.send(["REQ", "r", ...filters]);
    const messages = await client.until("EOSE");
    return { ids: messages.slice(0, -1).map(idOf), end: messages.at(-1) };
  };
  const idOf = (message: readonly unknown[]): string => {
    const [, , event] = message;
    return typeof event === "object" && event !== null && "id" in event ? String(event.id) : "";
  };

  test("GR-032 newest first, at one second the lowest id first, each event once over all filters", async () => {
    const topic = newTopic();
    const events = Array.from({ length: 12 }, (_, index) => about(topic, base + Math.floor(index / 4), String(index)));
    await publish(...events);
    const sorted = events.toSorted(compareNewestFirst).map(({ id }) => id);
    const { ids } = await request(
      { "#t": [topic] },
      { "#t": [topic, "other"], limit: 5 },
      { "#t": [topic], limit: 20 },
    );
    expect(ids).toEqual(sorted);
  });

  test("GR-032 each limit applies to its filter; a missing one is the default, a larger one is cut", async () => {
    const [one, two] = [newTopic(), newTopic()];
    await publish(...Array.from({ length: 25 }, (_, index) => about(one, base + index)));
    await publish(...Array.from({ length: 25 }, (_, index) => about(two, base + index)));
    expect((await request({ "#t": [one], limit: 3 }, { "#t": [two], limit: 4 })).ids).toHaveLength(7);
    expect((await request({ "#t": [one] })).ids).toHaveLength(10);
    expect((await request({ "#t": [one], limit: 1_000 })).ids).toHaveLength(20);
  });

  test("GR-032 a filter with ids is cut by their number only", async () => {
    const topic = newTopic();
    const events = Array.from({ length: 25 }, (_, index) => about(topic, base + index));
    await publish(...events);
    const { ids, end } = await request({ ids: events.map(({ id }) => id) });
    expect(ids).toHaveLength(25);
    expect(end).toEqual(["EOSE", "r", ["finish"]]);
  });

  test("GR-032 GR-098 limit 0 is answered at once, without a hint, and hears what comes", async () => {
    const topic = newTopic();
    await publish(about(topic, base));
    expect(await request({ "#t": [topic], limit: 0 })).toEqual({ ids: [], end: ["EOSE", "r"] });
    const event = about(topic, base + 1);
    await publish(event);
    expect(idOf(await client.next())).toBe(event.id);
  });

  test("GR-098 the end says whether there is more", async () => {
    const topic = newTopic();
    await publish(...Array.from({ length: 10 }, (_, index) => about(topic, base + index)));
    expect((await request({ "#t": [topic] })).end).toEqual(["EOSE", "r", ["finish"]]);
    expect((await request({ "#t": [topic], limit: 9 })).end).toEqual(["EOSE", "r", ["more"]]);
    expect((await request({ "#t": [topic], limit: 10 })).end).toEqual(["EOSE", "r", ["finish"]]);
    expect((await request({ "#t": [topic], limit: 10 }, { "#t": [topic], limit: 1 })).end).toEqual([
      "EOSE",
      "r",
      ["more"],
    ]);
    await publish(about(topic, base + 10));
    expect((await request({ "#t": [topic] })).end).toEqual(["EOSE", "r", ["more"]]);
  });

  test("GR-098 a second that the server's own limit would cut is sent completely", async () => {
    const topic = newTopic();
    await publish(
      ...Array.from({ length: 8 }, (_, index) => about(topic, base + 100 + index)),
      ...Array.from({ length: 7 }, (_, index) => about(topic, base, String(index))),
      about(topic, base - 1),
    );
    expect((await request({ "#t": [topic] })).ids).toHaveLength(15);
    // A client's own, smaller limit is what it asked for.
    expect((await request({ "#t": [topic], limit: 9 })).ids).toHaveLength(9);
  });

  test("GR-033 GR-034 live events follow EOSE, whatever the limit; those that do not match do not come", async () => {
    const topic = newTopic();
    await request({ "#t": [topic], kinds: [1], since: base, until: base + 100, limit: 1 });
    const heard = [about(topic, base), about(topic, base + 100), about(topic, base + 50, "again")];
    await publish(
      about(topic, base - 1),
      about(topic, base + 101),
      signEvent(alice, { created_at: base, kind: 2, tags: [["t", topic]] }),
      signEvent(alice, { created_at: base, tags: [["t", newTopic()]] }),
      ...heard,
    );
    for (const event of heard) expect(idOf(await client.next())).toBe(event.id);
  });

  test("GR-034 a subscriber has the event before its writer has the answer", async () => {
    const topic = newTopic();
    await request({ "#t": [topic] });
    // On the same connection the order can be seen.
    for (let round = 0; round < 20; round++) {
      client.send(["EVENT", about(topic, base, `round ${round}`)]);
      expect((await client.next())[0]).toBe("EVENT");
      expect((await client.next())[0]).toBe("OK");
    }
  });

  test("GR-026 GR-034 an ephemeral event reaches those who listen now and is not stored", async () => {
    const topic = newTopic();
    await request({ "#t": [topic] });
    const event = signEvent(alice, {
      kind: 20_001,
      created_at: base,
      tags: [
        ["t", topic],
        ["expiration", "5"],
      ],
    });
    await publish(event);
    expect(idOf(await client.next())).toBe(event.id);
    await publish(event);
    expect(idOf(await client.next())).toBe(event.id);
    expect((await request({ "#t": [topic] })).ids).toEqual([]);
  });

  test("GR-034 an authentication is no event to publish", async () => {
    await request({ kinds: [22_242], limit: 0 });
    const answer = signEvent(alice, { kind: 22_242, created_at: Math.floor(Date.now() / 1_000) });
    writer.send(["EVENT", answer]);
    expect(await writer.next()).toEqual(["OK", answer.id, false, expect.stringMatching(/^invalid: /)]);
    client.send(["REQ", "last", { kinds: [3], limit: 0 }]);
    expect(await client.next()).toEqual(["EOSE", "last"]);
  });

  test("GR-029 a used id replaces the subscription: nothing of the old filter comes after", async () => {
    const [old, current] = [newTopic(), newTopic()];
    await publish(...Array.from({ length: 10 }, (_, index) => about(old, base + index)), about(current, base));
    client.send(["REQ", "same", { "#t": [old] }]);
    client.send(["REQ", "same", { "#t": [current] }]);
    const isOfCurrent = { tags: [["t", current]] };
    // How far the old one gets before it is replaced is left open.
    await client.next(([verb, , event]) => verb === "EVENT" && JSON.stringify(event).includes(current));
    expect((await client.next()).slice(0, 2)).toEqual(["EOSE", "same"]);
    await publish(about(old, base + 50), about(current, base + 50));
    expect(await client.next()).toMatchObject(["EVENT", "same", isOfCurrent]);
  });

  test("GR-035 a closed subscription hears nothing more", async () => {
    const topic = newTopic();
    await request({ "#t": [topic] });
    client.send(["CLOSE", "r"]);
    client.send(["REQ", "other", { kinds: [3], limit: 0 }]);
    await client.until("EOSE");
    await publish(about(topic, base));
    client.send(["REQ", "last", { kinds: [3], limit: 0 }]);
    expect(await client.next()).toEqual(["EOSE", "last"]);
  });

  test("GR-033 events that are stored while stored ones are read come exactly once", async () => {
    const topic = newTopic();
    const events = Array.from({ length: 150 }, (_, index) => about(topic, base + index, "storm"));
    for (const event of events) writer.send(["EVENT", event]);
    const readers = await Promise.all(Array.from({ length: 10 }, () => connectRaw(server.url)));
    await Promise.all(
      readers.map(async (reader, index) => {
        // Each begins at another moment of the storm.
        for (let turn = 0; turn < index * 3; turn++) await new Promise((resolve) => setImmediate(resolve));
        reader.send(["REQ", "all", { ids: events.map(({ id }) => id) }]);
      }),
    );
    for (const event of events) expect(await writer.next()).toEqual(["OK", event.id, true, ""]);
    const wanted = events.map(({ id }) => id).sort();
    for (const reader of readers) {
      const idsSoFar = () => reader.messages.filter(([type]) => type === "EVENT").map(idOf);
      await expect.poll(() => idsSoFar().length).toBeGreaterThanOrEqual(wanted.length);
      reader.send(["REQ", "end", { limit: 0 }]);
      await reader.next((message) => message[1] === "end");
      expect(idsSoFar().sort()).toEqual(wanted);
      await reader.close();
    }
  });

  test("GR-097 COUNT counts exactly, over several filters without counting twice, whatever the limit", async () => {
    const [one, two] = [newTopic(), newTopic()];
    await publish(
      ...Array.from({ length: 30 }, (_, index) => about(one, base + index)),
      ...Array.from({ length: 5 }, (_, index) =>
        signEvent(alice, {
          created_at: base + index,
          tags: [
            ["t", one],
            ["t", two],
          ],
        }),
      ),
    );
    const count = async (...filters: object[]) => {
      client.send(["COUNT", "c", ...filters]);
      return client.next();
    };
    expect(await count({ "#t": [one] })).toEqual(["COUNT", "c", { count: 35 }]);
    expect(await count({ "#t": [one], limit: 2 }, { "#t": [two] })).toEqual(["COUNT", "c", { count: 35 }]);
    expect(await count({ "#t": [two] }, { "#t": [one, two], since: base + 20 })).toEqual(["COUNT", "c", { count: 15 }]);
    expect(await count({ "#t": [newTopic()] })).toEqual(["COUNT", "c", { count: 0 }]);
  });
});

describe("a bounded count", () => {
  test("GR-097 above the limit the count is that limit, and approximate", async () => {
    const server = await startTestRelay({ relay: { auth: { challenge_on_connect: false }, limits: { max_count: 5 } } });
    const client = await connectRaw(server.url);
    for (let index = 0; index < 6; index++) {
      client.send(["EVENT", signEvent(alice, { content: String(index) })]);
      await client.next();
      client.send(["COUNT", "c", {}]);
      const expected = index < 5 ? { count: index + 1 } : { count: 5, approximate: true };
      expect(await client.next()).toEqual(["COUNT", "c", expected]);
    }
    await client.close();
    await server.destroy();
  });
});
