import {
  type ApplyResult,
  type Checkpoint,
  defaultRules,
  ExperienceError,
  type ExperienceStore,
  identityKey,
  isForgotten,
  type OutboxItem,
  outboxLeaseMs,
  type Rules,
  type RunIdentity,
  type StoredRun,
  type StoreHealth,
} from "@signalbox/experience";
import { type Clock, type Logger, silentLogger, systemClock, ulid } from "@signalbox/kernel";
import { Redis } from "ioredis";
import { createApplyQueue } from "./apply-queue.js";
import { addActivity, readActivity } from "./redis/activity.js";
import { createClaimDue } from "./redis/claim-due.js";
import { checkpointArgument, decodeEntry, decodeRun } from "./redis/codec.js";
import { beat, readGaps, recordSilence } from "./redis/heartbeat.js";
import { createKeys, type ShardKeys } from "./redis/keys.js";
import { listRuns } from "./redis/list-runs.js";
import { decodeRecord, type StreamEntry } from "./redis/outbox.js";
import { createGate, RedisSetupError, watchServer } from "./redis/require-server.js";
import { maxSteps } from "./redis/script.js";
import { ackOutboxScript, createScript, takeOutboxScript } from "./redis/scripts.js";
import { createRunSteps, portionsOf } from "./redis/steps.js";
import { away } from "./store-error.js";

export interface RedisStoreOptions {
  /** `redis://…` or `rediss://…` */
  readonly url: string;
  /** What every key begins with. Default `sbx:exp`. */
  readonly prefix?: string;
  /** Default 1. Fixed once something is written. */
  readonly shards?: number;
  /** `disk` (default): what is answered is on the server's disk. `memory`: it may be lost with the server. */
  readonly ack?: "disk" | "memory";
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly rules?: Partial<Rules>;
  readonly replica?: string;
  /** Whether the server's clock decides. Default true. */
  readonly serverClock?: boolean;
  /** A server that owes an answer and says nothing for so long is away; the line to it is made anew. Default 10 s. */
  readonly maxSilenceMs?: number;
}

const maxWaiting = 10_000;
/** What the server finds waiting together it writes to its disk together, in several calls of the script. */
const maxTogether = 2 * maxSteps;
/** While the server works on some steps, those before them are read and those behind them are written. */
const applyLanes = 2;
const defaultMaxSilenceMs = 10_000;
const waitAofMs = 5_000;
const take = createScript(takeOutboxScript);
const forget = createScript(ackOutboxScript);

/** A store that also has to look at its server before it is used. */
export interface RedisStore extends ExperienceStore {
  /**
   * Connects and looks whether the server keeps what it is given; then looks again every minute.
   * @throws {RedisSetupError} when it does not; an outage alone does not throw.
   */
  open(): Promise<void>;
}

