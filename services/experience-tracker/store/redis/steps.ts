import { identityKey, type Rules, type RunIdentity } from "@signalbox/experience";
import type { Redis } from "ioredis";
import { situationArguments } from "./codec.js";
import type { ShardKeys } from "./keys.js";
import { maxSteps, stepsScript } from "./script.js";
import { createScript } from "./scripts.js";

/** What a script is asked to do with one run: to close it (`expire`) or to apply a checkpoint. */
export interface Step {
  readonly identity: RunIdentity;
  readonly task: string;
}

/** Sends steps of one shard, which are taken in their order; one answer for each. */
export type RunSteps = (shard: ShardKeys, wanted: readonly Step[]) => Promise<readonly unknown[]>;

const script = createScript(stepsScript);

/** @param nowMs what the steps go by; `undefined` where the server's clock decides */
export function createRunSteps(client: Redis, rules: Rules, nowMs: () => number | undefined): RunSteps {
  return async (shard, wanted) => {
    const keys = [shard.due, shard.final, shard.counters, shard.outbox, shard.meta];
    const values = situationArguments(nowMs(), rules);
    for (const { identity, task } of wanted) {
      const key = identityKey(identity);
      keys.push(shard.run(key), shard.timeline(key), shard.open(identity));
      values.push(key, task);
    }
    const answers = await script.run(client, keys, values);
    return Array.isArray(answers) ? answers : [];
  };
}

/** What one call of a script takes. */
export interface Portion<Item> {
  readonly shard: ShardKeys;
  readonly items: Item[];
  /** Where each stood among all. */
  readonly places: number[];
}

export function portionsOf<Item>(all: readonly Item[], shardOf: (item: Item) => ShardKeys): Portion<Item>[] {
  const portions: Portion<Item>[] = [];
  const open = new Map<ShardKeys, Portion<Item>>();
  for (const [place, item] of all.entries()) {
    const shard = shardOf(item);
    let portion = open.get(shard);
    if (!portion || portion.items.length >= maxSteps) {
      portion = { shard, items: [], places: [] };
      open.set(shard, portion);
      portions.push(portion);
    }
    portion.items.push(item);
    portion.places.push(place);
  }
  return portions;
}
