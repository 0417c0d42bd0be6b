import assert from "node:assert/strict";
import { defineEvent } from "../define-event.js";
import { defineSubscriber } from "../define-subscriber.js";
import type { DomainEvent } from "../event.js";
import { createEventStore, type EventStore } from "../event-store.js";
import type { DeadLetter } from "../records/records.js";
import type { TestRunner } from "./contract.js";
import type { OpenedTransport } from "./process-lab.js";

/** An engine on which somebody else can write, with new, empty data. */
export interface DamageableEngine {
  /** The transport, not open yet. */
  open(): Promise<OpenedTransport>;
  /** Writes another body over that of a waiting delivery. Where messages never change it becomes the youngest. */
  damageBody(deliveryId: string, body: string): Promise<void>;
  /** Ways to damage what the transport itself keeps around a body. */
  readonly wrappings: Readonly<Record<string, (deliveryId: string) => Promise<void>>>;
  destroy(): Promise<void>;
}

export interface DamageContractOptions {
  readonly name: string;
  create(): Promise<DamageableEngine>;
  readonly runner: Pick<TestRunner, "describe" | "test">;
}

const Weighed = defineEvent("lab.sample_weighed", {
  schema: { type: "object", properties: { number: { type: "integer" } }, required: ["number"] },
  version: 2,
  upcast: { 1: (data) => data },
});
const Sorted = defineEvent("lab.sample_sorted", {
  schema: { type: "object", properties: { number: { type: "integer" } }, required: ["number"] },
  key: () => "shelf",
});
type Sample = DomainEvent<{ readonly number: number }>;

const subscriber = "lab.keep_samples";
const patienceMs = 30_000;
const attributes = {
  specversion: "1.0",
  id: "written-by-hand",
  source: "/lab",
  type: "dev.signalbox.lab.sample_weighed",
  subject: "1",
  time: "2026-01-01T00:00:00.000Z",
  datacontenttype: "application/json",
  dataschema: "urn:signalbox:schema:lab.sample_weighed:v2",
  data: { number: 1 },
};
const without = (name: keyof typeof attributes): string => JSON.stringify({ ...attributes, [name]: undefined });
const withThe = (changed: object): string => JSON.stringify({ ...attributes, ...changed });

/** Stored text and the code that its dead letter has. */
const invalid: readonly (readonly [body: string, code: string])[] = [
  ["no JSON", "EVT_ENVELOPE_INVALID"],
  ["\u00ff\ufffd{{[", "EVT_ENVELOPE_INVALID"],
  ["", "EVT_ENVELOPE_INVALID"],
  ["null", "EVT_ENVELOPE_INVALID"],
  ["7", "EVT_ENVELOPE_INVALID"],
  ["[]", "EVT_ENVELOPE_INVALID"],
  ["[[]]", "EVT_ENVELOPE_INVALID"],
  ['{"specversion":"1.0"}', "EVT_ENVELOPE_INVALID"],
  ['{"id":"a\\u0000b","correlationid":"c\\u0000d"}', "EVT_ENVELOPE_INVALID"],
  [without("source"), "EVT_ENVELOPE_INVALID"],
  [without("data"), "EVT_ENVELOPE_INVALID"],
  [withThe({ time: "yesterday" }), "EVT_ENVELOPE_INVALID"],
  [withThe({ data: { number: "one" } }), "EVT_DATA_INVALID"],
  [withThe({ datacontenttype: "text/xml" }), "EVT_UNSUPPORTED_PAYLOAD"],
];
/** Another release of the program may be able to read these. */
const unknown: readonly (readonly [body: string, code: string])[] = [
  [withThe({ type: "dev.signalbox.lab.sample_lost" }), "EVT_UNKNOWN_TYPE"],
  [withThe({ type: "__proto__" }), "EVT_UNKNOWN_TYPE"],
  [withThe({ dataschema: "urn:signalbox:schema:lab.sample_weighed:v9" }), "EVT_UNKNOWN_TYPE"],
];

/**
 * What becomes of deliveries that somebody has damaged where they are stored: each ends as a dead letter that says why,
 * nothing is tried for ever, and all the others are handled.
 */