/** Keeps runs in Redis 6.2 or newer: one script for each step, so that any number of processes may share it. */
export function createRedisStore(options: RedisStoreOptions): RedisStore {
  const { clock = systemClock, logger = silentLogger, ack = "disk", shards = 1 } = options;
  const rules: Rules = { ...defaultRules, ...options.rules };
  const replica = options.replica ?? ulid();
  const keys = createKeys(options.prefix ?? "sbx:exp", shards);
  const nowArgument = (): number | undefined => ((options.serverClock ?? true) ? undefined : clock.nowMs());
  const client = connect(options.url, options.maxSilenceMs ?? defaultMaxSilenceMs);
  let closing: Promise<void> | undefined;
  let opened: Promise<void> | undefined;
  const server = watchServer({ client, ack, clock, logger });

  const gate = createGate({ client, meta: keys.first.meta, shards, server });

  const reach = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing) throw new Error("The store is closed");
    await gate();
    return work();
  };

  const ask = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await reach(work);
    } catch (error) {
      throw error instanceof ExperienceError ? error : away(error);
    }
  };

  const open = async (): Promise<void> => {
    if (ack === "memory") logger.warn("checkpoints are answered before they are on Redis' disk");
    try {
      await reach(async () => {});
    } catch (error) {
      if (error instanceof RedisSetupError) throw error;
      // A server that is away now is no reason not to start; everything that needs it says so.
      logger.warn("Redis does not answer yet", { error });
    }
    server.begin();
  };

  const runSteps = createRunSteps(client, rules, nowArgument);

  const applySome = async (shard: ShardKeys, checkpoints: readonly Checkpoint[]): Promise<ApplyResult[]> => {
    try {
      const wanted = checkpoints.map((checkpoint) => ({
        identity: checkpoint.identity,
        task: checkpointArgument(checkpoint),
      }));
      const answers = await runSteps(shard, wanted);
      return checkpoints.map((checkpoint, index) => readResult(checkpoint, answers[index]));
    } catch (error) {
      const failure = away(error);
      return checkpoints.map(() => ({ result: "failed", error: failure }));
    }
  };

  /** Items of one run in their order, different runs at the same time. */
  const applyAll = async (checkpoints: readonly Checkpoint[]): Promise<ApplyResult[]> => {
    const results: ApplyResult[] = [];
    const lastOfRun = new Map<string, Promise<unknown>>();
    const portions = portionsOf(checkpoints, ({ identity }) => keys.of(identity)).map(({ shard, places, items }) => {
      const runs = new Set(items.map(({ identity }) => identityKey(identity)));
      const before = [...runs].flatMap((run) => lastOfRun.get(run) ?? []);
      const done = Promise.all(before)
        .then(() => applySome(shard, items))
        .then((found) => {
          for (const [index, place] of places.entries()) results[place] = found[index] ?? missingResult();
        });
      for (const run of runs) lastOfRun.set(run, done);
      return done;
    });
    await Promise.all(portions);
    return results;
  };

  /** Of what this connection has written so far. */
  const waitForDisk = async (): Promise<void> => {
    const answer = await client.call("WAITAOF", "1", "0", String(waitAofMs));
    // A time that ran out is an answer too, and says that nothing was written.
    if (!Array.isArray(answer) || Number(answer[0]) < 1)
      throw away(new Error("Redis did not write to its disk in time"));
  };

  const queue = createApplyQueue({
    async commit(checkpoints) {
      const results = await applyAll(checkpoints);
      if (server.waitsForDisk) await waitForDisk();
      return results;
    },
    maxTogether: maxTogether * shards,
    maxWaiting,
    lanes: applyLanes,
  });

  const serverNowMs = async (): Promise<number> => {
    const injected = nowArgument();
    if (injected !== undefined) return injected;
    const [seconds, microseconds] = await client.time();
    return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000);
  };

  const claimDue = createClaimDue({ client, keys, rules, runSteps, clockMs: serverNowMs });

  const holdUntilMs = async (): Promise<number> => {
    const [first] = keys.shards;
    return Number((first && (await client.hget(first.meta, "hold_until_ms"))) ?? 0);
  };

  const nextDue = async (): Promise<number | undefined> => {
    const firsts = await Promise.all(keys.shards.map(({ due }) => client.zrange(due, 0, 0, "WITHSCORES")));
    const scores = firsts.flatMap(([, score]) => (score === undefined ? [] : [Number(score)]));
    return scores.length === 0 ? undefined : Math.max(Math.min(...scores), await holdUntilMs());
  };

  const get = async (identity: RunIdentity): Promise<StoredRun | undefined> => {
    const shard = keys.of(identity);
    const key = identityKey(identity);
    const found = await client.multi().get(shard.run(key)).lrange(shard.timeline(key), 0, -1).exec();
    const [text, list] = (found ?? []).map(([error, value]) => {
      if (error) throw error;
      return value;
    });
    if (typeof text !== "string" || !Array.isArray(list)) return undefined;
    const run = decodeRun(identity, text);
    if (isForgotten(run, await serverNowMs(), rules)) return undefined;
    const timeline = [];
    for (let index = 0; index + 1 < list.length; index += 2) timeline.push(decodeEntry(list[index], list[index + 1]));
    return { run, timeline };
  };

  const takeOutbox = async (limit: number): Promise<OutboxItem[]> => {
    const items: OutboxItem[] = [];
    for (const [number, shard] of keys.shards.entries()) {
      const room = limit - items.length;
      if (room <= 0) break;
      const found = await take.run(
        client,
        [shard.meta, shard.outbox],
        [String(nowArgument() ?? ""), replica, String(outboxLeaseMs), String(room)],
      );
      for (const entry of Array.isArray(found) ? (found as StreamEntry[]) : [])
        items.push({ id: `${number}/${entry[0]}`, record: decodeRecord(entry) });
    }
    return items;
  };

  const ackOutbox = async (ids: readonly string[]): Promise<void> => {
    const byShard = new Map<number, string[]>();
    for (const id of ids) {
      const [number = "0", entry = ""] = id.split("/");
      const entries = byShard.get(Number(number)) ?? [];
      entries.push(entry);
      byShard.set(Number(number), entries);
    }
    for (const [number, entries] of byShard) {
      const shard = keys.shards[number];
      if (shard) await forget.run(client, [shard.meta, shard.outbox], [replica, ...entries]);
    }
  };

  const health = async (): Promise<StoreHealth> => {
    server.assertUsable();
    const lengths = await Promise.all(keys.shards.map(({ outbox }) => client.xlen(outbox)));
    const oldest = await Promise.all(keys.shards.map(({ outbox }) => client.xrange(outbox, "-", "+", "COUNT", 1)));
    const times = oldest.flatMap(([entry]) => (entry ? [decodeRecord(entry).atMs] : []));
    return {
      nowMs: await serverNowMs(),
      outboxRecords: lengths.reduce((sum, length) => sum + length, 0),
      outboxOldestAtMs: times.length === 0 ? undefined : Math.min(...times),
      nextDueMs: await nextDue(),
      warnings: ack === "memory" ? ["Checkpoints are answered before they are on Redis' disk (redis_ack: memory)"] : [],
    };
  };

  return {
    open() {
      opened ??= open();
      return opened;
    },
    apply: (checkpoints) => ask(() => queue.apply(checkpoints)),
    claimDue: (limit) => ask(() => claimDue(limit)),
    nextDue: () => ask(nextDue),
    putAside: (identity, untilMs) =>
      ask(async () => {
        await client.zadd(keys.of(identity).due, "XX", untilMs, identityKey(identity));
      }),
    get: (identity) => ask(() => get(identity)),
    list: (filter, page) => ask(() => listRuns(client, keys, filter, page)),
    counters: () =>
      ask(async () => {
        const sums = new Map<string, number>();
        for (const { counters } of keys.shards)
          for (const [key, value] of Object.entries(await client.hgetall(counters)))
            sums.set(key, (sums.get(key) ?? 0) + Number(value));
        return sums;
      }),
    takeOutbox: (limit) => ask(() => takeOutbox(limit)),
    ackOutbox: (ids) => ask(() => ackOutbox(ids)),
    heartbeat: (heartbeat) =>
      ask(async () => {
        const injectedNowMs = nowArgument();
        const nowMs = await serverNowMs();
        return beat({ client, shards: keys.shards, rules, nowMs, injectedNowMs }, heartbeat);
      }),
    gaps: (sinceMs) => ask(async () => readGaps(client, keys.first, sinceMs, await serverNowMs())),
    recordSilence: (gap) => ask(() => recordSilence(client, keys.first, gap)),
    addActivity: (added) => ask(() => addActivity(client, keys.first, added)),
    activity: (period, sinceMs) =>
      ask(async () => readActivity(client, keys.first, period, { sinceMs, nowMs: await serverNowMs() })),
    async health() {
      try {
        return await reach(health);
      } catch (error) {
        // What is wrong with the server is worth more to its operator than that it cannot be used.
        throw error instanceof RedisSetupError ? error : away(error);
      }
    },
    close() {
      closing ??= (async () => {
        server.stop();
        await queue.idle();
        // Commands under way are answered before the connection is given up.
        if (client.status === "ready") await client.quit().catch(() => client.disconnect());
        else client.disconnect();
      })();
      return closing;
    },
  };
}

