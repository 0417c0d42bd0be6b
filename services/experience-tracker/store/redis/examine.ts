import { Redis } from "ioredis";
import { examineRedisServer, type RedisServer } from "./require-server.js";

const patienceMs = 5_000;

/**
 * Looks at the Redis server behind an address, without writing to it.
 * @throws {RedisSetupError} when it does not keep what it is given
 * @throws {Error} when it does not answer within 5 s
 */
export async function examineRedis(url: string, ack: "disk" | "memory"): Promise<RedisServer> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: patienceMs,
    commandTimeout: patienceMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  // What goes wrong is told by the commands themselves.
  client.on("error", () => {});
  try {
    await client.connect();
    return await examineRedisServer(client, ack);
  } finally {
    client.disconnect();
  }
}
