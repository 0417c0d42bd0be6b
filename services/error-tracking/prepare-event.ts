import { createHash } from "node:crypto";
import type { DomainEvent, PayloadOf } from "@signalbox/event-store";
import { parseJsonObject } from "@signalbox/sentry-protocol";
import type { DigestedEvent } from "./digested-event.js";
import type { eventReceived } from "./events.js";
import { groupEvent } from "./grouping/group-event.js";
import { markInApp } from "./grouping/mark-in-app.js";
import { normaliseEvent } from "./normalise/normalise-event.js";
import { parseTime } from "./normalise/times.js";
import { userIdentity } from "./normalise/user.js";
import { unpackPayload } from "./payload.js";
import { culpritOf, titleOf } from "./title.js";

/** A message as the edge published it. */
export type ReceivedEvent = DomainEvent<PayloadOf<typeof eventReceived>>;

/** How the pure steps are done; what projects can change about them comes with the project. */
export interface PrepareOptions {
  readonly groupingVersion: number;
}

/**
 * The steps that need nothing but the message: parse, normalise, correct the clock, group, name. Pure; what it throws
 * concerns this event alone.
 * @throws {ProtocolError} when the payload is no JSON object, which the edge does not let through
 */
export function prepareEvent(received: ReceivedEvent, { groupingVersion }: PrepareOptions): DigestedEvent {
  const { data } = received;
  const payload = unpackPayload(data.payload);
  const receivedAtMs = requiredTime(data.received_at);
  const { event, timestampMs, correlationId } = normaliseEvent(parseJsonObject(payload), {
    eventId: data.event_id,
    receivedAtMs,
    sentAtMs: parseTime(data.sent_at),
    clientAddress: data.client_address,
    correlationId: data.request_correlation_id ?? received.correlationId,
  });
  event.sdk ??= data.sdk === undefined ? undefined : { ...data.sdk };
  markInApp(event);
  return {
    projectId: data.project_id,
    keyId: data.key_id,
    eventId: data.event_id,
    receivedAtMs,
    timestampMs,
    correlationId,
    bodyDigest: createHash("sha256").update(payload).digest("hex").slice(0, 32),
    attachments: data.attachments.length,
    grouping: groupEvent(event, {}, groupingVersion),
    title: titleOf(event),
    culprit: culpritOf(event),
    userHash: userHash(userIdentity(event.user)),
    event,
  };
}

function requiredTime(text: string): number {
  const timeMs = parseTime(text);
  if (timeMs === undefined) throw new TypeError("The message has no readable time of receipt.");
  return timeMs;
}

/** 64 bits that stand for a user, as decimal text; users are counted by it and never shown from it. */
function userHash(identity: string | undefined): string | undefined {
  if (identity === undefined) return undefined;
  const hash = createHash("sha256").update(identity).digest().readBigUInt64LE(0);
  // 0 means no user in the columns.
  return (hash === 0n ? 1n : hash).toString();
}
