import {
  type Clock,
  defineErrors,
  type ErrorOptions,
  type Logger,
  SignalboxError,
  type Timer,
} from "@signalbox/kernel";
import type { Redis } from "ioredis";

export const redisSetupErrors = defineErrors("Experiences on Redis", {
  redis_eviction_enabled: {
    message: "Redis may evict keys: open runs would vanish unseen.",
    remedy: "Set `maxmemory-policy noeviction` on the server, or no `maxmemory`.",
  },
  redis_not_durable: {
    message: "Redis does not have what it is given on its disk before it answers.",
    remedy:
      "Set `appendonly yes` with `appendfsync always` (or use Redis 7.2), or accept the loss with `experience.redis_ack: memory`.",
  },
  redis_shards_changed: {
    message: "The state in Redis was written with another number of shards.",
    remedy: "Set `experience.redis_shards` back, or use another `experience.redis_prefix`.",
  },
  redis_format_unknown: {
    message: "The state in Redis was written by another version in another form.",
    remedy:
      "Run the version that wrote it, or begin anew with another `experience.redis_prefix`; journeys that are open then are lost.",
  },
  redis_unsuitable: {
    message: "The Redis server cannot keep the state of experiences.",
    remedy: "Use a primary server of Redis 6.2 or newer.",
  },
});

export type RedisSetupErrorCode = keyof typeof redisSetupErrors.entries;

export class RedisSetupError extends SignalboxError {
  declare readonly code: RedisSetupErrorCode;

  constructor(code: RedisSetupErrorCode, options: ErrorOptions = {}) {
    super(code, redisSetupErrors.entries[code], options);
  }
}

/** What is known of the server. */
export interface ServerWatch {
  /** Whether an answer has to wait for the disk by itself. */
  readonly waitsForDisk: boolean;
  /** @throws {RedisSetupError} when the server became unusable since it was opened */
  assertUsable(): void;
  look(): Promise<void>;
  /** Looks again every minute. */
  begin(): void;
  stop(): void;
}

export interface WatchOptions {
  readonly client: Redis;
  readonly ack: "disk" | "memory";
  readonly clock: Clock;
  readonly logger: Logger;
}

const lookEveryMs = 60_000;

