import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Database, migrate, type OpenDatabaseOptions, openDatabase } from "@signalbox/database";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createEventStore, type EventStore } from "./event-store.js";
import type { Limits } from "./limits.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";

const folder = dirname(fileURLToPath(import.meta.url));
const children: ChildProcess[] = [];
const stores: EventStore[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const store of stores.splice(0)) await store.stop({ deadlineMs: 1_000 });
});

describe("SQLite", () => {
  describeProcesses(async () => {
    const directory = mkdtempSync(join(tmpdir(), "event-store-processes-"));
    return {
      target: { path: join(directory, "events.db") },
      destroy: async () => rmSync(directory, { recursive: true }),
    };
  });
});

const needed = requireServers(["postgres"]);
describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  describeProcesses(async () => ({ target: { url: await server.createDatabase() }, destroy: async () => {} }));
});

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): Promise<void>;
}

/** What every process of these tests agrees on. */
const Stepped = defineEvent("lab.step_taken", {
  schema: {
    type: "object",
    required: ["step"],
    properties: { step: { type: "integer" }, poison: { type: "boolean" }, lane: { type: "string" } },
  },
});
type Step = DomainEvent<{ step: number; poison?: boolean; lane?: string }>;

function describeProcesses(create: () => Promise<Place>): void {
  let place: Place;
  let database: Database;
  beforeEach(async () => {
    place = await create();
    database = await openDatabase(place.target);
    await migrate(database, [eventStoreMigrations]);
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.stop({ deadlineMs: 1_000 });
    await database.close();
    await place.destroy();
  });

  /** A store of this process whose handler collects the steps. */
  const openStore = (steps: number[], limits: Partial<Limits> = {}): EventStore => {
    const walker = defineSubscriber("walks.remember_steps", {
      handle: async (event: Step) => void steps.push(event.data.step),
    });
    const store = createEventStore({
      transport: createSqlTransport({ database }),
      source: "/lab",
      limits,
      configure: (registry) => registry.subscribe(walker, { to: Stepped }),
    });
    stores.push(store);
    return store;
  };
  const publish = (store: EventStore, steps: readonly number[]): Promise<unknown> =>
    Promise.all(steps.map((step) => store.publish(Stepped.create({ step }))));

  test("ES-201 ES-101 a publisher is killed: everything that it was told is published gets handled", async () => {
    const publisher = startChild(
      place,
      `
      let step = 0;
      const publishOn = async () => {
        for (;;) {
          const own = step++;
          await store.publish(Stepped.create({ step: own }));
          say("published " + own);
        }
      };
      await Promise.all(Array.from({ length: 50 }, publishOn));`,
    );
    await publisher.says((lines) => lines.length >= 500);
    publisher.process.kill("SIGKILL");
    await publisher.exit;
    const acknowledged = publisher.said.map((line) => Number(line.split(" ")[1]));
    expect(acknowledged.length).toBeGreaterThanOrEqual(500);

    const handled: number[] = [];
    const store = openStore(handled);
    await store.start();
    // On a busy machine there may be many thousands before the publisher is stopped.
    await until(() => {
      const seen = new Set(handled);
      return acknowledged.every((step) => seen.has(step));
    });
    await idle(database);
    expect(new Set(handled).size).toBe(handled.length);
  });

  test("ES-167 a worker is killed while it handles: another one takes over within 15 s, with at most one extra run", async () => {
    const steps = Array.from({ length: 30 }, (_, step) => step);
    const publisher = openStore([]);
    await publish(publisher, steps);
    const doomed = startChild(
      place,
      `
      await store.start();`,
      `say("began " + event.data.step); await new Promise(() => {});`,
    );
    await doomed.says((lines) => lines.length >= 8);
    doomed.process.kill("SIGKILL");
    await doomed.exit;
    const killedAtMs = Date.now();
    const began = doomed.said.map((line) => Number(line.split(" ")[1]));

    const handled: number[] = [];
    const store = openStore(handled);
    await store.start();
    await until(() => steps.every((step) => handled.includes(step)));
    // What the killed process had taken has to wait for its leases of 10 s.
    expect(Date.now() - killedAtMs).toBeLessThan(15_000);
    await idle(database);
    expect(handled.toSorted((left, right) => left - right)).toEqual(steps);
    expect(new Set(began).size).toBe(began.length);
    expect((await store.dead.list()).letters).toEqual([]);
  });

  test("ES-169 an event that kills its process is buried after three crashes alone; the healthy ones beside it live", async () => {
    const publisher = openStore([]);
    await publish(publisher, [1, 2, 3, 4, 5]);
    await publisher.publish(Stepped.create({ step: 666, poison: true }));
    await publish(publisher, [6, 7, 8, 9, 10]);
    const handled = new Set<number>();
    let kills = 0;
    for (let ended = false; !ended; ) {
      const worker = startChild(
        place,
        `
        await store.start();
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, 100));
          const { letters } = await store.dead.list();
          const depth = await transport.depth("walks.remember_steps");
          if (letters.length > 0 && depth.ready + depth.running === 0) {
            say("dead " + JSON.stringify(letters.map(({ reason, event }) => [reason, JSON.parse(event).data.step])));
            await store.stop();
            await database.close();
            break;
          }
        }`,
        `
        if (event.data.poison) process.kill(process.pid, "SIGKILL");
        await new Promise((resolve) => setTimeout(resolve, 20));
        say("handled " + event.data.step);`,
        { leaseMs: 700 },
      );
      const { code, signal } = await worker.exit;
      if (signal === "SIGKILL") kills++;
      for (const line of worker.said) {
        if (line.startsWith("handled ")) handled.add(Number(line.slice(8)));
        if (line.startsWith("dead ")) expect(JSON.parse(line.slice(5))).toEqual([["crashed", 666]]);
      }
      ended = code === 0;
      expect(kills).toBeLessThanOrEqual(5);
    }
    // Two in company, then three alone.
    expect(kills).toBe(5);
    expect([...handled].toSorted((left, right) => left - right)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test("ES-183 the order of each key survives the death of a worker", async () => {
    const handled: Step[] = [];
    const keyed = defineEvent("lab.lane_step_taken", {
      schema: {
        type: "object",
        required: ["step", "lane"],
        properties: { step: { type: "integer" }, lane: { type: "string" } },
      },
      key: ({ lane }) => lane,
    });
    const walker = defineSubscriber("walks.follow_lanes", {
      handle: async (event: Step) => void handled.push(event),
    });
    const transport = createSqlTransport({ database });
    const store = createEventStore({
      transport,
      source: "/lab",
      configure: (registry) => registry.subscribe(walker, { to: keyed }),
    });
    stores.push(store);
    const lanes = ["a", "b", "c", "d"];
    for (let step = 0; step < 20; step++) for (const lane of lanes) await store.publish(keyed.create({ step, lane }));

    const doomed = startChild(
      place,
      `
      await store.start();`,
      `say(event.data.lane + " " + event.data.step);
       if (event.data.step === 5) await new Promise(() => {});`,
      { leaseMs: 1_000 },
    );
    await doomed.says((lines) => lanes.every((lane) => lines.includes(`${lane} 5`)));
    doomed.process.kill("SIGKILL");
    await doomed.exit;
    await store.start();
    for (const lane of lanes) {
      const own = () => handled.filter(({ data }) => data.lane === lane).map(({ data }) => data.step);
      await until(() => own().length >= 15);
      expect(own()).toEqual(Array.from({ length: 15 }, (_, index) => index + 5));
      expect(doomed.said.filter((line) => line.startsWith(lane))).toEqual(
        Array.from({ length: 6 }, (_, step) => `${lane} ${step}`),
      );
    }
  });

  test("ES-146 a process dies between publish and commit: nothing is ever delivered", async () => {
    const publisher = startChild(
      place,
      `
      await database.transaction(async (transaction) => {
        await store.publish(Stepped.create({ step: 1 }), { transaction });
        say("published");
        await new Promise(() => {});
      }, { timeoutMs: 0 });`,
    );
    await publisher.says((lines) => lines.includes("published"));
    publisher.process.kill("SIGKILL");
    await publisher.exit;
    const handled: number[] = [];
    const store = openStore(handled);
    await store.start();
    await publish(store, [2]);
    await until(() => handled.includes(2));
    await idle(database);
    expect(handled).toEqual([2]);
  });

  test("ES-188 a pause that one process sets holds in another one and after a restart", async () => {
    const first = openStore([]);
    await first.pause("walks.remember_steps");
    const handled: number[] = [];
    const second = openStore(handled);
    await second.start();
    await publish(first, [1]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(handled).toEqual([]);
    await first.resume("walks.remember_steps");
    await until(() => handled.length === 1);
    await first.pause("walks.remember_steps");
    // The other process learns of it within 5 s.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await publish(first, [2]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(handled).toEqual([1]);
  });
}

async function idle(database: Database): Promise<void> {
  await until(async () => {
    const { rows } = await database.run("select count(*) as count from event_deliveries where state <> 3");
    return Number(rows[0]?.["count"]) === 0;
  });
}

function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  return vi.waitFor(async () => expect(await condition()).toBe(true), { timeout: 60_000, interval: 20 });
}

interface Child {
  readonly process: ChildProcess;
  /** Lines of `say`. */
  readonly said: string[];
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  says(condition: (lines: readonly string[]) => boolean): Promise<void>;
}

/** A process with a store on the data of `place`; `handler` is the body of its handler, `code` runs once. */
function startChild(place: Place, code: string, handler = "", limits: Partial<Limits> = {}): Child {
  const program = `
    import { writeSync } from "node:fs";
    import { openDatabase } from "@signalbox/database";
    import { createEventStore, createSqlTransport, defineEvent, defineSubscriber } from ${JSON.stringify(join(folder, "index.ts"))};
    const say = (text) => writeSync(1, text + "\\n");
    const database = await openDatabase(${JSON.stringify(place.target)});
    const transport = createSqlTransport({ database });
    const Stepped = defineEvent("lab.step_taken", { schema: { type: "object" } });
    const LaneStepped = defineEvent("lab.lane_step_taken", { schema: { type: "object" } });
    const handle = async (event) => { ${handler} };
    const store = createEventStore({
      transport, source: "/lab", limits: ${JSON.stringify(limits)},
      configure(registry) {
        registry.subscribe(defineSubscriber("walks.remember_steps", { handle }), { to: Stepped });
        registry.subscribe(defineSubscriber("walks.follow_lanes", { handle }), { to: LaneStepped });
      },
    });
    ${code}`;
  const child = spawn(
    process.execPath,
    ["--conditions=source", "--import", "tsx", "--input-type=module", "--eval", program],
    { cwd: folder, stdio: ["ignore", "pipe", "inherit"] },
  );
  children.push(child);
  const said: string[] = [];
  const { stdout } = child;
  if (stdout) createInterface(stdout).on("line", (line) => void said.push(line));
  return {
    process: child,
    said,
    exit: new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal }))),
    says: (condition) => vi.waitFor(() => expect(condition(said)).toBe(true), { timeout: 60_000, interval: 5 }),
  };
}
