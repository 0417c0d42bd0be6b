import { eventReceived } from "@signalbox/error-tracking";
import { type Logger, silentLogger } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { brokenBy, type Check, type Finding, ok, type Patient, warning } from "./finding.js";

const subject = "transport";

/** What carries domain events, where it is a server of its own. */
export const checkTransport: Check = async (patient) => {
  const { transport } = patient.config;
  if (transport === "jetstream") return [await examineNats(patient.config)];
  return transport === "bullmq" ? [await examineQueues(patient)] : [];
};

async function examineNats({ natsUrl }: ServerConfig): Promise<Finding> {
  if (natsUrl === undefined) return warning(subject, "no address of NATS is configured", "Set `nats_url`.");
  const { examineJetStream } = await import("@signalbox/event-store-jetstream");
  try {
    const { version, maxPayloadBytes } = await examineJetStream({ servers: natsUrl.reveal() });
    const message = `NATS ${version} with JetStream takes messages of ${maxPayloadBytes} bytes`;
    const advice = narrowPayload(maxPayloadBytes);
    return advice === undefined ? ok(subject, message) : warning(subject, message, advice);
  } catch (error) {
    return brokenBy(subject, error, "Check `nats_url`, and whether the server runs with JetStream enabled.");
  }
}

/** Opened as the server would open it: what it warns of is the finding. */
async function examineQueues({ config, clock }: Patient): Promise<Finding> {
  const { redisUrl, events } = config;
  if (redisUrl === undefined) return warning(subject, "no address of Redis is configured", "Set `redis_url`.");
  const { createBullmqTransport } = await import("@signalbox/event-store-bullmq");
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), child: () => logger };
  const { prefix, allowVolatile } = events.bullmq;
  const transport = createBullmqTransport({ url: redisUrl.reveal(), prefix, allowVolatile, clock, logger });
  try {
    await transport.open();
    const message = `Redis ${transport.engineVersion ?? ""} carries the queues`;
    return warnings.length === 0
      ? ok(subject, message)
      : warning(subject, [message, ...warnings].join("; "), "Set `appendonly yes` and `appendfsync always` in Redis.");
  } catch (error) {
    return brokenBy(subject, error, "Check `redis_url` and whether the server runs.");
  } finally {
    await transport.close();
  }
}

/** Envelope and headers around the largest data that travels inside a message. */
const aroundBytes = 16 * 1024;

/** What to do about a broker that does not take the messages of error events whole; undefined when it does. */
export function narrowPayload(maxPayloadBytes: number): string | undefined {
  const wantedBytes = (eventReceived.maxInlineBytes ?? 0) + aroundBytes;
  if (maxPayloadBytes >= wantedBytes) return undefined;
  return `Set \`max_payload\` of the NATS server to ${wantedBytes} or more: larger events take the way through the database until then.`;
}
