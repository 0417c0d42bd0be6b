import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import {
  createEventStore,
  type DomainEvent,
  defineEvent,
  defineSubscriber,
  type EventStore,
  eventStoreMigrations,
  type Limits,
  type Transport,
} from "@signalbox/event-store";
import { requireServers, startNats, type TestServer } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { jetStreamMigrations } from "./migrations.js";
import { createJetStreamTransport } from "./transport.js";

const folder = dirname(fileURLToPath(import.meta.url));
const children: ChildProcess[] = [];
const stores: EventStore[] = [];
/** How often the server is killed under load; with more: `JETSTREAM_KILLS=20`. */
const kills = Number(process.env["JETSTREAM_KILLS"] ?? 2);
const needed = requireServers(["nats-server"]);

/** What every process of these tests agrees on. */
const Stepped = defineEvent("lab.step_taken", {
  schema: {
    type: "object",
    required: ["step"],
    properties: { step: { type: "integer" }, poison: { type: "boolean" } },
  },
});
type Step = DomainEvent<{ step: number; poison?: boolean }>;
const LaneStepped = defineEvent("lab.lane_step_taken", {
  schema: {
    type: "object",
    required: ["step", "lane"],
    properties: { step: { type: "integer" }, lane: { type: "string" } },
  },
  key: ({ lane }) => lane,
});
type LaneStep = DomainEvent<{ step: number; lane: string }>;

