import { finalizeEvent, generateSecretKey, getPublicKey, nip77, verifyEvent } from "nostr-tools";
import { AbstractRelay } from "nostr-tools/abstract-relay";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

// A client that others wrote, against the running relay.

const alice = generateSecretKey();
const bob = generateSecretKey();
const now = (): number => Math.floor(Date.now() / 1_000);

describe("nostr-tools as a client", () => {
  let server: TestRelay;
  let client: AbstractRelay;
  beforeAll(async () => {
    server = await startTestRelay({ relay: { profile: "open" } });
    client = new AbstractRelay(server.url, { verifyEvent, websocketImplementation: globalThis.WebSocket ?? WebSocket });
    await client.connect();
  });
  afterAll(async () => {
    client.close();
    await server.destroy();
  });
  const note = (content: string, tags: string[][] = [], key = alice, kind = 1) =>
    finalizeEvent({ kind, created_at: now(), tags, content }, key);
  const collect = (filters: Parameters<AbstractRelay["subscribe"]>[0]) =>
    new Promise<string[]>((resolve, reject) => {
      const ids: string[] = [];
      const subscription = client.subscribe(filters, {
        onevent: (event) => void ids.push(event.id),
        oneose: () => {
          resolve(ids);
          subscription.close();
        },
        onclose: (reason) => reject(new Error(reason)),
      });
    });

  test("GR-025 GR-033 publishes, finds what is stored, and hears what comes", async () => {
    const stored = note("stored", [["t", "flow"]]);
    await client.publish(stored);
    const heard: string[] = [];
    let caughtUp = false;
    const subscription = client.subscribe([{ "#t": ["flow"] }], {
      onevent: (event) => void heard.push(event.id),
      oneose: () => {
        caughtUp = true;
      },
    });
    await expect.poll(() => caughtUp).toBe(true);
    expect(heard).toEqual([stored.id]);
    const live = note("live", [["t", "flow"]]);
    await client.publish(live);
    await expect.poll(() => heard).toEqual([stored.id, live.id]);
    subscription.close();
  });

  test("GR-024 a forged event is refused with a reason", async () => {
    const forged = { ...note("one"), content: "two" };
    await expect(client.publish(forged)).rejects.toThrow(/^invalid: /);
  });

  test("GR-097 counts", async () => {
    for (const text of ["1", "2", "3"]) await client.publish(note(text, [["t", "count"]]));
    expect(await client.count([{ "#t": ["count"] }], {})).toBe(3);
  });

  test("GR-094 GR-095 proves its key and reads what is for it", async () => {
    const wrap = note("secret", [["p", getPublicKey(bob)]], alice, 1059);
    await client.publish(wrap);
    await expect(collect([{ kinds: [1059] }])).rejects.toThrow(/^auth-required: /);
    await client.auth(async (template) => finalizeEvent(template, bob));
    expect(await collect([{ kinds: [1059] }])).toEqual([wrap.id]);
  });

  test("GR-170 GR-180 finds the difference of its set and the relay's by negentropy", async () => {
    const notes = Array.from({ length: 120 }, (_, index) => note(`sync ${index}`, [["t", "sync"]]));
    await Promise.all(notes.slice(20).map((event) => client.publish(event)));
    const storage = new nip77.NegentropyStorageVector();
    for (const event of notes.slice(0, 100)) storage.insert(event.created_at, event.id);
    storage.seal();
    const have: string[] = [];
    const need: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const sync = new nip77.NegentropySync(
        client,
        storage,
        { "#t": ["sync"] },
        {
          onhave: (id) => void have.push(id),
          onneed: (id) => void need.push(id),
          onclose: (reason) => (reason ? reject(new Error(reason)) : resolve()),
        },
      );
      void sync.start();
    });
    expect(have.sort()).toEqual(
      notes
        .slice(0, 20)
        .map(({ id }) => id)
        .sort(),
    );
    expect(need.sort()).toEqual(
      notes
        .slice(100)
        .map(({ id }) => id)
        .sort(),
    );
  });
});
