import { writeSync } from "node:fs";
import type { Limits } from "../limits.js";
import { openLabStore, type Step, Stepped, stepSubscriber, type TransportModule } from "./process-lab.js";

// A process of the contract's tests: says what it does, line by line, until it is killed.

export interface ProcessTask {
  readonly role: keyof typeof roles;
  /** Address of the module that opens the transport, and what it is given. */
  readonly module: string;
  readonly place: unknown;
  readonly limits: Partial<Limits>;
}

const never = new Promise<never>(() => {});
const publishersAtOnce = 50;

const roles = {
  /** Publishes on and on, and says what it was told is published. */
  publish: async () => {
    const store = openLabStore(opened, async () => {});
    let next = 0;
    const publishOn = async (): Promise<void> => {
      for (;;) {
        const step = next++;
        await store.publish(Stepped.create({ step }));
        say(step);
      }
    };
    await Promise.all(Array.from({ length: publishersAtOnce }, publishOn));
  },
  /** Begins to handle and never ends. */
  begin: () => handle(async ({ data }) => begin(data.step)),
  /** Follows lanes up to step 5, where it never ends. */
  follow: () =>
    handle(async ({ data }) => {
      say(`${data.lane} ${data.step}`);
      if (data.step === 5) await never;
    }),
  /** Handles and says what. */
  listen: async () => {
    await handle(async ({ data }) => say(data.step));
    say("started");
  },
  /** Dies of poison, and ends by itself once that is buried and everything else is done. */
  survive: async () => {
    const store = await handle(async ({ data }) => {
      if (data.poison) process.kill(process.pid, "SIGKILL");
      await sleep(20);
      say(data.step);
    });
    for (;;) {
      await sleep(100);
      const { letters } = await store.dead.list();
      const { ready, running, scheduled } = await opened.transport.depth(stepSubscriber);
      if (letters.length === 0 || ready + running + scheduled > 0) continue;
      say(`dead ${JSON.stringify(letters.map(({ reason, event }) => [reason, JSON.parse(event).data.step]))}`);
      await store.stop();
      await opened.close();
      return;
    }
  },
};

async function handle(work: (event: Step) => Promise<void>): Promise<ReturnType<typeof openLabStore>> {
  const store = openLabStore(opened, work, task.limits);
  await store.start();
  return store;
}

async function begin(step: number): Promise<void> {
  say(step);
  await never;
}

function say(text: string | number): void {
  writeSync(1, `${text}\n`);
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

// Written by the contract, which started this process.
const task: ProcessTask = JSON.parse(process.argv[2] ?? "");
const { openTransport }: TransportModule = await import(task.module);
const opened = await openTransport(task.place);
await roles[task.role]();
