import { EventStoreError } from "@signalbox/event-store";
import type { Logger } from "@signalbox/kernel";
import type { Redis } from "ioredis";

const oldestVersion = [6, 2] as const;

/**
 * Whether the server can keep the promises of the transport, by what `INFO` says; `CONFIG` may be disabled. Resolves with its
 * version.
 * @throws {EventStoreError} `EVT_TRANSPORT_UNSUPPORTED` naming what is missing.
 */
export async function checkServer(redis: Redis, allowVolatile: boolean, logger: Logger): Promise<string> {
  const info = parseInfo(await redis.info());
  const version = info.get("redis_version") ?? "unknown";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (!(major > oldestVersion[0] || (major === oldestVersion[0] && minor >= oldestVersion[1])))
    refuse(`Redis 6.2 or newer is needed, this is ${version}`, { version });
  if (info.get("redis_mode") === "cluster")
    refuse("A Redis cluster cannot hold deliveries of several queues atomically; use one server", {});
  const policy = info.get("maxmemory_policy");
  if (policy !== "noeviction")
    refuse(`Redis must not give up deliveries when it is full: set maxmemory-policy to noeviction, it is ${policy}`, {
      maxmemory_policy: policy,
    });
  if (info.get("aof_enabled") === "1") await warnAboutSync(redis, logger);
  else if (allowVolatile) logger.warn("Redis writes no append-only file; what it acknowledged is lost when it ends");
  else
    refuse("Redis must have deliveries on disk before it answers: set appendonly to yes and appendfsync to always", {
      aof_enabled: info.get("aof_enabled"),
    });
  return version;
}

/** Only with `always` an answer means that the data are on disk; the setting is not in `INFO`. */
async function warnAboutSync(redis: Redis, logger: Logger): Promise<void> {
  const setting = await redis.config("GET", "appendfsync").catch(() => undefined);
  const value = Array.isArray(setting) ? setting[1] : undefined;
  if (value !== undefined && value !== "always")
    logger.warn("Redis may lose what it acknowledged when the machine fails; set appendfsync to always", {
      appendfsync: value,
    });
}

function parseInfo(text: string): Map<string, string> {
  const info = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) info.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return info;
}

function refuse(message: string, details: Readonly<Record<string, unknown>>): never {
  throw new EventStoreError("EVT_TRANSPORT_UNSUPPORTED", { message, details });
}