function connect(url: string, maxSilenceMs: number): Redis {
  const client = new Redis(url, {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: true,
    connectTimeout: 5_000,
    socketTimeout: maxSilenceMs,
    retryStrategy: (attempt) => Math.min(5_000, 100 * 2 ** Math.min(attempt - 1, 6)),
  });
  // Without a listener a lost connection would end the process; calls that need it tell of it.
  client.on("error", () => {});
  return client;
}

function missingResult(): ApplyResult {
  return { result: "failed", error: away(new Error("A result is missing")) };
}

/** One answer that cannot be read says nothing of the others. */
function readResult(checkpoint: Checkpoint, answer: unknown): ApplyResult {
  try {
    return resultOf(checkpoint, answer);
  } catch (error) {
    return { result: "failed", error: away(error) };
  }
}

/** @throws {TypeError} for an answer that the script never gives */
function resultOf({ identity, eventKey }: Checkpoint, answer: unknown): ApplyResult {
  if (!Array.isArray(answer)) throw new TypeError("The answer of a step cannot be read");
  const [said, run, entry, outboxed] = answer;
  if (said === "failed") return { result: said, error: away(new Error(String(run))) };
  if (said === "rejected") return { result: "rejected", code: "timestamp_out_of_range" };
  const isReused = said === "reused";
  const result = isReused ? "duplicate" : said;
  if (result !== "applied" && result !== "recorded" && result !== "duplicate")
    throw new TypeError("The answer of a step cannot be read");
  const made = decodeEntry(eventKey, String(entry));
  return {
    result,
    run: decodeRun(identity, String(run)),
    answer: made,
    anomalies: isReused ? [...made.anomalies, "event_id_reused"] : made.anomalies,
    outboxed: Number(outboxed),
  };
}
