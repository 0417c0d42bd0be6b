import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EventStore } from "../event-store.js";
import type { Limits } from "../limits.js";
import type { TestRunner } from "./contract.js";
import {
  LaneStepped,
  laneSubscriber,
  type OpenedTransport,
  openLabStore,
  type Step,
  Stepped,
  stepSubscriber,
  type TransportModule,
} from "./process-lab.js";
import type { ProcessTask } from "./process-program.js";
import { startStopwatch } from "./stopwatch.js";
import type { Lease } from "./transport.js";

export interface ProcessContractOptions {
  readonly name: string;
  /** Address of a module with `openTransport(place)`, which this and other processes import: a `TransportModule`. */
  readonly module: string;
  /** New, empty data. `place` is handed to `openTransport`, in other processes as JSON. */
  create(): Promise<{ readonly place: unknown; destroy(): Promise<void> }>;
  /** Kills the engine and starts it again on its data, where the order of keys is to survive that as well. */
  restart?(): Promise<void>;
  /** What Node has to be told so that it can import the module. Default: nothing. */
  readonly nodeArguments?: readonly string[];
  readonly runner: Pick<TestRunner, "describe" | "test">;
}

const patienceMs = 60_000;
/** Of processes that will be killed: what they held is waited for, yet a busy machine must not make them lose it alive. */
const shortLeaseMs = 2_000;
/** The built one in any case: processes start in a third of the time without a loader. */
const fromSource = import.meta.url.endsWith(".ts");
const program = fileURLToPath(
  new URL(fromSource ? "../dist/transports/process-program.js" : "process-program.js", import.meta.url),
);

