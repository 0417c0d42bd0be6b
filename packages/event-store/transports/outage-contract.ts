import assert from "node:assert/strict";
import { errorCode, isRetryable } from "@signalbox/kernel";
import { defineEvent } from "../define-event.js";
import { defineSubscriber } from "../define-subscriber.js";
import type { DomainEvent } from "../event.js";
import { createEventStore, type EventStore } from "../event-store.js";
import type { TestRunner } from "./contract.js";
import type { OpenedTransport } from "./process-lab.js";
import { startStopwatch } from "./stopwatch.js";

/** An engine that can be taken away, with new, empty data on it. */
export interface FragileEngine {
  /** The transport by way of `hang`, not open yet. */
  open(): Promise<OpenedTransport>;
  /** As `kill -9`. */
  kill(): Promise<void>;
  /** On the same data, at the same address. */
  restart(): Promise<void>;
  /** Nothing comes over the line to the engine while it hangs; connections stay. */
  hang(on: boolean): void;
  destroy(): Promise<void>;
}

export interface OutageContractOptions {
  readonly name: string;
  create(): Promise<FragileEngine>;
  /**
   * How often the engine may hand out again what it had taken as settled, for each time that it is killed. Default 0.
   */
  readonly extraRuns?: number;
  /** How often it is killed under load. Default 3. */
  readonly kills?: number;
  readonly runner: Pick<TestRunner, "describe" | "test">;
}

const Rang = defineEvent("lab.bell_rung", {
  schema: { type: "object", required: ["ring"], properties: { ring: { type: "integer" } } },
});
type Ring = DomainEvent<{ readonly ring: number }>;

const patienceMs = 60_000;
/** The port promises five; the rest is for a busy machine. */
const refusedWithinMs = 6_000;
const publishersAtOnce = 20;
const acknowledgedBetweenKills = 300;

/** What holds while the engine of a transport is away, and when it comes back. Each test has data of its own. */
export function describeTransportOutages(options: OutageContractOptions): void {
  const { describe, test } = options.runner;

  describe(`${options.name} goes away`, () => {
    const inTower =
      (work: (tower: Tower) => Promise<void>, leaseMs?: number): (() => Promise<void>) =>
      async () => {
        const engine = await options.create();
        const tower = new Tower(engine, await engine.open(), leaseMs);
        try {
          await tower.store.start();
          await work(tower);
        } finally {
          await tower.close();
          await engine.destroy();
        }
      };

    test(
      "ES-210 a killed server: publishing is refused as worth repeating, and work goes on once it is back",
      inTower(async ({ engine, heard, publish, ring }) => {
        await ring(1);
        await until(() => heard.length === 1);
        await engine.kill();
        const event = Rang.create({ ring: 2 });
        await refusedSoon(publish(event));
        await engine.restart();
        await until(() => accepts(publish(event)));
        await until(() => heard.includes(2));
        assert.deepEqual(heard, [1, 2]);
      }),
    );

    test(
      "ES-210 a line that hangs: publishing is refused within 5 s, and the repetition delivers once",
      inTower(async ({ engine, heard, publish, ring }) => {
        await ring(1);
        await until(() => heard.length === 1);
        const event = Rang.create({ ring: 2 });
        engine.hang(true);
        await refusedSoon(publish(event));
        engine.hang(false);
        await until(() => accepts(publish(event)));
        await until(() => heard.includes(2));
        await until(() => accepts(ring(3)));
        await until(() => heard.includes(3));
        assert.deepEqual(heard, [1, 2, 3]);
      }),
    );

    test(
      "ES-210 a handler that ends while the server is away is settled once it is back, and not run again",
      inTower(async (tower) => {
        const { engine, heard, ring } = tower;
        let finish = (): void => {};
        tower.handling = new Promise<void>((resolve) => {
          finish = resolve;
        });
        await ring(1);
        await until(() => heard.length === 1);
        await engine.kill();
        tower.handling = undefined;
        finish();
        await sleep(1_000);
        await engine.restart();
        await until(async () => (await tower.unsettled()) === 0);
        await until(() => accepts(ring(2)));
        await until(() => heard.includes(2));
        assert.deepEqual(heard, [1, 2]);
        // On a busy machine a server may take longer to come back than a lease of the usual length.
      }, patienceMs),
    );

    test(
      "ES-201 ES-210 the server is killed under load, again and again: nothing that was acknowledged is lost",
      inTower(async ({ engine, heard, publish }) => {
        const { kills = 3, extraRuns = 0 } = options;
        const acknowledged: number[] = [];
        let next = 0;
        let isOver = false;
        const publishOn = async (): Promise<void> => {
          while (!isOver) {
            const event = Rang.create({ ring: next++ });
            // A careful publisher repeats what was not acknowledged, with the same event.
            while (!(await accepts(publish(event)))) await sleep(10);
            acknowledged.push(event.data.ring);
          }
        };
        const publishers = Array.from({ length: publishersAtOnce }, publishOn);
        for (let kill = 0; kill < kills; kill++) {
          const before = acknowledged.length;
          await until(() => acknowledged.length > before + acknowledgedBetweenKills);
          await engine.kill();
          await engine.restart();
        }
        const before = acknowledged.length;
        await until(() => acknowledged.length > before + acknowledgedBetweenKills);
        isOver = true;
        await Promise.all(publishers);
        await until(() => {
          const seen = new Set(heard);
          return acknowledged.every((ring) => seen.has(ring));
        });
        const runs = new Map<number, number>();
        for (const ring of heard) runs.set(ring, (runs.get(ring) ?? 0) + 1);
        assert.ok(Math.max(...runs.values()) <= 1 + extraRuns * kills, "handled more often than that");
      }),
    );
  });
}