export function watchServer({ client, ack, clock, logger }: WatchOptions): ServerWatch {
  let waitsForDisk = false;
  let problem: RedisSetupError | undefined;
  let timer: Timer | undefined;
  let stopped = false;

  const look = async (): Promise<void> => {
    const info = parseInfo(await client.info());
    const found = await problemOf(client, info, ack);
    if (found.problem && !problem)
      logger.error("the Redis server lost a setting that it needs", { error: found.problem });
    problem = found.problem;
    waitsForDisk = found.waitsForDisk;
  };

  const lookSoon = (): void => {
    if (stopped) return;
    timer = clock.setTimer(lookEveryMs, () => {
      look()
        .catch(() => {})
        .finally(lookSoon);
    });
  };

  return {
    get waitsForDisk() {
      return waitsForDisk;
    },
    assertUsable() {
      if (problem) throw problem;
    },
    look,
    begin: lookSoon,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

export interface GateOptions {
  readonly client: Redis;
  /** Key of the first shard's meta. */
  readonly meta: string;
  readonly shards: number;
  readonly server: Pick<ServerWatch, "look" | "assertUsable">;
}

/** How runs, entries and records are written; another number for every change that older code cannot read. */
const format = "3";

/**
 * What stands before every use of a connection. Each new one may lead to another server than the one before, or to the
 * first that answers at all since the start, so it is looked at before it is used.
 * @returns a function that resolves when the server may be used, or gives nothing when that is known; it rejects with
 * {RedisSetupError} when the server or what is in it must not be used, and then looks again the next time
 */
export function createGate({ client, meta, shards, server }: GateOptions): () => Promise<void> | undefined {
  let looking: Promise<void> | undefined;
  let usable = false;
  client.on("close", () => {
    looking = undefined;
    usable = false;
  });
  const look = async (): Promise<void> => {
    if (client.status === "wait") await client.connect();
    await server.look();
    server.assertUsable();
    await requireSameForm(client, meta, String(shards));
  };
  return () => {
    if (usable) return undefined;
    if (looking) return looking;
    const mine = look().then(
      () => {
        // Unless the connection was lost meanwhile.
        if (looking === mine) usable = true;
      },
      (error: unknown) => {
        if (looking === mine) looking = undefined;
        throw error;
      },
    );
    looking = mine;
    return mine;
  };
}

async function requireSameForm(client: Redis, meta: string, shards: string): Promise<void> {
  if ((await client.hexists(meta, "shards")) === 0)
    await client.multi().hsetnx(meta, "format", format).hsetnx(meta, "shards", shards).exec();
  const [writtenShards, writtenFormat] = await client.hmget(meta, "shards", "format");
  if (writtenShards !== shards)
    throw new RedisSetupError("redis_shards_changed", {
      message: `The state in Redis was written with ${writtenShards} shards, and ${shards} are configured.`,
    });
  if (writtenFormat !== format)
    throw new RedisSetupError("redis_format_unknown", {
      message: `The state in Redis has form ${writtenFormat ?? "1"}, and this version reads and writes ${format}.`,
    });
}

/** What the operator of a Redis server should know about it. */
export interface RedisServer {
  readonly version: string;
  readonly evictionPolicy: string;
  /** When an answer is given: after every write is on the disk, after asking for that, or before. */
  readonly durability: "always" | "waitaof" | "memory";
}

/**
 * Looks at a server without writing to it.
 * @throws {RedisSetupError} when it does not keep what it is given
 */
export async function examineRedisServer(client: Redis, ack: "disk" | "memory"): Promise<RedisServer> {
  const info = parseInfo(await client.info());
  const { problem, waitsForDisk } = await problemOf(client, info, ack);
  if (problem) throw problem;
  const onDisk = waitsForDisk ? "waitaof" : "always";
  return {
    version: versionOf(info),
    evictionPolicy: evictionPolicyOf(info),
    durability: ack === "memory" ? "memory" : onDisk,
  };
}

interface Found {
  readonly problem: RedisSetupError | undefined;
  readonly waitsForDisk: boolean;
}

async function problemOf(client: Redis, info: ReadonlyMap<string, string>, ack: "disk" | "memory"): Promise<Found> {
  const refuse = (code: RedisSetupErrorCode, message?: string): Found => ({
    problem: new RedisSetupError(code, message === undefined ? {} : { message }),
    waitsForDisk: false,
  });
  const version = versionOf(info);
  if (isOlder(version, [6, 2])) return refuse("redis_unsuitable", `Redis ${version} is older than 6.2.`);
  if (info.get("role") === "slave") return refuse("redis_unsuitable", "The Redis server is a replica.");
  const policy = evictionPolicyOf(info);
  if (Number(info.get("maxmemory") ?? 0) > 0 && policy !== "noeviction")
    return refuse("redis_eviction_enabled", `Redis evicts keys: maxmemory-policy is ${policy}.`);
  if (ack === "memory") return { problem: undefined, waitsForDisk: false };
  if (info.get("aof_enabled") !== "1") return refuse("redis_not_durable", "Redis runs without `appendonly yes`.");
  const always = (await settingOf(client, "appendfsync")) === "always";
  if (always) return { problem: undefined, waitsForDisk: false };
  if (isOlder(version, [7, 2]))
    return refuse("redis_not_durable", `Redis ${version} runs without \`appendfsync always\`.`);
  return { problem: undefined, waitsForDisk: true };
}

/**
 * `undefined` where reading settings is forbidden. A connection that broke meanwhile says nothing of the server: the look
 * fails, and nobody takes its server for one that loses what it is given.
 */
async function settingOf(client: Redis, name: string): Promise<string | undefined> {
  try {
    const answer: unknown = await client.config("GET", name);
    return Array.isArray(answer) ? String(answer[1]) : undefined;
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError" && !error.message.startsWith("LOADING")) return undefined;
    throw error;
  }
}

function versionOf(info: ReadonlyMap<string, string>): string {
  return info.get("redis_version") ?? "0";
}

function evictionPolicyOf(info: ReadonlyMap<string, string>): string {
  return info.get("maxmemory_policy") ?? "noeviction";
}

function parseInfo(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}
