import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startNats, startPostgres, startRedis } from "@signalbox/testing/servers";
import { openTransport, type TransportPlace } from "@signalbox/testing/transports";
import { type Benchmark, scaled } from "./harness.js";
import { createJobStore, jobFinished, jobPayload } from "./load/job-events.js";
import { type Program, runProgram } from "./load/program.js";

const perSecond = 300;
const secondsBeforeKill = scaled(5);
const secondsAfterKill = scaled(5);
const patienceMs = 60_000;

interface Recovery {
  readonly seconds: number;
  readonly lost: number;
  readonly extraRuns: number;
}

/** Where a transport stands, and how to leave it. */
interface Stand {
  readonly place: TransportPlace;
  stop(): Promise<void>;
}

const stands: Readonly<Record<string, (databasePath: string) => Promise<Stand>>> = {
  SQLite: async (databasePath) => ({ place: { kind: "sql", databasePath }, stop: async () => {} }),
  async PostgreSQL() {
    const server = await startPostgres();
    return { place: { kind: "sql", databaseUrl: await server.createDatabase() }, stop: () => server.stop() };
  },
  async BullMQ(databasePath) {
    const server = await startRedis();
    return { place: { kind: "bullmq", databasePath, url: server.url }, stop: () => server.stop() };
  },
  async JetStream(databasePath) {
    const server = await startNats();
    return { place: { kind: "jetstream", databasePath, url: server.url }, stop: () => server.stop() };
  },
};

/** How often each event was handled, by the number of its job. */
class Handled {
  readonly counts = new Map<number, number>();
  #started = 0;

  /** Called once when the next event is begun. */
  onBegin: (() => void) | undefined;

  hear(message: unknown, isDoomed: boolean): void {
    if (typeof message !== "object" || message === null) return;
    if ("started" in message) this.#started++;
    if ("begun" in message && isDoomed) this.onBegin?.();
    if (!("handled" in message)) return;
    const number = Number(message.handled);
    this.counts.set(number, (this.counts.get(number) ?? 0) + 1);
  }

  allStarted(workers: number): Promise<boolean> {
    return until(() => this.#started === workers);
  }
}

async function run(place: TransportPlace): Promise<Recovery> {
  const { transport, database } = await openTransport(place);
  const { store } = createJobStore({ transport, database, handling: "single" });
  const handled = new Handled();
  const workers: Program[] = [0, 1].map((index) =>
    runProgram("work-until-killed", [JSON.stringify(place)], (message) => handled.hear(message, index === 0)),
  );
  try {
    await handled.allStarted(workers.length);
    const published = new Set<number>();
    const publish = async (index: number): Promise<void> => {
      const payload = jobPayload(index);
      await store.publish(jobFinished.create(payload));
      published.add(payload.job_id);
    };
    const publishing = publishFor(secondsBeforeKill + secondsAfterKill, publish);
    await new Promise((resolve) => setTimeout(resolve, secondsBeforeKill * 1000));
    // In the middle of an event, so that there is something to recover.
    await new Promise<void>((resolve) => {
      handled.onBegin = resolve;
    });
    workers[0]?.process.kill("SIGKILL");
    const killedMs = performance.now();
    const before = new Set(published);
    await until(() => [...before].every((number) => handled.counts.has(number)));
    const seconds = (performance.now() - killedMs) / 1000;
    await publishing;
    await until(() => [...published].every((number) => handled.counts.has(number)));
    return {
      seconds,
      lost: [...published].filter((number) => !handled.counts.has(number)).length,
      extraRuns: [...handled.counts.values()].reduce((sum, count) => sum + count - 1, 0),
    };
  } finally {
    for (const worker of workers) worker.process.kill("SIGKILL");
    await Promise.all(workers.map(({ ended }) => ended));
    await store.stop();
    await database.close();
  }
}

async function publishFor(seconds: number, publish: (index: number) => Promise<void>): Promise<void> {
  const startMs = performance.now();
  const underway: Promise<void>[] = [];
  while (underway.length < seconds * perSecond) {
    const due = Math.min(seconds * perSecond, ((performance.now() - startMs) / 1000) * perSecond);
    while (underway.length < due) underway.push(publish(underway.length));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await Promise.all(underway);
}

async function until(condition: () => boolean): Promise<boolean> {
  const untilMs = performance.now() + patienceMs;
  while (!condition()) {
    if (performance.now() > untilMs) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

/** One of two workers is killed under load, on each transport. */
export const eventStoreRecovery: Benchmark = {
  name: "event-store-recovery",
  proves: ["ES-911"],
  async run(report) {
    for (const [name, open] of Object.entries(stands)) {
      const directory = await mkdtemp(join(tmpdir(), "signalbox-bench-"));
      const stand = await open(join(directory, "bench.sqlite"));
      const { seconds, lost, extraRuns } = await run(stand.place);
      await stand.stop();
      await rm(directory, { recursive: true });
      report({
        workload: `${name}, ${perSecond} events a second, two workers with handlers of 20 ms, one of them killed: until everything published before is handled`,
        measured: { value: seconds, unit: "s, at most" },
        target: 15,
        notes: { lost, extra_runs: extraRuns },
      });
    }
  },
};
