import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import { createEventStore, type EventStore } from "./event-store.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";

const Made = defineEvent("lab.sample_taken", {
  schema: { type: "object", properties: { number: { type: "integer" } }, required: ["number"] },
});
const patient = { timeout: 30_000, interval: 20 };

let directory: string;
let database: Database;
let store: EventStore;
let handled: number[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "corrupted-"));
  database = await openDatabase({ path: join(directory, "events.db") });
  await migrate(database, [eventStoreMigrations]);
  handled = [];
  const keep = defineSubscriber<{ number: number }>("lab.keep_samples", {
    handle: async ({ data }) => void handled.push(data.number),
  });
  store = createEventStore({
    transport: createSqlTransport({ database }),
    source: "/lab",
    configure: (registry) => registry.subscribe(keep, { to: Made }),
  });
});
afterEach(async () => {
  await store.stop({ deadlineMs: 1_000 });
  await database.close();
  rmSync(directory, { recursive: true });
});

/** Publishes some and changes the first one where it is stored. */
async function corrupt(column: "body" | "progress", text: string): Promise<void> {
  for (const number of [1, 2, 3]) await store.publish(Made.create({ number }));
  const first = "(select min(seq) from event_deliveries)";
  await database.run(`update event_deliveries set ${column} = ? where seq = ${first}`, [text]);
  await store.start();
}

test.each(["no JSON", "", "null", "[]", "[7]", '{"specversion":"1.0"}'])(
  "ES-165 a stored delivery whose body is %j ends as a dead letter that can be read; the others are handled",
  async (body) => {
    await corrupt("body", body);
    await vi.waitFor(async () => {
      const { letters } = await store.dead.list({ state: "dead" });
      expect(letters.map(({ reason, error }) => [reason, error.code])).toEqual([
        ["invalid_event", "EVT_ENVELOPE_INVALID"],
      ]);
    }, patient);
    await vi.waitFor(() => expect(handled.toSorted()).toEqual([2, 3]), patient);
    const [letter] = (await store.dead.list()).letters;
    expect(() => JSON.parse(letter?.event ?? "")).not.toThrow();

    // Nobody can repair it, and asking is no accident.
    const selection = [letter?.id ?? ""];
    expect(await store.dead.replay(selection, { dryRun: true })).toMatchObject({
      wouldFail: [{ code: "EVT_ENVELOPE_INVALID" }],
    });
  },
);

test("ES-165 a delivery whose history cannot be read is handled all the same", async () => {
  await corrupt("progress", "no JSON");
  await vi.waitFor(() => expect(handled.toSorted()).toEqual([1, 2, 3]), patient);
});