describe.skipIf(needed.skip)(needed.title("JetStream with several processes"), () => {
  let server: TestServer;
  let directory: string;
  let database: Database;
  let transport: Transport;
  let root: string;
  let count = 0;

  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "jetstream-processes-"));
    database = await openSqlite({ path: join(directory, "events.db") });
    await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
    root = `lab${++count}`;
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const store of stores.splice(0)) await store.stop({ deadlineMs: 1_000 });
    await database.close();
    rmSync(directory, { recursive: true });
  });

  const names = () => ({ stream: root.toUpperCase(), root });

  /** A store of this process whose handler collects the steps. */
  const openStore = (steps: number[], limits: Partial<Limits> = {}, lanes: LaneStep[] = []): EventStore => {
    const walker = defineSubscriber("walks.remember_steps", {
      handle: async (event: Step) => void steps.push(event.data.step),
    });
    const follower = defineSubscriber("walks.follow_lanes", {
      handle: async (event: LaneStep) => void lanes.push(event),
    });
    transport = createJetStreamTransport({
      servers: server.url,
      database,
      names: names(),
      maxBytes: 268_435_456,
    });
    const store = createEventStore({
      transport,
      database,
      source: "/lab",
      limits,
      configure(registry) {
        registry.subscribe(walker, { to: Stepped });
        registry.subscribe(follower, { to: LaneStepped });
      },
    });
    stores.push(store);
    return store;
  };
  const publish = (store: EventStore, steps: readonly number[]): Promise<unknown> =>
    Promise.all(steps.map((step) => store.publish(Stepped.create({ step }))));
  const idle = () =>
    until(async () => {
      const { ready, scheduled, running } = await transport.depth("walks.remember_steps");
      return ready + scheduled + running === 0;
    });

  /** A process with a store of its own; `handler` is the body of its handler, `code` runs once. */
  const startChild = (code: string, handler = "", limits: Partial<Limits> = {}): Child =>
    spawnChild(`
      import { writeSync } from "node:fs";
      import { openDatabase } from "@signalbox/database";
      import { createEventStore, defineEvent, defineSubscriber } from "@signalbox/event-store";
      import { createJetStreamTransport } from ${JSON.stringify(join(folder, "index.ts"))};
      const say = (text) => writeSync(1, text + "\\n");
      const database = await openDatabase(${JSON.stringify({ path: join(directory, "events.db") })});
      const transport = createJetStreamTransport({
        servers: ${JSON.stringify(server.url)}, database, names: ${JSON.stringify(names())}, maxBytes: 268_435_456 });
      const Stepped = defineEvent("lab.step_taken", { schema: { type: "object" } });
      const LaneStepped = defineEvent("lab.lane_step_taken", { schema: { type: "object" }, key: ({ lane }) => lane });
      const handle = async (event) => { ${handler} };
      const store = createEventStore({
        transport, database, source: "/lab", limits: ${JSON.stringify(limits)},
        configure(registry) {
          registry.subscribe(defineSubscriber("walks.remember_steps", { handle }), { to: Stepped });
          registry.subscribe(defineSubscriber("walks.follow_lanes", { handle }), { to: LaneStepped });
        },
      });
      ${code}`);

  test("ES-201 ES-101 a publisher is killed: everything that it was told is published gets handled", async () => {
    const publisher = startChild(`
      let step = 0;
      const publishOn = async () => {
        for (;;) {
          const own = step++;
          await store.publish(Stepped.create({ step: own }));
          say("published " + own);
        }
      };
      await Promise.all(Array.from({ length: 50 }, publishOn));`);
    await publisher.says((lines) => lines.length >= 500);
    publisher.process.kill("SIGKILL");
    await publisher.exit;
    const acknowledged = publisher.said.map((line) => Number(line.split(" ")[1]));
    expect(acknowledged.length).toBeGreaterThanOrEqual(500);

    const handled: number[] = [];
    await openStore(handled).start();
    await until(() => {
      const seen = new Set(handled);
      return acknowledged.every((step) => seen.has(step));
    });
    await idle();
    expect(new Set(handled).size).toBe(handled.length);
  });

  test("ES-167 a worker is killed while it handles: another one takes over within 15 s, with at most one extra run", async () => {
    const steps = Array.from({ length: 30 }, (_, step) => step);
    await publish(openStore([]), steps);
    const doomed = startChild("await store.start();", `say("began " + event.data.step); await new Promise(() => {});`);
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
    await idle();
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
        { leaseMs: 1_000 },
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
    const lanes = ["a", "b", "c", "d"];
    const followed: LaneStep[] = [];
    const store = openStore([], {}, followed);
    for (let step = 0; step < 20; step++)
      for (const lane of lanes) await store.publish(LaneStepped.create({ step, lane }));
    const doomed = startChild(
      "await store.start();",
      `say(event.data.lane + " " + event.data.step);
       if (event.data.step === 5) await new Promise(() => {});`,
      { leaseMs: 1_000 },
    );
    await doomed.says((lines) => lanes.some((lane) => lines.includes(`${lane} 5`)));
    doomed.process.kill("SIGKILL");
    await doomed.exit;
    await store.start();
    for (const lane of lanes) {
      const before = doomed.said.filter((line) => line.startsWith(lane)).map((line) => Number(line.split(" ")[1]));
      const own = () => followed.filter(({ data }) => data.lane === lane).map(({ data }) => data.step);
      await until(() => own().at(-1) === 19);
      // What had begun may be repeated, nothing is left out, and nothing overtakes.
      const first = own()[0] ?? 0;
      expect(first).toBeGreaterThanOrEqual((before.at(-1) ?? 0) - 1);
      expect(first).toBeLessThanOrEqual(before.length);
      expect(own()).toEqual(Array.from({ length: 20 - first }, (_, index) => first + index));
    }
  });

  test("ES-201 ES-210 the server is killed and comes back under load: nothing that was acknowledged is lost", async () => {
    const handled: number[] = [];
    const worker = openStore(handled);
    await worker.start();
    const publisher = openStore([]);
    const acknowledged: number[] = [];
    let step = 0;
    let isLoad = true;
    const publishOn = async (): Promise<void> => {
      while (isLoad) {
        const event = Stepped.create({ step: step++ });
        // A careful publisher repeats what was not acknowledged, with the same event.
        for (;;) {
          const done = await publisher.publish(event).then(
            () => true,
            (error: { retryable?: boolean }) => {
              expect(error.retryable).toBe(true);
              return false;
            },
          );
          if (done) break;
        }
        acknowledged.push(event.data.step);
      }
    };
    const load = Promise.all(Array.from({ length: 20 }, publishOn));
    for (let round = 1; round <= kills; round++) {
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 300);
      await server.kill();
      await server.restart();
    }
    const before = acknowledged.length;
    await until(() => acknowledged.length > before + 100);
    isLoad = false;
    await load;
    await until(() => {
      const seen = new Set(handled);
      return acknowledged.every((own) => seen.has(own));
    });
    // What the server had not taken as settled is repeated: at most one extra run for each kill.
    const runs = new Map<number, number>();
    for (const own of handled) runs.set(own, (runs.get(own) ?? 0) + 1);
    expect(Math.max(...runs.values())).toBeLessThanOrEqual(1 + kills);
    await idle();
  });

  test("ES-210 while the server is away publishing is refused within 5 s, and a handler that ends meanwhile is settled later", async () => {
    let finish = (): void => {};
    const handled: number[] = [];
    const slow = defineSubscriber("walks.take_time", {
      handle: async (event: Step) => {
        handled.push(event.data.step);
        if (event.data.step === 1)
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
      },
    });
    const own = createJetStreamTransport({ servers: server.url, database, names: names(), maxBytes: 268_435_456 });
    const store = createEventStore({
      transport: own,
      database,
      source: "/lab",
      configure: (registry) => registry.subscribe(slow, { to: Stepped }),
    });
    stores.push(store);
    await store.start();
    await store.publish(Stepped.create({ step: 1 }));
    await until(() => handled.length === 1);
    await server.kill();
    finish();
    const event = Stepped.create({ step: 2 });
    const startedMs = performance.now();
    await expect(store.publish(event)).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNAVAILABLE", retryable: true });
    expect(performance.now() - startedMs).toBeLessThan(6_000);
    await server.restart();
    await until(() =>
      store.publish(event).then(
        () => true,
        () => false,
      ),
    );
    await until(() => handled.includes(2));
    await until(async () => (await own.depth("walks.take_time")).running === 0);
    expect(handled).toEqual([1, 2]);
  });
});

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

function spawnChild(program: string): Child {
  const child = spawn(
    process.execPath,
    ["--conditions=source", "--import", "tsx", "--input-type=module", "--eval", program],
    { cwd: folder, stdio: ["ignore", "pipe", "inherit"] },
  );
  children.push(child);
  const said: string[] = [];
  createInterface(child.stdout).on("line", (line) => void said.push(line));
  return {
    process: child,
    said,
    exit: new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal }))),
    says: (condition) => vi.waitFor(() => expect(condition(said)).toBe(true), { timeout: 60_000, interval: 5 }),
  };
}
