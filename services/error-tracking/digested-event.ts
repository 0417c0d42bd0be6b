import type { ErrorEvent } from "./error-event.js";
import type { Grouping } from "./grouping/grouping.js";
import type { Title } from "./title.js";

/** An event that went through the pure steps: what is left is to count it and to write it. */
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
  readonly attachments: number;
  readonly event: ErrorEvent;
  readonly grouping: Grouping;
  readonly title: Title;
  readonly culprit: string;
  /** Of the affected user, as decimal text of 64 bits; absent without a user. */
  readonly userHash: string | undefined;
}

/** The hash that every row of the event carries. */
export function primaryHashOf(digested: DigestedEvent): string {
  const [first] = digested.grouping.hashes;
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
  readonly sampleWeight: number;
}