export function describeDamagedDeliveries({ name, create, runner }: DamageContractOptions): void {
  const { describe, test } = runner;

  describe(`${name} and deliveries that were damaged`, () => {
    const inLab =
      (work: (lab: Lab) => Promise<void>): (() => Promise<void>) =>
      async () => {
        const engine = await create();
        const lab = new Lab(engine, await engine.open());
        try {
          await work(lab);
        } finally {
          await lab.close();
          await engine.destroy();
        }
      };

    test(
      "ES-165 ES-250 a body that is no envelope, or data against the schema, is a dead letter at once with its code",
      inLab(async (lab) => {
        const letters = await lab.bury(invalid.map(([body]) => body));
        assert.deepEqual(
          letters.map(({ reason, error, attempts }) => [reason, error.code, attempts.length]),
          invalid.map(([, code]) => ["invalid_event", code, 1]),
        );
        // Nobody can repair them, and asking is no accident.
        const { wouldFail } = await lab.store.dead.replay(
          letters.map(({ id }) => id),
          { dryRun: true },
        );
        assert.deepEqual(
          new Map(wouldFail.map(({ id, code }) => [id, code])),
          new Map(letters.map(({ id, error }) => [id, error.code])),
        );
      }),
    );

    test(
      "ES-165 a type or a version that nobody knows is tried again as its policy says, and then dead",
      inLab(async (lab) => {
        const letters = await lab.bury(unknown.map(([body]) => body));
        assert.deepEqual(
          letters.map(({ reason, error, attempts }) => [reason, error.code, attempts.length]),
          unknown.map(([, code]) => ["unknown_event", code, maxAttempts]),
        );
      }),
    );

    test(
      "ES-165 ES-183 a damaged delivery lets the next one of its key go",
      inLab(async (lab) => {
        const [first = ""] = await lab.publish(Sorted.create({ number: 0 }));
        await lab.engine.damageBody(first, "no JSON");
        for (const [index, damage] of Object.values(lab.engine.wrappings).entries()) {
          const [next = ""] = await lab.publish(Sorted.create({ number: 100 + index }));
          await damage(next);
        }
        for (const number of [1, 2]) await lab.publish(Sorted.create({ number }));
        await lab.store.start();
        await until(async () => lab.handled.filter((number) => number < 100).length === 2);
        assert.deepEqual(
          lab.handled.filter((number) => number < 100),
          [1, 2],
        );
        await lab.isEmpty();
        assert.ok((await lab.letters()).some(({ id }) => id === first));
      }),
    );

    test(
      "ES-165 what the transport keeps around a body may be damaged, too: dead letter, or handled all the same",
      inLab(async (lab) => {
        const ways = Object.entries(lab.engine.wrappings);
        const ids = new Map<string, string>();
        for (const [index, [way, damage]] of ways.entries()) {
          const [id = ""] = await lab.publish(Weighed.create({ number: 100 + index }));
          ids.set(way, id);
          await damage(id);
        }
        for (const number of [1, 2]) await lab.publish(Weighed.create({ number }));
        await lab.store.start();
        await until(async () => lab.handled.includes(1) && lab.handled.includes(2));
        await lab.isEmpty();
        const letters = await lab.letters();
        const survivors = lab.handled.filter((number) => number >= 100);
        assert.equal(letters.length + survivors.length, ways.length, `${letters.length} letters, ${survivors} handled`);
        for (const { reason, error, subscription } of letters) {
          assert.deepEqual([reason, error.code], ["invalid_event", "EVT_ENVELOPE_INVALID"]);
          assert.ok(subscription.startsWith(`${subscriber}/`), subscription);
        }
      }),
    );
  });
}

const maxAttempts = 2;

/** A store, and what it handled. */
class Lab {
  readonly engine: DamageableEngine;
  readonly store: EventStore;
  readonly handled: number[] = [];
  readonly #opened: OpenedTransport;

  constructor(engine: DamageableEngine, opened: OpenedTransport) {
    this.engine = engine;
    this.#opened = opened;
    const keep = defineSubscriber<Sample["data"]>(subscriber, {
      retry: { maxAttempts, baseMs: 10, maxMs: 10 },
      handle: async ({ data }) => void this.handled.push(data.number),
    });
    this.store = createEventStore({
      transport: opened.transport,
      database: opened.database,
      source: "/lab",
      configure: (registry) => registry.subscribe(keep, { to: [Weighed, Sorted] }),
    });
  }

  /** Ids of its deliveries. */
  async publish(event: Sample): Promise<string[]> {
    const { decisions } = await this.store.publish(event);
    return decisions.flatMap(({ deliveryId }) => deliveryId ?? []);
  }

  /** Publishes one for each body and writes that over it, and two more; resolves with the letters in the order of the bodies. */
  async bury(bodies: readonly string[]): Promise<DeadLetter[]> {
    const places = new Map<string, number>();
    for (const [index, body] of bodies.entries()) {
      const [id = ""] = await this.publish(Weighed.create({ number: 100 + index }));
      await this.engine.damageBody(id, body);
      places.set(id, index);
    }
    for (const number of [1, 2]) await this.publish(Weighed.create({ number }));
    await this.store.start();
    await this.hasLetters(bodies.length);
    await until(async () => this.handled.length >= 2);
    assert.deepEqual(this.handled.toSorted(), [1, 2]);
    await this.isEmpty();
    const letters: DeadLetter[] = [];
    for (const letter of await this.letters()) {
      const place = places.get(letter.id);
      assert.ok(place !== undefined, `a letter of ${letter.id}`);
      // Whatever it was, it can be shown.
      JSON.parse(letter.event);
      letters[place] = letter;
    }
    return letters;
  }

  async letters(): Promise<readonly DeadLetter[]> {
    return (await this.store.dead.list({}, { limit: 100 })).letters;
  }

  async hasLetters(count: number): Promise<void> {
    await until(async () => (await this.letters()).length >= count);
    assert.equal((await this.letters()).length, count);
  }

  /** Nothing waits, runs or comes again. */
  async isEmpty(): Promise<void> {
    await until(async () => {
      const { ready, scheduled, running, blocked } = await this.#opened.transport.depth(subscriber);
      return ready + scheduled + running + blocked === 0;
    });
  }

  async close(): Promise<void> {
    await this.store.stop({ deadlineMs: 1_000 });
    await this.#opened.close();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + patienceMs;
  while (!(await condition())) {
    assert.ok(performance.now() < untilMs, "what was promised did not happen in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
