import { createHash } from "node:crypto";
import { EventStoreError } from "@signalbox/event-store";
import { backoffCeilingMs, type Clock, type Timer } from "@signalbox/kernel";
import { Redis, type RedisOptions } from "ioredis";

/** A Lua script and the name Redis knows it by. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export function script(lua: string): Script {
  return { lua, sha: createHash("sha1").update(lua).digest("hex") };
}

const engineAwayAfterMs = 5_000;
const reconnect = { baseMs: 100, maxMs: 10_000 } as const;

const connectionOptions: RedisOptions = {
  lazyConnect: true,
  // What was sent when the connection broke fails at once and is not sent again behind the caller's back.
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  retryStrategy: (attempt) => backoffCeilingMs(attempt, reconnect),
  // A server that became a replica takes no writes; its successor may answer at the same address.
  reconnectOnError: (error) => error.message.startsWith("READONLY"),
};

export function connectTo(url: string): Redis {
  return new Redis(url, connectionOptions);
}

/**
 * Asks the server and answers within five seconds, in the words of the transport port. A short interruption is waited
 * for; a line that hangs is given up for a new one.
 */
export async function ask<T>(redis: Redis, clock: Clock, work: () => Promise<T>): Promise<T> {
  const onLate = (): void => {
    if (redis.status === "ready") redis.disconnect(true);
  };
  return inTime(clock, () => (redis.status === "ready" ? work() : whenReady(redis).then(work)), onLate);
}

/** Connects, or goes on waiting for a connection that is being made. */
export function reach(redis: Redis, clock: Clock): Promise<void> {
  const isIdle = redis.status === "wait" || redis.status === "end";
  return inTime(clock, () =>
    isIdle ? redis.connect() : redis.status === "ready" ? Promise.resolve() : whenReady(redis),
  );
}

async function inTime<T>(clock: Clock, work: () => Promise<T>, onLate = (): void => {}): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = clock.setTimer(engineAwayAfterMs, () => {
      onLate();
      reject(new EventStoreError("EVT_TRANSPORT_UNAVAILABLE"));
    });
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    throw inPortsWords(error);
  } finally {
    timer?.cancel();
  }
}

/** Runs a script that the server most likely knows. */
export async function runScript(
  redis: Redis,
  { lua, sha }: Script,
  values: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, 0, ...values);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    return redis.eval(lua, 0, ...values);
  }
}

function whenReady(redis: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    const forget = (): void => {
      redis.off("ready", onReady);
      redis.off("end", onEnd);
    };
    const onReady = (): void => {
      forget();
      resolve();
    };
    const onEnd = (): void => {
      forget();
      reject(new EventStoreError("EVT_CLOSED"));
    };
    redis.on("ready", onReady);
    redis.on("end", onEnd);
  });
}

function inPortsWords(error: unknown): EventStoreError {
  if (error instanceof EventStoreError) return error;
  const message = error instanceof Error ? error.message : "";
  const isFull = message.startsWith("OOM") || (message.startsWith("MISCONF") && /no space/i.test(message));
  return new EventStoreError(isFull ? "EVT_TRANSPORT_FULL" : "EVT_TRANSPORT_UNAVAILABLE", { cause: error });
}
