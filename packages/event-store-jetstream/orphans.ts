import type { StoredMsg } from "@nats-io/jetstream";
import { durableName, readSubject, subjectsOf } from "./names.js";
import type { JetStreamParts } from "./parts.js";
import { messages } from "./queue.js";
import { findConsumer } from "./source.js";
import { countBySubject } from "./stream.js";

const removedAtOnce = 1_000;
const scannedAtOnce = 2_000;

/**
 * Deletes messages that were settled and are back in the stream: a server that was killed remembers that they were
 * acknowledged, but may have forgotten that it had deleted them. They would never be handed out, and never go.
 */
export async function removeOrphans(subscriber: string, parts: JetStreamParts): Promise<number> {
  const { link, names } = parts;
  const counts = new Map<string, number>();
  for (const [subject, count] of await countBySubject(link, names, subjectsOf(names, subscriber))) {
    const partition = readSubject(names, subject)?.partition;
    if (partition !== undefined) counts.set(partition, (counts.get(partition) ?? 0) + count);
  }
  let removed = 0;
  for (const [partition, count] of counts) {
    const consumer = await findConsumer(link, names, durableName(subscriber, partition));
    if (!consumer || consumer.num_pending + consumer.num_ack_pending >= count) continue;
    const { stream_seq: floor } = consumer.ack_floor;
    // Whatever was published later than the last acknowledgement is none of them, whatever its number.
    const lastActive: unknown = consumer.ack_floor.last_active;
    const beforeMs = typeof lastActive === "string" ? Date.parse(lastActive) : Number.NaN;
    if (Number.isNaN(beforeMs)) continue;
    for await (const message of settledMessages(subscriber, partition, floor, parts)) {
      if (removed >= removedAtOnce) break;
      if (message.time.getTime() > beforeMs) continue;
      if (await link.manager.streams.deleteMessage(names.stream, message.seq, false)) removed++;
    }
  }
  return removed;
}

/** Messages of the partition up to the one below which all are acknowledged. */
async function* settledMessages(
  subscriber: string,
  partition: string,
  floor: number,
  parts: JetStreamParts,
): AsyncGenerator<StoredMsg> {
  let found = false;
  for await (const { message } of messages(subjectsOf(parts.names, subscriber, partition), 0, parts)) {
    if (message.seq > floor) break;
    found = true;
    yield message;
  }
  if (found) return;
  // What came back is not always in the server's index by subject.
  const { link, names } = parts;
  const { state } = await link.manager.streams.info(names.stream);
  const last = Math.min(floor, state.first_seq + scannedAtOnce);
  for (let seq = state.first_seq; seq <= last; seq++) {
    const message = await link.manager.direct.getMessage(names.stream, { seq });
    if (!message) continue;
    const subject = readSubject(names, message.subject);
    if (subject?.subscriber === subscriber && subject.partition === partition) yield message;
  }
}
