import { durableName, readSubject } from "./names.js";
import type { JetStreamParts } from "./parts.js";
import { findConsumer } from "./source.js";

/** How much too late a delivery is before the server is suspected of having forgotten it. */
const overdueMs = 2_000;
const remindedAtOnce = 50;

/**
 * Reminds the server of deliveries that came back and are due. nats-server 2.9 takes a message from its list of those to be
 * handed out again before it looks who asked; when that pull ends in the same moment the message is on no list any more and
 * comes only after the whole `ack_wait`. To be told again does no harm where it was not forgotten.
 */
export async function remindOfForgotten(subscriber: string, parts: JetStreamParts): Promise<void> {
  const { notes, clock, link, names, wake } = parts;
  const overdue = await notes.claimOverdue(subscriber, clock.nowMs() - overdueMs, remindedAtOnce);
  const gone: string[] = [];
  for (const { messageId, streamSeq } of overdue) {
    const message = await link.manager.direct.getMessage(names.stream, { seq: streamSeq });
    const partition = message ? readSubject(names, message.subject)?.partition : undefined;
    if (partition === undefined) {
      gone.push(messageId);
      continue;
    }
    const durable = durableName(subscriber, partition);
    const consumer = await findConsumer(link, names, durable);
    if (!consumer) continue;
    // The server asks only that it is a place which it has come past.
    const place = `1.${streamSeq}.${consumer.delivered.consumer_seq}.0.0`;
    link.send(`$JS.ACK.${names.stream}.${durable}.${place}`, "-NAK");
    wake(subscriber, partition);
  }
  await notes.remove(gone);
}
