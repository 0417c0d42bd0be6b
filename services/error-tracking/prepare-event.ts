import { createHash } from "node:crypto";
import type { DomainEvent, PayloadOf } from "@signalbox/event-store";
import { parseJsonObject } from "@signalbox/sentry-protocol";
import { makeEventRow } from "./analytics-rows.js";
import type { DigestedEvent } from "./digested-event.js";
import type { eventReceived } from "./events.js";
import { groupEvent } from "./grouping/group-event.js";
import { explanationText } from "./grouping/grouping.js";
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
  readonly retentionDays: number;
}

/**
 * The steps that need nothing but the message: parse, normalise, correct the clock, group, name, and make the row. Pure;
 * what it throws concerns this event alone.
 * @throws {ProtocolError} when the payload is no JSON object, which the edge does not let through
 */
export function prepareEvent(received: ReceivedEvent, options: PrepareOptions): DigestedEvent {
  const { data } = received;
  const { bytes, receivedAtMs, normalised, grouping } = understand(received, options);
  const { event, timestampMs, correlationId } = normalised;
  const title = titleOf(event);
  const culprit = culpritOf(event);
  const hash = userHash(userIdentity(event.user));
  return {
    projectId: data.project_id,
    keyId: data.key_id,
    eventId: data.event_id,
    receivedAtMs,
    timestampMs,
    correlationId,
    bodyDigest: createHash("sha256").update(bytes).digest("hex").slice(0, 32),
    title,
    culprit,
    level: event.level,
    platform: event.platform,
    environment: event.environment,
    release: event.release,
    groupingVersion: grouping.version,
    strategy: grouping.strategy,
    hashes: grouping.hashes.map(({ hash: hex, variant }) => ({
      hash: hex,
      variant,
      explain: () => explain(received, options, hex),
    })),
    userHash: hash,
    row: makeEventRow(event, {
      projectId: data.project_id,
      eventId: data.event_id,
      timestampMs,
      retentionDays: options.retentionDays,
      primaryHash: grouping.hashes[0]?.hash ?? "",
      groupingVersion: grouping.version,
      title: title.title,
      culprit,
      correlationId,
      userHash: hash,
      attachments: data.attachments.length,
    }),
    payload: JSON.stringify(event),
  };
}

function understand(received: ReceivedEvent, { groupingVersion }: PrepareOptions) {
  const { data } = received;
  const bytes = unpackPayload(data.payload);
  const receivedAtMs = requiredTime(data.received_at);
  const normalised = normaliseEvent(parseJsonObject(bytes), {
    eventId: data.event_id,
    receivedAtMs,
    sentAtMs: parseTime(data.sent_at),
    clientAddress: data.client_address,
    correlationId: data.request_correlation_id ?? received.correlationId,
  });
  const { event } = normalised;
  event.sdk ??= data.sdk === undefined ? undefined : { ...data.sdk };
  markInApp(event);
  return { bytes, receivedAtMs, normalised, grouping: groupEvent(event, {}, groupingVersion) };
}

function explain(received: ReceivedEvent, options: PrepareOptions, hash: string): string {
  const { grouping } = understand(received, options);
  const found = grouping.hashes.find((candidate) => candidate.hash === hash);
  if (found === undefined) throw new Error("Grouping the same event twice gave different hashes.");
  return explanationText(grouping, found);
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
