import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { type ConnectionOptions, connect, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { EventStoreError } from "@signalbox/event-store";
import { backoffCeilingMs, type Clock, type Logger } from "@signalbox/kernel";
import { inPortsWords, unavailable } from "./port-errors.js";
import { type PublishAck, PublishAcks } from "./publish-acks.js";

/** How long the server may take to answer; the port allows five seconds. */
export const answerWithinMs = 4_500;

export interface LinkOptions {
  /** One address or several of one cluster, with user and password if needed. */
  readonly servers: string | readonly string[];
  readonly connection?: Omit<ConnectionOptions, "servers">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The line to the server: one connection, found again by itself. */
export interface Link {
  readonly manager: JetStreamManager;
  readonly maxPayload: number;
  readonly serverVersion: string | undefined;
  /** False while the connection is being looked for. */
  readonly isUp: boolean;
  publish(subject: string, messageId: string, payload: Uint8Array): Promise<PublishAck>;
  /** Whether a message with this id would be a repetition; nothing is added. */
  isKnown(subject: string, messageId: string): Promise<boolean>;
  /** Without an answer. */
  send(subject: string, payload?: string | Uint8Array, reply?: string): void;
  /** Resolves when the server has taken the acknowledgement in, and all that went to the same consumer before. */
  confirm(subject: string, payload: string | Uint8Array): Promise<void>;
  subscribe(subject: string, onMessage: (message: Msg) => void): { unsubscribe(): void };
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`, `EVT_TRANSPORT_UNSUPPORTED`. */
export async function openLink({ servers, connection, clock, logger }: LinkOptions): Promise<Link> {
  let failures = 0;
  const addresses = typeof servers === "string" ? [servers] : servers;
  const nats = await connectTo({
    name: "signalbox",
    timeout: answerWithinMs,
    ...credentialsIn(addresses[0]),
    ...connection,
    servers: addresses.map(withoutCredentials),
    maxReconnectAttempts: -1,
    // It is back within seconds mostly, and every attempt is cheap for it.
    reconnectDelayHandler: () => backoffCeilingMs(++failures, { baseMs: 100, maxMs: 2_000 }),
    pingInterval: 5_000,
    maxPingOut: 2,
  });
  try {
    refuseOldServer(nats);
    const manager = await jetstreamManager(nats, { checkAPI: false, timeout: answerWithinMs });
    return linkOn(nats, manager);
  } catch (error) {
    await nats.close();
    throw inPortsWords(error);
  }

  function linkOn(nats: NatsConnection, manager: JetStreamManager): Link {
    let isUp = true;
    void (async () => {
      for await (const status of nats.status()) {
        if (status.type === "disconnect") {
          isUp = false;
          logger.warn("the connection to NATS is lost", { server: status.server });
        }
        if (status.type === "reconnect") {
          isUp = true;
          failures = 0;
          logger.info("the connection to NATS is back", { server: status.server });
        }
      }
    })();
    const acks = new PublishAcks(nats, clock, answerWithinMs);
    return {
      manager,
      maxPayload: nats.info?.max_payload ?? 1_048_576,
      serverVersion: nats.info?.version,
      get isUp() {
        return isUp;
      },
      publish: (subject, messageId, payload) => acks.publish(subject, messageId, payload),
      isKnown: (subject, messageId) => acks.isKnown(subject, messageId),
      send(subject, payload = "", reply) {
        try {
          nats.publish(subject, payload, reply === undefined ? {} : { reply });
        } catch (error) {
          throw unavailable(error);
        }
      },
      async confirm(subject, payload) {
        try {
          await nats.request(subject, payload, { timeout: answerWithinMs });
        } catch (error) {
          throw unavailable(error);
        }
      },
      subscribe: (subject, onMessage) =>
        nats.subscribe(subject, { callback: (error, message) => void (error ? undefined : onMessage(message)) }),
      async ping() {
        await nats.flush();
      },
      async close() {
        if (!nats.isClosed()) await nats.close();
      },
    };
  }
}

/** `nats://user:password@host` or `nats://token@host`; the client itself reads neither. */
function credentialsIn(address: string | undefined): Pick<ConnectionOptions, "user" | "pass" | "token"> {
  if (address === undefined || !URL.canParse(address)) return {};
  const { username, password } = new URL(address);
  if (username === "") return {};
  const user = decodeURIComponent(username);
  return password === "" ? { token: user } : { user, pass: decodeURIComponent(password) };
}

function withoutCredentials(address: string): string {
  return URL.canParse(address) ? new URL(address).host : address;
}

async function connectTo(options: ConnectionOptions): Promise<NatsConnection> {
  try {
    return await connect(options);
  } catch (error) {
    throw unavailable(error);
  }
}

function refuseOldServer({ info }: NatsConnection): void {
  const [major = 0, minor = 0] = (info?.version ?? "").split(".").map(Number);
  if (major < 2 || (major === 2 && minor < 9))
    throw new EventStoreError("EVT_TRANSPORT_UNSUPPORTED", {
      message: `NATS 2.9 or later is needed; this server is ${info?.version}`,
    });
  if (info?.jetstream !== true)
    throw new EventStoreError("EVT_TRANSPORT_UNSUPPORTED", { message: "JetStream is not enabled on this NATS server" });
}
