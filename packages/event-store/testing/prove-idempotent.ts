import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { inspect, isDeepStrictEqual } from "node:util";
import type { Subscriber } from "../define-subscriber.js";
import type { DomainEvent } from "../event.js";
import { consumeEvent } from "./consume-event.js";

export interface ProveIdempotentOptions<D> {
  readonly subscriber: Subscriber<D>;
  /** In the order of publishing. Those with one key stay in that order, all others may come in any. */
  readonly events: readonly DomainEvent<NoInfer<D>>[];
  /** Reads the state that the handler changes; a plain value. */
  observe(): unknown;
  /** Brings the state back to where it was before the first event. Without it every run goes on from the last one. */
  reset?(): unknown;
  /** The subscription's key, if it has one of its own. Default: the events' keys. */
  key?(event: DomainEvent<NoInfer<D>>): string | null;
  /** Disturbed runs. Default 100. */
  readonly runs?: number;
  /** Repeats the runs of a failure. Default: another one each time. */
  readonly seed?: number;
}

/** That a handler was tried and found idempotent. Belongs to one text of the handler. */
export interface IdempotencyProof {
  readonly subscriber: string;
  readonly runs: number;
  readonly seed: number;
  /** Handler calls in all runs. */
  readonly deliveries: number;
  /** SHA-256 of the handler's source, hexadecimal. */
  readonly handlerHash: string;
}

/** One handler call. Above the first attempt, an earlier one ended without its delivery being settled. */
interface Step<D> {
  readonly event: DomainEvent<D>;
  readonly attempt: number;
}

/**
 * Handles the events as published, then again and again with what an at-least-once delivery may do to them: repeated,
 * reordered, broken off between the handler and its settlement. After each run the state must be that of the plain one.
 * @throws {AssertionError} with the seed and the order of the run that left another state. Rejects as the handler does.
 */
export async function proveIdempotent<D>(options: ProveIdempotentOptions<D>): Promise<IdempotencyProof> {
  const { subscriber, events, observe, reset, runs = 100 } = options;
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  if (events.length === 0) throw new TypeError("proveIdempotent needs events");
  const random = randomOf(seed);
  let deliveries = 0;

  const run = async (steps: readonly Step<D>[]): Promise<unknown> => {
    await reset?.();
    for (const { event, attempt } of steps) {
      await consumeEvent<unknown>({ subscriber: subscriber as Subscriber<unknown>, event, attempt });
      deliveries++;
    }
    return structuredClone(await observe());
  };

  const expected = await run(events.map((event) => ({ event, attempt: 1 })));
  for (let number = 1; number <= runs; number++) {
    const steps = disturb(events, options.key ?? ((event) => event.key), random);
    const actual = await run(steps);
    if (isDeepStrictEqual(actual, expected)) continue;
    throw new assert.AssertionError({
      message: `${subscriber.name} is not idempotent: run ${number} with seed ${seed} left another state\n${describe(steps)}\nexpected ${inspect(expected)}\nbut was  ${inspect(actual)}`,
      actual,
      expected,
    });
  }
  return { subscriber: subscriber.name, runs, seed, deliveries, handlerHash: handlerHash(subscriber) };
}

/** Identifies the source text of a handler, so that a proof is known to be out of date when it changes. */
export function handlerHash(subscriber: Subscriber<never>): string {
  const { handle, handleBatch } = subscriber.options;
  return createHash("sha256")
    .update(String(handle ?? handleBatch))
    .digest("hex");
}

/** Writes a proof into a file of proofs, in place of the subscriber's last one. Equal proofs make equal files. */
export async function writeProof(path: string, proof: IdempotencyProof): Promise<void> {
  const proofs = { ...(await readProofs(path)), [proof.subscriber]: proof };
  const sorted = Object.fromEntries(Object.entries(proofs).sort(([left], [right]) => (left < right ? -1 : 1)));
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(sorted, undefined, 2)}\n`);
  await rename(temporary, path);
}

/** Proofs by subscriber; empty without the file. */
export async function readProofs(path: string): Promise<Readonly<Record<string, IdempotencyProof>>> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "{}";
    throw error;
  });
  const proofs: unknown = JSON.parse(text);
  if (typeof proofs !== "object" || proofs === null || Array.isArray(proofs))
    throw new TypeError(`${path} must hold a JSON object`);
  return proofs as Readonly<Record<string, IdempotencyProof>>;
}

/** Each event at least once, one of them more often; events of one key, and the attempts of one event, in order. */
function disturb<D>(
  events: readonly DomainEvent<D>[],
  keyOf: (event: DomainEvent<D>) => string | null,
  random: () => number,
): Step<D>[] {
  const repeated = Math.floor(random() * events.length);
  const lanes = new Map<unknown, Step<D>[]>();
  for (const [index, event] of events.entries()) {
    const lane = keyOf(event) ?? event;
    const steps = lanes.get(lane) ?? [];
    lanes.set(lane, steps);
    // A crash between handler and settlement counts no attempt, a failed settlement does.
    let attempt = 1;
    steps.push({ event, attempt });
    for (let again = index === repeated; again || random() < 0.3; again = false) {
      if (random() < 0.5) attempt++;
      steps.push({ event, attempt });
    }
  }
  return merge([...lanes.values()], random);
}

/** Takes from the lists at random; each stays in its order. */
function merge<T>(lists: readonly T[][], random: () => number): T[] {
  const merged: T[] = [];
  let open = lists.filter((list) => list.length > 0);
  while (open.length > 0) {
    const next = open[Math.floor(random() * open.length)]?.shift();
    if (next !== undefined) merged.push(next);
    open = open.filter((list) => list.length > 0);
  }
  return merged;
}

function describe(steps: readonly Step<unknown>[]): string {
  return steps.map(({ event, attempt }) => `  ${event.type} ${inspect(event.data)}, attempt ${attempt}`).join("\n");
}

/** Numbers from 0 to below 1 that a seed repeats (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
