import { silentLogger } from "@signalbox/kernel";
import { afterEach, expect, test } from "vitest";
import { defaultOptions } from "../testing/prepare.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { prepareEvent } from "./prepare-event.js";
import { createPreparePool, type PrepareRequest, type Preparer } from "./prepare-pool.js";

let pool: Preparer | undefined;
afterEach(() => pool?.close());

function makeRequests(count: number): PrepareRequest[] {
  return Array.from({ length: count }, (_, index) => ({
    message: receivedEvent(errorPayload(`E${index}`, { message: "x".repeat(index * 40) })),
    options: defaultOptions,
  }));
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

test("threads prepare a batch exactly as the calling thread would, in order", async () => {
  pool = createPreparePool({ workers: 2, logger: silentLogger });
  const requests = makeRequests(300);
  const expected = requests.map(({ message, options }) => ({ digested: prepareEvent(message, options) }));
  const [first, second] = await Promise.all([pool.prepare(requests), pool.prepare(requests)]);
  expect(first).toEqual(expected);
  expect(second).toEqual(expected);
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
