import type { Worker } from "node:worker_threads";
import {
  type Clock,
  createService,
  type Logger,
  type Metrics,
  type Service,
  startWorkerThread,
} from "@signalbox/kernel";
import type { NostrEvent } from "@signalbox/nostr";
import { RelayError } from "../errors.js";
import {
  type ModuleContext,
  type ModuleDecision,
  type ModuleReply,
  type ModuleRequest,
  readDecision,
} from "./answers.js";

/** Why a module gave no decision. */
export type ModuleFault = "throw" | "overrun" | "answer";

export type ModuleAnswer = ModuleDecision | { readonly kind: "fault"; readonly fault: ModuleFault };

/**
 * The operator's own part of the policy, in a thread of its own. Questions are answered one after the other; `ask` never
 * rejects. What a module does not decide within its budget ends as a fault, and it begins anew for the next question.
 */
export interface PolicyModule extends Service {
  ask(event: NostrEvent, context: ModuleContext): Promise<ModuleAnswer>;
}

export interface PolicyModuleOptions {
  /** An ES module that exports `decide(event, context)`. */
  readonly path: string;
  readonly budgetMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** How long a module may take to be loaded. */
const loadMs = 10_000;
const resourceLimits = { maxOldGenerationSizeMb: 256 };

interface Thread {
  readonly worker: Worker;
  /** Resolves with the next reply, or with why there is none. */
  reply(withinMs: number): Promise<ModuleReply | "overrun" | Error>;
}

/** Its `start` rejects with `RELAY_BAD_POLICY_MODULE` when the module cannot be used. */
export function createPolicyModule(options: PolicyModuleOptions): PolicyModule {
  const { path, budgetMs, clock, logger } = options;
  const faults = options.metrics.counter({
    name: "signalbox_relay_policy_module_faults_total",
    help: "Events that the policy module gave no decision about.",
    labels: ["reason"],
    known: [{ reason: "throw" }, { reason: "overrun" }, { reason: "answer" }],
  });
  let thread: Thread | undefined;
  let asking: Promise<unknown> = Promise.resolve();
  let stopped = false;

  const end = async (): Promise<void> => {
    const ended = thread;
    thread = undefined;
    await ended?.worker.terminate();
  };

  /** @throws {RelayError} `RELAY_BAD_POLICY_MODULE` */
  const load = async (): Promise<Thread> => {
    const started = startThread(clock);
    thread = started;
    post(started, { kind: "load", path });
    const reply = await started.reply(loadMs);
    if (typeof reply === "object" && "kind" in reply && reply.kind === "loaded") return started;
    await end();
    throw new RelayError("RELAY_BAD_POLICY_MODULE", { message: `The policy module ${path} ${whyUnusable(reply)}` });
  };

  const askThread = async (event: NostrEvent, context: ModuleContext): Promise<ModuleAnswer> => {
    if (stopped) return { kind: "fault", fault: "throw" };
    const fault = async (reason: ModuleFault, why: unknown): Promise<ModuleAnswer> => {
      faults.add(1, { reason });
      logger.warn("the policy module gave no decision", { reason, why, event_id: event.id });
      return { kind: "fault", fault: reason };
    };
    try {
      const current = thread ?? (await load());
      post(current, { kind: "decide", event, context });
      const reply = await current.reply(budgetMs);
      if (reply === "overrun") {
        await end();
        return await fault("overrun", `it took longer than ${budgetMs} ms`);
      }
      if (reply instanceof Error) {
        await end();
        return await fault("throw", reply);
      }
      if (reply.kind === "thrown") return await fault("throw", reply.message);
      const decision = reply.kind === "decided" ? readDecision(reply.answer) : undefined;
      return decision ?? (await fault("answer", "its answer is no decision"));
    } catch (error) {
      return fault("throw", error);
    }
  };

  return {
    ...createService({
      name: "policy module",
      start: async () => void (await load()),
      async stop() {
        stopped = true;
        await asking;
        await end();
      },
    }),
    ask(event, context) {
      const answer = asking.then(() => askThread(event, context));
      asking = answer;
      return answer;
    },
  };
}

function post({ worker }: Thread, request: ModuleRequest): void {
  worker.postMessage(request);
}

function startThread(clock: Clock): Thread {
  const worker = startWorkerThread(import.meta.url, "worker", { resourceLimits });
  // It keeps no process alive; who waits for an answer does.
  worker.unref();
  let deliver = (_reply: ModuleReply | Error): void => {};
  let failure: Error | undefined;
  worker.on("message", (reply: ModuleReply) => deliver(reply));
  worker.on("error", (error) => {
    failure = error;
    deliver(error);
  });
  worker.on("exit", () => {
    failure ??= new Error("the thread ended");
    deliver(failure);
  });
  return {
    worker,
    reply: (withinMs) =>
      new Promise((resolve) => {
        const timer = clock.setTimer(withinMs, () => {
          // An answer that is here already, and only was not heard yet, is in time.
          setImmediate(() => resolve("overrun"));
        });
        deliver = (reply) => {
          timer.cancel();
          resolve(reply);
        };
        if (failure) deliver(failure);
      }),
  };
}

function whyUnusable(reply: ModuleReply | "overrun" | Error): string {
  if (reply === "overrun") return `was not loaded within ${loadMs / 1_000} s`;
  if (reply instanceof Error) return `ended while it was loaded: ${reply.message}`;
  return `cannot be used: ${"message" in reply ? reply.message : "it gave a wrong answer"}`;
}
