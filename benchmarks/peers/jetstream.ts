import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";
import { secondsOf } from "../load/job-events.js";

export interface BareJetStreamResult {
  readonly publishedPerSecond: number;
  readonly handledPerSecond: number;
}

export interface BareJetStreamOptions {
  readonly url: string;
  readonly messages: number;
  /** Publishes that wait at the same time. */
  readonly publishers: number;
  readonly payload: object;
}

/** The client by itself: publish with an id and wait for the answer, then pull, parse and acknowledge. */
export async function runBareJetStream(options: BareJetStreamOptions): Promise<BareJetStreamResult> {
  const { url, messages, publishers, payload } = options;
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: "BARE",
    subjects: ["bare.>"],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    duplicate_window: nanos(120_000),
  });
  await manager.consumers.add("BARE", {
    durable_name: "bare",
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(10_000),
    max_ack_pending: 100_000,
  });
  const client = jetstream(connection);
  const body = JSON.stringify(payload);

  let next = 0;
  const publisher = async (): Promise<void> => {
    for (let index = next++; index < messages; index = next++)
      await client.publish("bare.jobs", body, { msgID: `job-${index}` });
  };
  const publishSeconds = await secondsOf(() => Promise.all(Array.from({ length: publishers }, publisher)));

  const consumer = await client.consumers.get("BARE", "bare");
  const handleSeconds = await secondsOf(async () => {
    let handled = 0;
    const stream = await consumer.consume({ max_messages: 512 });
    for await (const message of stream) {
      JSON.parse(message.string());
      message.ack();
      if (++handled === messages) stream.stop();
    }
    await connection.flush();
  });
  await connection.close();
  return { publishedPerSecond: messages / publishSeconds, handledPerSecond: messages / handleSeconds };
}
