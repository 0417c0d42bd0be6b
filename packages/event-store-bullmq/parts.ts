import type { Clock, Logger } from "@signalbox/kernel";
import type { Redis } from "ioredis";
import { ask, runScript, type Script } from "./redis.js";

/** What the verbs of the transport share. */
export interface RedisParts {
  readonly redis: Redis;
  readonly prefix: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly repetitionWindowMs: number;
}

/** Runs a script of ours: prefix and time come first in every one of them. */
export function perform(
  { redis, prefix, clock }: RedisParts,
  script: Script,
  values: readonly (string | number)[],
): Promise<unknown> {
  return ask(redis, clock, () => runScript(redis, script, [prefix, clock.nowMs(), ...values]));
}

export function keyOf({ prefix }: RedisParts, queue: string, what: string): string {
  return `${prefix}:${queue}:${what}`;
}