/** What holds when processes that share a transport are killed. Each test has data of its own. */
export function describeTransportProcesses(options: ProcessContractOptions): void {
  const { describe, test } = options.runner;

  describe(`${options.name} with several processes`, () => {
    const inLab =
      (work: (lab: Lab) => Promise<void>): (() => Promise<void>) =>
      async () => {
        const { place, destroy } = await options.create();
        const { openTransport }: TransportModule = await import(options.module);
        const lab = new Lab(options, place, await openTransport(place));
        try {
          await work(lab);
        } finally {
          await lab.close();
          await destroy();
        }
      };

    test(
      "ES-201 ES-101 a publisher is killed: everything that it was told is published gets handled",
      inLab(async (lab) => {
        const publisher = lab.start("publish");
        await publisher.says((lines) => lines.length >= 500);
        await publisher.kill();
        const acknowledged = publisher.said.map(Number);
        const handled: number[] = [];
        await lab.open(async ({ data }) => void handled.push(data.step)).start();
        // On a busy machine there may be many thousands before the publisher is stopped.
        await until(() => {
          const seen = new Set(handled);
          return acknowledged.every((step) => seen.has(step));
        });
        await lab.idle();
        assert.equal(new Set(handled).size, handled.length);
      }),
    );

    test(
      "ES-167 a worker is killed while it handles: another one takes over within 15 s, with at most one extra run",
      inLab(async (lab) => {
        const steps = Array.from({ length: 30 }, (_, step) => step);
        const handled: number[] = [];
        const store = lab.open(async ({ data }) => void handled.push(data.step));
        await publishSteps(store, steps);
        const doomed = lab.start("begin");
        await doomed.says((lines) => lines.length >= 8);
        await doomed.kill();
        const watch = startStopwatch();
        await store.start();
        await until(() => steps.every((step) => handled.includes(step)));
        // What the killed process had taken has to wait for its leases of 10 s.
        assert.ok(watch.stop() < 15_000);
        await lab.idle();
        assert.deepEqual(sorted(handled), steps);
        assert.equal(new Set(doomed.said).size, doomed.said.length);
        assert.deepEqual((await store.dead.list()).letters, []);
      }),
    );

    test(
      "ES-169 an event that kills its process is buried after three crashes alone; the healthy ones beside it live",
      inLab(async (lab) => {
        const publisher = lab.open();
        await publishSteps(publisher, [1, 2, 3, 4, 5]);
        await publisher.publish(Stepped.create({ step: 666, poison: true }));
        await publishSteps(publisher, [6, 7, 8, 9, 10]);
        const handled = new Set<number>();
        let kills = 0;
        for (let ended = false; !ended; ) {
          const worker = lab.start("survive", { leaseMs: shortLeaseMs });
          const { code, signal } = await worker.exit;
          if (signal === "SIGKILL") kills++;
          for (const line of worker.said) {
            if (line.startsWith("dead ")) assert.deepEqual(JSON.parse(line.slice(5)), [["crashed", 666]]);
            else handled.add(Number(line));
          }
          ended = code === 0;
          assert.ok(ended || signal === "SIGKILL", `ended with ${code ?? signal}`);
          assert.ok(kills <= 5, "killed more than five times");
        }
        // Two in company, then three alone.
        assert.equal(kills, 5);
        assert.deepEqual(sorted(handled), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      }),
    );

    test(
      "ES-169 what killed processes had taken and not begun is held against it once at most, however often that happens",
      inLab(async (lab) => {
        const publisher = lab.open();
        await publishSteps(publisher, range(0, 16));
        const begun: string[] = [];
        for (let kill = 1; kill <= 2; kill++) {
          const doomed = lab.start("begin", { leaseMs: shortLeaseMs });
          // As many begin at once. It has taken the others, too.
          await doomed.says((lines) => lines.length >= 8);
          await until(async () => (await lab.running()) === 16);
          await doomed.kill();
          if (kill > 1) begun.push(...doomed.said);
        }
        for (const { body, crashes, crashesAlone } of await lab.take(16)) {
          const step: number = JSON.parse(body).data.step;
          const doings = begun.filter((said) => Number(said) === step).length;
          assert.ok(crashes + crashesAlone <= 1 + doings, `${step} crashed ${crashes} times`);
        }
      }),
    );

    test(
      "ES-183 the order of each key survives the death of a worker",
      inLab(async (lab) => {
        const followed: Step[] = [];
        const store = lab.open(async (event) => void followed.push(event));
        const lanes = ["a", "b", "c", "d"];
        for (let step = 0; step < 20; step++)
          for (const lane of lanes) await store.publish(LaneStepped.create({ step, lane }));
        const doomed = lab.start("follow", { leaseMs: shortLeaseMs });
        // Where keys share a partition, one that waits holds up the others of it.
        const reached = lab.isExact ? lanes.every.bind(lanes) : lanes.some.bind(lanes);
        await doomed.says((lines) => reached((lane) => lines.includes(`${lane} 5`)));
        await doomed.kill();
        await options.restart?.();
        await until(() => starts(store), 100);
        for (const lane of lanes) {
          // On a busy machine a lease of this length may run out meanwhile, and what had begun is repeated in its place.
          const before = doomed.said
            .filter((line) => line.startsWith(lane))
            .map((line) => Number(line.split(" ")[1]))
            .filter((step, index, steps) => step !== steps[index - 1]);
          const own = (): number[] => followed.filter(({ data }) => data.lane === lane).map(({ data }) => data.step);
          await until(() => own().at(-1) === 19);
          // What had begun may be repeated, nothing is left out, and nothing overtakes.
          const [first = 0] = own();
          assert.ok(first >= (before.at(-1) ?? 0) - 1 && first <= before.length, `${lane} goes on with ${first}`);
          assert.deepEqual(own(), range(first, 20));
          assert.deepEqual(before, range(0, before.length));
        }
      }),
    );

    test(
      "ES-188 a pause that one process sets holds in another one",
      inLab(async (lab) => {
        const store = lab.open();
        await store.pause(stepSubscriber);
        // It reads pauses when it starts, and every few seconds from then on.
        const worker = lab.start("listen");
        await worker.says((lines) => lines.includes("started"));
        await publishSteps(store, [1]);
        await sleep(500);
        assert.deepEqual(worker.said, ["started"]);
        await store.resume(stepSubscriber);
        await worker.says((lines) => lines.includes("1"));
      }),
    );
  });
}

/** The data of one test, and the stores and processes on it. */
class Lab {
  readonly #options: ProcessContractOptions;
  readonly #place: unknown;
  readonly #opened: OpenedTransport;
  readonly #processes: LabProcess[] = [];
  #store: EventStore | undefined;

  constructor(options: ProcessContractOptions, place: unknown, opened: OpenedTransport) {
    this.#options = options;
    this.#place = place;
    this.#opened = opened;
  }

  get isExact(): boolean {
    return this.#opened.transport.keyIsolation === "exact";
  }

  /** The store of this process. */
  open(handle: (event: Step) => Promise<void> = async () => {}): EventStore {
    this.#store = openLabStore(this.#opened, handle);
    return this.#store;
  }

  start(role: ProcessTask["role"], limits: Partial<Limits> = {}): LabProcess {
    const { module, nodeArguments = [] } = this.#options;
    const task: ProcessTask = { role, module, place: this.#place, limits };
    const child = spawn(process.execPath, [...nodeArguments, program, JSON.stringify(task)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const started = new LabProcess(child);
    this.#processes.push(started);
    return started;
  }

  /** How many deliveries of steps are with a consumer. */
  async running(): Promise<number> {
    return (await this.#opened.transport.depth(stepSubscriber)).running;
  }

  /** Takes so many deliveries of steps as a consumer does, and handles none of them. */
  async take(count: number): Promise<readonly Lease[]> {
    const leases: Lease[] = [];
    const limits = { maxInFlight: count, leaseMs: 60_000, maxTotal: null, perKey: 1, rateLimit: null };
    const spec = { ...limits, capacity: () => count - leases.length, limited: () => {}, hurry: () => {} };
    const consumer = this.#opened.transport.consume(
      { subscriber: stepSubscriber, ...spec },
      (batch) => void leases.push(...batch),
    );
    await until(() => leases.length === count);
    await consumer.stop();
    return leases;
  }

  /** Resolves when nothing is left to be done. */
  idle(): Promise<void> {
    const { transport } = this.#opened;
    return until(async () => {
      for (const subscriber of [stepSubscriber, laneSubscriber]) {
        const { ready, scheduled, running, blocked } = await transport.depth(subscriber);
        if (ready + scheduled + running + blocked > 0) return false;
      }
      return true;
    });
  }

  async close(): Promise<void> {
    for (const process of this.#processes) await process.kill();
    await this.#store?.stop({ deadlineMs: 1_000 });
    await this.#opened.transport.close();
    await this.#opened.close();
  }
}

class LabProcess {
  /** Its lines so far. */
  readonly said: string[] = [];
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout) createInterface(child.stdout).on("line", (line) => void this.said.push(line));
    this.exit = new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal })));
  }

  says(condition: (lines: readonly string[]) => boolean): Promise<void> {
    return until(() => condition(this.said), 5);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exit;
  }
}

function publishSteps(store: EventStore, steps: readonly number[]): Promise<unknown> {
  return Promise.all(steps.map((step) => store.publish(Stepped.create({ step }))));
}

/** An engine that has just come back may not take connections yet. */
function starts(store: EventStore): Promise<boolean> {
  return store.start().then(
    () => true,
    () => false,
  );
}

async function until(condition: () => boolean | Promise<boolean>, intervalMs = 20): Promise<void> {
  const untilMs = Date.now() + patienceMs;
  while (!(await condition())) {
    assert.ok(Date.now() < untilMs, "it did not happen in time");
    await sleep(intervalMs);
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function sorted(numbers: Iterable<number>): number[] {
  return [...numbers].sort((left, right) => left - right);
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
