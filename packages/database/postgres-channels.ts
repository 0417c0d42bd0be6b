import { randomUUID } from "node:crypto";
import { type Clock, fullJitterMs, type Logger } from "@signalbox/kernel";
import pg from "pg";
import { createLocalChannels } from "./local-channels.js";

export interface PostgresChannelsOptions {
  readonly connection: pg.ClientConfig;
  /** Sends a statement on any connection. */
  readonly send: (sql: string, values: readonly unknown[]) => Promise<unknown>;
  readonly logger: Logger;
  readonly clock: Clock;
}

export interface PostgresChannels {
  notify(channel: string): void;
  listen(channel: string, onNotify: () => void): () => void;
  close(): Promise<void>;
}

/** One PostgreSQL channel carries the names of all of ours, so that listening is one statement per connection. */
const sharedChannel = "signalbox";
const checkEveryMs = 30_000;
/** The driver reads the timeout, its types do not know it. */
const check: pg.QueryConfig = Object.assign({ query_timeout: 5_000 }, { text: "select 1" });
const reconnect = { baseMs: 100, maxMs: 10_000 };

/**
 * Wake-ups through `LISTEN` and `NOTIFY`. Listening has a connection of its own, opened with the first listener; when
 * it breaks it is opened again, and then everybody is woken, since wake-ups may have been lost meanwhile.
 */
export function createPostgresChannels(options: PostgresChannelsOptions): PostgresChannels {
  const { logger, clock } = options;
  const local = createLocalChannels(logger);
  const sender = randomUUID();
  const stop = new AbortController();
  let listening: Promise<void> | undefined;
  let connected = false;
  let outgoing = new Set<string>();
  let sending: Promise<void> | undefined;

  const onNotification = ({ payload = "" }: pg.Notification): void => {
    const [from, channel = ""] = payload.split(" ");
    // Listeners of this process were woken already.
    if (from !== sender) local.notify(channel);
  };

  /** Resolves when the connection has ended. */
  const listenOnce = async (onListening: () => void): Promise<void> => {
    const client = new pg.Client({ ...options.connection, keepAlive: true });
    const close = (): void => void client.end().catch(() => {});
    const ended = new Promise<void>((resolve) => {
      client.on("end", resolve);
      client.on("error", () => {
        close();
        resolve();
      });
    });
    stop.signal.addEventListener("abort", close, { once: true });
    try {
      client.on("notification", onNotification);
      await client.connect();
      await client.query(`listen ${sharedChannel}`);
      connected = true;
      onListening();
      await Promise.race([ended, keepAsking(client)]);
    } finally {
      connected = false;
      stop.signal.removeEventListener("abort", close);
      close();
    }
  };

  /** A connection that only listens would never learn that its server is gone without a word. */
  const keepAsking = async (client: pg.Client): Promise<void> => {
    while (!stop.signal.aborted) {
      await clock.sleep(checkEveryMs, { signal: stop.signal }).catch(() => {});
      if (!stop.signal.aborted) await client.query(check);
    }
  };

  const keepListening = async (): Promise<void> => {
    let failures = 0;
    while (!stop.signal.aborted) {
      try {
        await listenOnce(() => {
          if (failures > 0) logger.info("Listening for database notifications again");
          failures = 0;
          for (const channel of local.names()) local.notify(channel);
        });
      } catch (error) {
        if (failures === 0 && !stop.signal.aborted)
          logger.warn("The connection for database notifications failed and is opened again", { error });
      }
      failures++;
      await clock.sleep(fullJitterMs(failures, reconnect), { signal: stop.signal }).catch(() => {});
    }
  };

  const sendOutgoing = async (): Promise<void> => {
    while (outgoing.size > 0) {
      const payloads = [...outgoing].map((channel) => `${sender} ${channel}`);
      outgoing = new Set();
      try {
        await options.send(
          `select ${payloads.map((_, index) => `pg_notify('${sharedChannel}', $${index + 1})`).join(", ")}`,
          payloads,
        );
      } catch (error) {
        logger.debug("A database notification was not sent", { error });
      }
    }
    sending = undefined;
  };

  return {
    notify(channel) {
      if (stop.signal.aborted) return;
      local.notify(channel);
      outgoing.add(channel);
      sending ??= sendOutgoing();
    },
    listen(channel, onNotify) {
      listening ??= keepListening();
      const end = local.listen(channel, onNotify);
      if (connected) local.notify(channel);
      return end;
    },
    async close() {
      stop.abort();
      local.close();
      await Promise.all([listening, sending]);
    },
  };
}
