import type { Strategy, VariantName } from "../grouping/grouping.js";
import type { EventAttachment } from "../store/attachments.js";
import type { Level } from "./error-event.js";
import type { Place, Title } from "./title.js";

/**
 * An event that went through the pure steps: what is left is to count it and to write it. Plain data. Holds bytes and short
 * texts rather than the event itself: a batch of whole events would keep the garbage collector busier than all of the steps.
 */
export interface DigestedEvent {
  readonly projectId: number;
  readonly keyId: number;
  /** 32 lower-case hex digits. */
  readonly eventId: string;
  readonly receivedAtMs: number;
  /** Corrected time of the event. */
  readonly timestampMs: number;
  readonly correlationId: string;
  /** Tells two payloads of one event id apart; 32 hex digits. */
  readonly bodyDigest: string;
  readonly title: Title;
  readonly culprit: string;
  readonly place: Place;
  /** The program did not catch it. */
  readonly unhandled: boolean;
  readonly level: Level;
  readonly platform: string;
  readonly environment: string;
  readonly release: string | undefined;
  /** Days for which its rows are kept. */
  readonly retentionDays: number;
  readonly groupingVersion: number;
  readonly strategy: Strategy;
  /** 1 to 8 of them, the primary one first. */
  readonly hashes: readonly DigestedHash[];
  /** Those that the project's algorithm before would have given, while they are looked for. */
  readonly formerHashes?: readonly string[];
  /** Of the affected user, as decimal text of 64 bits; absent without a user. */
  readonly userHash: string | undefined;
  readonly lines: EventLines;
  readonly attachments: readonly EventAttachment[];
  /** Quota class that it is counted under, such as `error` or `security`. */
  readonly category: string;
}

/** An event's rows as the analytics store takes them, as they are when it was not counted before. */
export interface EventLines {
  /** Of `error_events`. */
  readonly event: Uint8Array;
  /** Of `error_payloads`, with the whole event as JSON. */
  readonly payload: Uint8Array;
}

interface DigestedHash {
  /** 32 lower-case hex digits. */
  readonly hash: string;
  readonly variant: VariantName;
  /** Why the event has it, when that was found out beforehand. */
  readonly explanation?: string;
}

/** The hash that every row of the event carries. */
export function primaryHashOf(digested: DigestedEvent): string {
  const [first] = digested.hashes;
  if (first === undefined) throw new TypeError("A grouping has at least one hash.");
  return first.hash;
}

/** An event that is in every counter and whose rows must be in the analytics store before its message is settled. */
export interface CountedEvent {
  readonly digested: DigestedEvent;
  readonly issueId: number;
  /** As decided when the event was counted first; a later version of the program may group otherwise. */
  readonly primaryHash: string;
  readonly timestampMs: number;
  /** Events that its row stands for; 0: it has none, and only its user is noted. */
  readonly sampleWeight: number;
}
