import type { Worker } from "node:worker_threads";
import { silentLogger } from "@signalbox/kernel";
import { afterEach, expect, test } from "vitest";
import { defaultOptions } from "../testing/prepare.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { prepareEvent } from "./prepare-event.js";
import { createPreparePool, type Prepared, type PrepareRequest, type Preparer, prepareHere } from "./prepare-pool.js";

let pool: Preparer | undefined;
afterEach(() => pool?.close());

function makeRequests(count: number): PrepareRequest[] {
  return Array.from({ length: count }, (_, index) => ({
    message: receivedEvent(errorPayload(`E${index}`, { message: "x".repeat(index * 40) })),
    options: defaultOptions,
  }));
}

/** Lines as texts, which are compared a hundred times faster than bytes. */
function readable(outcome: Prepared): object {
  if (!("digested" in outcome)) return outcome;
  const { event, payload } = outcome.digested.lines;
  const lines = [event, payload].map((line) => Buffer.from(line).toString("utf8"));
  return { digested: { ...outcome.digested, lines } };
}

/** Which hashes are explained depends on what a thread has seen. */
function withoutExplanations(outcome: Prepared): object {
  if (!("digested" in outcome)) return outcome;
  const hashes = outcome.digested.hashes.map(({ hash, variant }) => ({ hash, variant }));
  return readable({ digested: { ...outcome.digested, hashes } });
}

/** A message that the edge would not have let through. */
function broken(): PrepareRequest {
  const message = receivedEvent(errorPayload("broken"));
  const payload = { encoding: "text" as const, content: "no JSON", bytes: 7 };
  return {
    message: { correlationId: message.correlationId, data: { ...message.data, payload } },
    options: defaultOptions,
  };
}

test("threads prepare a batch exactly as the calling thread would, in order, and explain each hash that is new to them", async () => {
  pool = createPreparePool({ workers: 1, logger: silentLogger });
  const requests = makeRequests(300);
  const prepared = (needsExplanation: () => boolean) =>
    requests.map(({ message, options }) => readable({ digested: prepareEvent(message, options, needsExplanation) }));
  expect((await pool.prepare(requests)).map(readable)).toEqual(prepared(() => true));
  expect((await pool.prepare(requests)).map(readable)).toEqual(prepared(() => false));
});

test("two batches at once share the threads", async () => {
  pool = createPreparePool({ workers: 2, logger: silentLogger });
  const requests = makeRequests(200);
  const expected = requests.map(({ message, options }) => readable({ digested: prepareEvent(message, options) }));
  const [first, second] = await Promise.all([pool.prepare(requests), pool.prepare(requests)]);
  expect(first.map(withoutExplanations)).toEqual(expected);
  expect(second.map(withoutExplanations)).toEqual(expected);
});

test("a message that cannot be prepared gets its own error, its neighbours are prepared", async () => {
  pool = createPreparePool({ workers: 1, logger: silentLogger });
  const requests = makeRequests(20).with(7, broken());
  const prepared = await pool.prepare(requests);
  expect(prepared).toHaveLength(20);
  for (const [index, outcome] of prepared.entries())
    expect(outcome).toEqual(
      index === 7
        ? { error: expect.objectContaining({ code: "ET_JSON_INVALID" }) }
        : {
            digested: expect.objectContaining({ title: expect.objectContaining({ description: `E${index} failed` }) }),
          },
    );
});

test("closing under way loses nothing: what the threads have not done is prepared here, and so is what comes later", async () => {
  pool = createPreparePool({ workers: 1, logger: silentLogger });
  const requests = makeRequests(200);
  const underway = pool.prepare(requests);
  await pool.close();
  await pool.close();
  expect((await underway).every((outcome) => "digested" in outcome)).toBe(true);
  expect((await pool.prepare(requests)).every((outcome) => "digested" in outcome)).toBe(true);
});

/** An event on which the rules of its project cannot be done with in time: each looks at each frame of each exception. */
function slow(): PrepareRequest {
  const frames = Array.from({ length: 250 }, () => ({ function: "a".repeat(250), filename: "work.py" }));
  const values = Array.from({ length: 50 }, () => ({ type: "E", value: "v", stacktrace: { frames } }));
  const rule = `function:*${"a".repeat(120)}b -> x`;
  return {
    message: receivedEvent({ platform: "python", exception: { values } }),
    options: { ...defaultOptions, fingerprintRules: Array.from({ length: 300 }, () => rule).join("\n") },
  };
}

test("ET-287 an event that takes too long is ended alone, its neighbours are prepared", async () => {
  pool = createPreparePool({ workers: 1, logger: silentLogger });
  const requests = makeRequests(20).with(7, slow());
  const prepared = await pool.prepare(requests);
  expect(prepared.map((outcome) => ("error" in outcome ? outcome.error : "prepared"))).toEqual(
    requests.map((_, index) =>
      index === 7 ? expect.objectContaining({ code: "ET_EVENT_TOO_SLOW", retryable: false }) : "prepared",
    ),
  );
  // The thread that was held up goes on.
  const after = makeRequests(20);
  expect((await pool.prepare(after)).every((outcome) => "digested" in outcome)).toBe(true);
});

test("ET-287 where no thread is worth it, too", async () => {
  const prepared = await prepareHere(makeRequests(3).with(1, slow()));
  expect(prepared.map((outcome) => ("error" in outcome ? outcome.error : "prepared"))).toEqual([
    "prepared",
    expect.objectContaining({ code: "ET_EVENT_TOO_SLOW" }),
    "prepared",
  ]);
});

test("a thread that is killed in the middle of a batch loses nothing and doubles nothing", async () => {
  const threads: Worker[] = [];
  pool = createPreparePool({ workers: 1, logger: silentLogger, onThread: (thread) => threads.push(thread) });
  const requests = makeRequests(300);
  const expected = requests.map(({ message, options }) => readable({ digested: prepareEvent(message, options) }));
  const underway = pool.prepare(requests);
  await threads[0]?.terminate();
  expect((await underway).map(withoutExplanations)).toEqual(expected);
  // Killed while it has nothing to do, it is replaced as well.
  await threads.at(-1)?.terminate();
  expect((await pool.prepare(requests)).map(withoutExplanations)).toEqual(expected);
  expect(threads).toHaveLength(3);
});
