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
      onListening();
      if (!stop.signal.aborted) await ended;
    } finally {
      stop.signal.removeEventListener("abort", close);
      close();
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
          `select pg_notify('${sharedChannel}', payload) from unnest(array[${payloads.map((_, index) => `$${index + 1}`)}]) payload`,
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
      return local.listen(channel, onNotify);
    },
    async close() {
      stop.abort();
      local.close();
      await Promise.all([listening, sending]);
    },
  };
}
