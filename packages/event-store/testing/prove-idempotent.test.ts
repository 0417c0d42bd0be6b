import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { defineEvent, defineSubscriber } from "../index.js";
import { handlerHash, proveIdempotent, readProofs, writeProof } from "../testing.js";

const Moved = defineEvent("boards.card_moved", {
  schema: {
    type: "object",
    properties: { card: { type: "string" }, list: { type: "string" } },
    required: ["card", "list"],
  },
});
const Keyed = defineEvent("boards.card_ranked", {
  schema: {
    type: "object",
    properties: { card: { type: "string" }, list: { type: "string" } },
    required: ["card", "list"],
  },
  key: ({ card }) => card,
});

type Payload = { card: string; list: string };

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

function board() {
  const cards = new Map<string, string>();
  const place = defineSubscriber<Payload>("boards.place", {
    handle: async ({ data: { card, list } }) => void cards.set(card, list),
  });
  const observe = () => [...cards].sort();
  const reset = () => cards.clear();
  return { place, observe, reset };
}

const moves = (definition: typeof Moved) =>
  ["a todo", "b todo", "a doing", "a done", "b doing"].map((move) => {
    const [card = "", list = ""] = move.split(" ");
    return definition.create({ card, list });
  });

describe("proveIdempotent", () => {
  test("ES-331 a handler that only states what it was told passes, when the order of keys is kept", async () => {
    const { place, observe, reset } = board();
    const proof = await proveIdempotent({ subscriber: place, events: moves(Keyed), observe, reset, seed: 1 });
    expect(proof).toMatchObject({ subscriber: "boards.place", runs: 100, seed: 1 });
    expect(proof.deliveries).toBeGreaterThan(101 * 5);
    await proveIdempotent({
      subscriber: place,
      events: moves(Moved),
      observe,
      reset,
      key: ({ data }) => data.card,
      seed: 1,
    });
  });

  test("ES-331 without keys events come in any order, and the failure tells the run and its seed", async () => {
    const { place, observe, reset } = board();
    const failure = await proveIdempotent({ subscriber: place, events: moves(Moved), observe, reset, seed: 7 }).catch(
      String,
    );
    expect(failure).toMatch(/boards\.place is not idempotent: run \d+ with seed 7 left another state/);
    expect(failure).toContain("boards.card_moved { card: 'a', list: 'todo' }, attempt 1");
    expect(
      await proveIdempotent({ subscriber: place, events: moves(Moved), observe, reset, seed: 7 }).catch(String),
    ).toBe(failure);
  });

  test("ES-331 a handler that counts fails, because deliveries are repeated", async () => {
    let count = 0;
    const counter = defineSubscriber<Payload>("boards.count", { handle: async () => void count++ });
    await expect(
      proveIdempotent({
        subscriber: counter,
        events: [Moved.create({ card: "a", list: "todo" })],
        observe: () => count,
        reset: () => {
          count = 0;
        },
        runs: 1,
      }),
    ).rejects.toThrow("boards.count is not idempotent: run 1");
  });

  test("ES-331 a handler that remembers in the wrong moment fails when it is broken off before the settlement", async () => {
    const seen = new Set<string>();
    const mails: string[] = [];
    // Skips only what it takes for the same attempt.
    const mailer = defineSubscriber<Payload>("boards.mail", {
      handle: async ({ id }, { attempt }) => {
        if (seen.has(`${id} ${attempt}`)) return;
        seen.add(`${id} ${attempt}`);
        mails.push(id);
      },
    });
    await expect(
      proveIdempotent({
        subscriber: mailer,
        events: moves(Moved),
        observe: () => mails.length,
        reset: () => {
          seen.clear();
          mails.length = 0;
        },
      }),
    ).rejects.toThrow("boards.mail is not idempotent");
  });

  test("ES-331 proofs are written into one file, with the hash of the handler's source", async () => {
    const folder = await mkdtemp(join(tmpdir(), "proofs-"));
    folders.push(folder);
    const path = join(folder, "event-proofs.json");
    const { place, observe, reset } = board();
    const proof = await proveIdempotent({ subscriber: place, events: moves(Keyed), observe, reset, runs: 2, seed: 3 });
    expect(proof.handlerHash).toMatch(/^[0-9a-f]{64}$/);
    expect(proof.handlerHash).toBe(handlerHash(place));
    expect(handlerHash(defineSubscriber("boards.place", { handle: async () => {} }))).not.toBe(proof.handlerHash);

    expect(await readProofs(path)).toEqual({});
    await writeProof(path, proof);
    await writeProof(path, { ...proof, subscriber: "boards.archive" });
    const text = await readFile(path, "utf8");
    await writeProof(path, proof);
    expect(await readFile(path, "utf8")).toBe(text);
    expect(Object.keys(await readProofs(path))).toEqual(["boards.archive", "boards.place"]);
    expect((await readProofs(path))["boards.place"]).toEqual(proof);
  });

  test("ES-331 without events there is nothing to prove", async () => {
    const { place, observe } = board();
    await expect(proveIdempotent({ subscriber: place, events: [], observe })).rejects.toThrow("needs events");
  });
});
