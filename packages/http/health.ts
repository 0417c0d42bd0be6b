import {
  type Clock,
  createService,
  errorCode,
  type Logger,
  type Service,
  silentLogger,
  systemClock,
  type Timer,
} from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";
import type { StreamTopic } from "./stream-hub.js";

/** Something the running roles cannot work without. */
export interface DependencyCheck {
  readonly name: string;
  /** Resolves when the dependency can be used; rejects when not. The signal is aborted at the time limit. */
  readonly check: (signal: AbortSignal) => Promise<unknown>;
  /** Default: 2 s. */
  readonly timeoutMs?: number;
  /** Down in the course of things: nothing is logged of it. */
  readonly quiet?: boolean;
}

export interface HealthOptions {
  readonly checks: readonly DependencyCheck[];
  readonly clock?: Clock;
  readonly logger?: Logger;
}

interface DependencyState {
  readonly name: string;
  readonly status: "up" | "down";
  readonly duration_s: number;
  /** Code of what went wrong; messages may hold addresses and stay in the log. */
  readonly reason?: string;
}

const defaultTimeoutMs = 2000;
const defaultWatchMs = 5000;
/** Everyone may ask; the dependencies are asked at most this often. */
const reuseMs = 1000;

const stateSchema = {
  type: "object",
  required: ["status", "checks"],
  properties: {
    status: { type: "string", enum: ["ready", "not_ready", "shutting_down"] },
    checks: {
      type: "array",
      items: {
        type: "object",
        required: ["name", "status", "duration_s"],
        properties: {
          name: { type: "string" },
          status: { type: "string", enum: ["up", "down"] },
          duration_s: { type: "number" },
          reason: { type: "string" },
        },
      },
    },
  },
} as const;

/**
 * Registers `/-/liveness`, which answers as long as the event loop does, and `/-/readiness`, which asks every
 * dependency at once and answers 503 with the list when one is down or the server is stopping.
 */
export function addHealthRoutes(app: FastifyInstance, options: HealthOptions): void {
  const askAll = createChecks(options);
  const config = { access: "public", rateLimit: "own", duringShutdown: true } as const;
  app.get(
    "/-/liveness",
    {
      config,
      schema: {
        summary: "Whether the process answers",
        tags: ["health"],
        response: {
          200: {
            description: "The event loop answers.",
            type: "object",
            required: ["status"],
            properties: { status: { type: "string" } },
            examples: [{ status: "live" }],
          },
        },
      },
    },
    async () => ({ status: "live" }),
  );
  app.get(
    "/-/readiness",
    {
      config,
      schema: {
        summary: "Whether everything the server needs is reachable",
        tags: ["health"],
        response: {
          200: {
            ...stateSchema,
            description: "Every dependency is up.",
            examples: [{ status: "ready", checks: [{ name: "database", status: "up", duration_s: 0.001 }] }],
          },
          503: {
            ...stateSchema,
            description: "A dependency is down, or the server is stopping.",
            examples: [
              {
                status: "not_ready",
                checks: [{ name: "analytics", status: "down", duration_s: 2, reason: "timeout" }],
              },
            ],
          },
        },
      },
    },
    async (_request, reply) => {
      const checks = await askAll();
      const ready = checks.every((check) => check.status === "up");
      const status = app.shutdown.begun ? "shutting_down" : ready ? "ready" : "not_ready";
      if (status !== "ready") reply.code(503).header("retry-after", "5");
      return { status, checks };
    },
  );
}

export interface HealthWatchOptions extends HealthOptions {
  readonly topic: StreamTopic;
  /** How often the dependencies are asked while somebody listens. Default 5,000. */
  readonly everyMs?: number;
}

/**
 * Publishes what readiness says when that changes, as `{ status, checks: [{ name, status, reason? }] }`. Whoever begins to
 * listen hears how it is. Nothing is asked while nobody listens.
 */
export function watchHealth({ topic, everyMs = defaultWatchMs, ...options }: HealthWatchOptions): Service {
  const { clock = systemClock } = options;
  const askAll = createChecks(options);
  let told = "";
  let timer: Timer | undefined;
  let looking: Promise<void> = Promise.resolve();
  let isStopped = false;

  const look = async (): Promise<void> => {
    if (!topic.isListenedTo) {
      told = "";
      return;
    }
    const checks = (await askAll()).map(({ name, status, reason }) => ({ name, status, ...(reason && { reason }) }));
    const state = { status: checks.every(({ status }) => status === "up") ? "ready" : "not_ready", checks };
    const text = JSON.stringify(state);
    if (text !== told) topic.publish(state);
    told = text;
  };
  const again = (): void => {
    if (isStopped) return;
    timer = clock.setTimer(everyMs, () => {
      looking = look().finally(again);
    });
  };

  return createService({
    name: "changes of health",
    async start() {
      again();
    },
    async stop() {
      isStopped = true;
      timer?.cancel();
      await looking;
    },
  });
}

function createChecks(options: HealthOptions): () => Promise<readonly DependencyState[]> {
  const { checks, clock = systemClock, logger = silentLogger } = options;
  const down = new Set<string>();
  let asked: Promise<readonly DependencyState[]> | undefined;
  let askedAtMs = 0;

  const note = (state: DependencyState, error: unknown): DependencyState => {
    const wasDown = down.has(state.name);
    if (state.status === "up") {
      if (down.delete(state.name)) logger.info("a dependency is back", { dependency: state.name });
    } else if (!wasDown) {
      down.add(state.name);
      logger.warn("a dependency is down", { dependency: state.name, reason: state.reason, error });
    }
    return state;
  };
  const ask = async (check: DependencyCheck): Promise<DependencyState> => {
    const startedMs = clock.monotonicMs();
    const outcome = await runLimited(check, clock);
    const duration_s = (clock.monotonicMs() - startedMs) / 1000;
    const { name } = check;
    const state: DependencyState = outcome
      ? { name, status: "down", duration_s, reason: outcome.reason }
      : { name, status: "up", duration_s };
    return check.quiet ? state : note(state, outcome?.error);
  };

  return () => {
    const nowMs = clock.monotonicMs();
    if (asked === undefined || nowMs - askedAtMs >= reuseMs) {
      askedAtMs = nowMs;
      asked = Promise.all(checks.map(ask));
    }
    return asked;
  };
}

/** `undefined` when the check passed in time. One that ignores its signal is left behind. */
async function runLimited(
  { check, timeoutMs = defaultTimeoutMs }: DependencyCheck,
  clock: Clock,
): Promise<{ reason: string; error: unknown } | undefined> {
  const limit = new AbortController();
  const timer = clock.setTimer(timeoutMs, () => limit.abort(new Error("the check took too long")));
  const timedOut = new Promise<never>((_resolve, reject) => {
    limit.signal.addEventListener("abort", () => reject(limit.signal.reason), { once: true });
  });
  try {
    await Promise.race([check(limit.signal), timedOut]);
    return undefined;
  } catch (error) {
    return { reason: limit.signal.aborted ? "timeout" : (errorCode(error) ?? "failed"), error };
  } finally {
    timer.cancel();
  }
}