/** A store whose subscriber hears bells. */
class Tower {
  readonly engine: FragileEngine;
  readonly store: EventStore;
  readonly heard: number[] = [];
  /** The handler is busy until then. */
  handling: Promise<void> | undefined;
  readonly #opened: OpenedTransport;

  constructor(engine: FragileEngine, opened: OpenedTransport, leaseMs: number | undefined) {
    this.engine = engine;
    this.#opened = opened;
    const listener = defineSubscriber("lab.hear_bells", {
      handle: async ({ data }: Ring) => {
        this.heard.push(data.ring);
        await this.handling;
      },
    });
    this.store = createEventStore({
      transport: opened.transport,
      database: opened.database,
      source: "/lab",
      configure: (registry) => registry.subscribe(listener, { to: Rang }),
      limits: leaseMs === undefined ? {} : { leaseMs },
    });
  }

  readonly publish = (event: Ring): Promise<unknown> => this.store.publish(event);
  readonly ring = (ring: number): Promise<unknown> => this.publish(Rang.create({ ring }));

  async unsettled(): Promise<number> {
    const { ready, scheduled, running } = await this.#opened.transport.depth("lab.hear_bells").catch(() => unknown);
    return ready + scheduled + running;
  }

  async close(): Promise<void> {
    await this.store.stop({ deadlineMs: 1_000 });
    await this.#opened.transport.close();
    await this.#opened.close();
  }
}

const unknown = { ready: Number.NaN, scheduled: 0, running: 0 };

async function refusedSoon(publishing: Promise<unknown>): Promise<void> {
  const watch = startStopwatch();
  await assert.rejects(publishing, (error) => {
    assert.equal(errorCode(error), "EVT_TRANSPORT_UNAVAILABLE");
    assert.ok(isRetryable(error));
    return true;
  });
  assert.ok(watch.stop() < refusedWithinMs, "it took too long to be refused");
}

function accepts(publishing: Promise<unknown>): Promise<boolean> {
  return publishing.then(
    () => true,
    (error: unknown) => {
      assert.ok(isRetryable(error), String(error));
      return false;
    },
  );
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = Date.now() + patienceMs;
  while (!(await condition())) {
    assert.ok(Date.now() < untilMs, "it did not happen in time");
    await sleep(20);
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
