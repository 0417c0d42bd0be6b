import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Database, migrate, openDatabase } from "@signalbox/database";
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
import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createBullmqTransport } from "./transport.js";

const folder = dirname(fileURLToPath(import.meta.url));

/** What every process of these tests agrees on. */
const Stepped = defineEvent("lab.step_taken", {
  schema: {
    type: "object",
    required: ["step"],
    properties: { step: { type: "integer" }, poison: { type: "boolean" }, lane: { type: "string" } },
  },
});
const LaneStepped = defineEvent("lab.lane_step_taken", {
  schema: {
    type: "object",
    required: ["step", "lane"],
    properties: { step: { type: "integer" }, lane: { type: "string" } },
  },
  key: ({ lane }) => lane,
});
type Step = DomainEvent<{ step: number; poison?: boolean; lane?: string }>;

const needed = requireServers(["redis-server"]);
describe.skipIf(needed.skip)(needed.title("processes on Redis"), () => {
  let server: TestServer;
  let directory: string;
  let database: Database;
  let prefix: string;
  let transport: Transport;
  let prefixes = 0;
  const children: ChildProcess[] = [];
  const stores: EventStore[] = [];
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    prefix = `processes-${++prefixes}`;
    directory = mkdtempSync(join(tmpdir(), "event-store-bullmq-"));
    database = await openDatabase({ path: join(directory, "events.db") });
    await migrate(database, [eventStoreMigrations]);
    transport = createBullmqTransport({ url: server.url, prefix });
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const store of stores.splice(0)) await store.stop({ deadlineMs: 1_000 });
    await transport.close();
    await database.close();
    rmSync(directory, { recursive: true });
  });

  /** A store of this process whose handler collects the events. */
  const openStore = (handled: Step[] = [], limits: Partial<Limits> = {}): EventStore => {
    const handle = async (event: Step): Promise<void> => void handled.push(event);
    const store = createEventStore({
      transport,
      database,
      source: "/lab",
      limits,
      configure(registry) {
        registry.subscribe(defineSubscriber("walks.remember_steps", { handle }), { to: Stepped });
        registry.subscribe(defineSubscriber("walks.follow_lanes", { handle }), { to: LaneStepped });
      },
    });
    stores.push(store);
    return store;
  };
  const publish = (store: EventStore, steps: readonly number[]): Promise<unknown> =>
    Promise.all(steps.map((step) => store.publish(Stepped.create({ step }))));
  const idle = (): Promise<void> => until(async () => (await transport.subscribers()).length === 0);
  const steps = (events: readonly Step[]): number[] => events.map(({ data }) => data.step);

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

    const handled: Step[] = [];
    await openStore(handled).start();
    await until(() => {
      const seen = new Set(steps(handled));
      return acknowledged.every((step) => seen.has(step));
    });
    await idle();
    expect(new Set(steps(handled)).size).toBe(handled.length);
  });

  test("ES-167 a worker is killed while it handles: another one takes over within 15 s, with at most one extra run", async () => {
    const all = Array.from({ length: 30 }, (_, step) => step);
    const handled: Step[] = [];
    const store = openStore(handled);
    await publish(store, all);
    const doomed = startChild("await store.start();", `say("began " + event.data.step); await new Promise(() => {});`);
    await doomed.says((lines) => lines.length >= 8);
    doomed.process.kill("SIGKILL");
    await doomed.exit;
    const killedAtMs = Date.now();

    await store.start();
    await until(() => new Set(steps(handled)).size === all.length);
    // What the killed process had taken has to wait for its leases of 10 s.
    expect(Date.now() - killedAtMs).toBeLessThan(15_000);
    await idle();
    expect(steps(handled).toSorted((left, right) => left - right)).toEqual(all);
    expect(new Set(doomed.said).size).toBe(doomed.said.length);
    expect((await store.dead.list()).letters).toEqual([]);
  });

  test("ES-169 an event that kills its process is buried after three crashes alone; the healthy ones beside it live", async () => {
    const publisher = openStore();
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

  test("ES-183 the order of each key survives the death of a worker and of Redis", async () => {
    const handled: Step[] = [];
    const store = openStore(handled);
    const lanes = ["a", "b", "c", "d"];
    for (let step = 0; step < 20; step++)
      await Promise.all(lanes.map((lane) => store.publish(LaneStepped.create({ step, lane }))));

    const doomed = startChild(
      "await store.start();",
      `say(event.data.lane + " " + event.data.step);
       if (event.data.step === 5) await new Promise(() => {});`,
      { leaseMs: 1_000 },
    );
    await doomed.says((lines) => lanes.every((lane) => lines.includes(`${lane} 5`)));
    doomed.process.kill("SIGKILL");
    await doomed.exit;
    await server.kill();
    await server.restart();
    await until(() =>
      store.start().then(
        () => true,
        () => false,
      ),
    );
    for (const lane of lanes) {
      const own = (): number[] => steps(handled.filter(({ data }) => data.lane === lane));
      await until(() => own().length >= 15);
      expect(own()).toEqual(Array.from({ length: 15 }, (_, index) => index + 5));
      expect(doomed.said.filter((line) => line.startsWith(lane))).toEqual(
        Array.from({ length: 6 }, (_, step) => `${lane} ${step}`),
      );
    }
  });

  test("ES-188 a pause that one process sets holds in another one", async () => {
    const worker = startChild(`await store.start(); say("started");`, `say("handled " + event.data.step);`);
    const store = openStore();
    await store.pause("walks.remember_steps");
    await worker.says((lines) => lines.includes("started"));
    // The other process learns of it within 5 s.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await publish(store, [1]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(worker.said).toEqual(["started"]);
    await store.resume("walks.remember_steps");
    await worker.says((lines) => lines.includes("handled 1"));
  });

  /** A process with a store on the same data; `handler` is the body of its handler, `code` runs once. */
  function startChild(code: string, handler = "", limits: Partial<Limits> = {}): Child {
    const program = `
      import { writeSync } from "node:fs";
      import { openDatabase } from "@signalbox/database";
      import { createEventStore, defineEvent, defineSubscriber } from "@signalbox/event-store";
      import { createBullmqTransport } from ${JSON.stringify(join(folder, "index.ts"))};
      const say = (text) => writeSync(1, text + "\\n");
      const database = await openDatabase(${JSON.stringify({ path: join(directory, "events.db") })});
      const transport = createBullmqTransport(${JSON.stringify({ url: server.url, prefix })});
      const Stepped = defineEvent("lab.step_taken", { schema: { type: "object" } });
      const LaneStepped = defineEvent("lab.lane_step_taken", { schema: { type: "object" } });
      const handle = async (event) => { ${handler} };
      const store = createEventStore({
        transport, database, source: "/lab", limits: ${JSON.stringify(limits)},
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
      says: (condition) => until(() => condition(said)),
    };
  }
});

interface Child {
  readonly process: ChildProcess;
  /** Lines of `say`. */
  readonly said: string[];
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  says(condition: (lines: readonly string[]) => boolean): Promise<void>;
}

function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  return vi.waitFor(async () => expect(await condition()).toBe(true), { timeout: 60_000, interval: 20 });
}
