import { hash as digestOf } from "node:crypto";
import { encodeLine } from "@signalbox/analytics/rows";
import type { DomainEvent, PayloadOf } from "@signalbox/event-store";
import { parseJsonObject } from "@signalbox/sentry-protocol";
import type { eventReceived } from "../events/event-received.js";
import { locateUser } from "../geo/locate.js";
import { compileGroupingRules } from "../grouping/compile-rules.js";
import { groupEvent } from "../grouping/group-event.js";
import { explanationText, type Grouping, type GroupingHash } from "../grouping/grouping.js";
import { markInApp } from "../grouping/mark-in-app.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { parseTime } from "../normalise/times.js";
import { userIdentity } from "../normalise/user.js";
import { scrubEvent, scrubText } from "../scrub/scrub-event.js";
import type { ScrubSettings } from "../scrub/scrub-settings.js";
import { handledOf, makeEventRow, makePayloadRow, type RowFacts } from "./analytics-rows.js";
import type { DigestedEvent } from "./digested-event.js";
import { unpackPayload } from "./payload.js";
import { culpritOf, placeOf, titleOf } from "./title.js";

/** A message as the edge published it. */
export type ReceivedEvent = DomainEvent<PayloadOf<typeof eventReceived>>;

/** The part of it that the pure steps read: plain data. */
export type ReceivedMessage = Pick<ReceivedEvent, "data" | "correlationId">;

/** How the pure steps are done for one project. Plain data. */
export interface PrepareOptions {
  readonly groupingVersion: number;
  /** The algorithm before it, as long as its hashes are looked for, too. */
  readonly formerGroupingVersion?: number | undefined;
  readonly retentionDays: number;
  readonly sessionRetentionDays: number;
  readonly scrubbing: ScrubSettings;
  /** False: the address that a report came from is not taken for the user's. */
  readonly storeAddresses: boolean;
  readonly fingerprintRules: string;
  readonly stackRules: string;
  /** A MaxMind database, by which users are located. */
  readonly geoFile?: string | undefined;
}

/**
 * The steps that need nothing but the message: parse, normalise, correct the clock, group, locate, scrub, name, and make the row.
 * Pure, from plain data to plain data; what it throws concerns this event alone. Hashes that are likely to be new can be
 * explained at once, which saves `explainHash` for them.
 * @throws {ProtocolError} when the payload is no JSON object, which the edge does not let through
 */
export function prepareEvent(
  received: ReceivedMessage,
  options: PrepareOptions,
  needsExplanation: (hash: string) => boolean = () => false,
): DigestedEvent {
  const { data } = received;
  const { bytes, receivedAtMs, normalised, grouping, former } = understand(received, options);
  const { event, timestampMs, correlationId } = normalised;
  if (options.geoFile !== undefined) locateUser(event, options.geoFile);
  const hash = userHashOf(event.user, options.scrubbing);
  const named = titleOf(event);
  scrubEvent(event, options.scrubbing);
  const title = event.scrubbed === undefined ? named : titleOf(event);
  const culprit = culpritOf(event);
  const ruleTitle = grouping.title === undefined ? undefined : scrubText(grouping.title, options.scrubbing);
  const facts: RowFacts = {
    projectId: data.project_id,
    eventId: data.event_id,
    timestampMs,
    retentionDays: options.retentionDays,
    primaryHash: grouping.hashes[0]?.hash ?? "",
    groupingVersion: grouping.version,
    title: ruleTitle ?? title.title,
    culprit,
    correlationId,
    userHash: hash,
    attachments: data.attachments.length,
  };
  return {
    projectId: data.project_id,
    keyId: data.key_id,
    eventId: data.event_id,
    receivedAtMs,
    timestampMs,
    correlationId,
    bodyDigest: digestOf("sha256", bytes).slice(0, 32),
    title: ruleTitle === undefined ? title : { ...title, title: ruleTitle },
    culprit,
    place: placeOf(event),
    unhandled: handledOf(event) === "no",
    level: event.level,
    platform: event.platform,
    environment: event.environment,
    release: event.release,
    retentionDays: options.retentionDays,
    groupingVersion: grouping.version,
    strategy: grouping.strategy,
    hashes: grouping.hashes.map((found) => ({
      hash: found.hash,
      variant: found.variant,
      ...(needsExplanation(found.hash) && { explanation: explain(grouping, found, options) }),
    })),
    ...(former === undefined ? {} : { formerHashes: former.hashes.map((found) => found.hash) }),
    userHash: hash,
    lines: { event: encodeLine(makeEventRow(event, facts)), payload: encodeLine(makePayloadRow(event, facts)) },
    attachments: data.attachments,
    category: data.category ?? "error",
  };
}

/**
 * Why the event has this hash, as it is stored with a hash that is new. Pure; made anew from the message, as few hashes
 * are new. What the explanation shows is scrubbed, what was hashed was not.
 */
export function explainHash(received: ReceivedMessage, options: PrepareOptions, hash: string): string {
  const { grouping } = understand(received, options);
  const found = grouping.hashes.find((candidate) => candidate.hash === hash);
  if (found === undefined) throw new Error("Grouping the same event twice gave different hashes.");
  return explain(grouping, found, options);
}

function explain(grouping: Grouping, hash: GroupingHash, { scrubbing }: PrepareOptions): string {
  return explanationText(grouping, hash, (text) => scrubText(text, scrubbing));
}

function understand(received: ReceivedMessage, options: PrepareOptions) {
  const { data } = received;
  const bytes = unpackPayload(data.payload);
  const receivedAtMs = requiredTime(data.received_at);
  const normalised = normaliseEvent(parseJsonObject(bytes), {
    eventId: data.event_id,
    receivedAtMs,
    sentAtMs: parseTime(data.sent_at),
    clientAddress: options.storeAddresses ? data.client_address : undefined,
    correlationId: data.request_correlation_id ?? received.correlationId,
  });
  const { event } = normalised;
  event.sdk ??= data.sdk === undefined ? undefined : { ...data.sdk };
  const rules = compileGroupingRules(options.fingerprintRules, options.stackRules);
  markInApp(event, rules);
  const grouping = groupEvent(event, rules, options.groupingVersion);
  const { formerGroupingVersion } = options;
  const former = formerGroupingVersion === undefined ? undefined : groupEvent(event, rules, formerGroupingVersion);
  return { bytes, receivedAtMs, normalised, grouping, former };
}

function requiredTime(text: string): number {
  const timeMs = parseTime(text);
  if (timeMs === undefined) throw new TypeError("The message has no readable time of receipt.");
  return timeMs;
}

/** 64 bits that stand for a user, as decimal text; users are counted by it and never shown from it. */
export function userHashOf(...of: Parameters<typeof userIdentity>): string | undefined {
  const identity = userIdentity(...of);
  if (identity === undefined) return undefined;
  const hash = digestOf("sha256", identity, "buffer").readBigUInt64LE(0);
  // 0 means no user in the columns.
  return (hash === 0n ? 1n : hash).toString();
}
