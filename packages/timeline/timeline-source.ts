import type { Principal } from "@signalbox/http";

/** What an entry is about. */
export type EntryKind = "journey" | "checkpoint" | "event" | "attempt" | "error" | "relay_event" | "alert";

/** How it ended, in one word that all systems share. */
export type EntryOutcome = "ok" | "failed" | "open" | "neutral";

/** One thing that happened under a correlation id. */
export interface TimelineEntry {
  /** Unique in the timeline and the same at each look: the kind, a colon, and the system's own id. */
  readonly id: string;
  readonly kind: EntryKind;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** For people: an event's type, an error's title, a journey's id. */
  readonly title: string;
  /** In the system's own words: `timed_out`, `dead`, `error`, … */
  readonly status: string;
  readonly outcome: EntryOutcome;
  /** Absent where it took no time, or none is known. */
  readonly durationMs?: number;
  /** Path of the API under which it is shown in full; absent where there is none. */
  readonly link?: string;
  /** `id` of the entry that caused it, as far as is known; it may be missing from the timeline. */
  readonly causedBy?: string;
  /** Facts worth showing; no payloads. */
  readonly details?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
}

export interface TimelineQuery {
  /** Canonical; an entry that carries any of them belongs to the timeline. */
  readonly correlationIds: readonly string[];
  /** Who asks. */
  readonly principal: Principal;
  /** Entries at most. */
  readonly limit: number;
  readonly signal: AbortSignal;
}

export interface AliasQuery {
  /** Canonical. */
  readonly correlationId: string;
  /** Who asks. */
  readonly principal: Principal;
  readonly signal: AbortSignal;
}

export interface SourceAnswer {
  /** In any order. */
  readonly entries: readonly TimelineEntry[];
  /** Entries that the asker may not see. */
  readonly hidden: number;
  /** Whether there are more than `limit`; the earliest ones are given. */
  readonly truncated: boolean;
}

/**
 * What one system knows of a correlation id. Calls may overlap.
 *
 * An entry that the asker may not see is counted in `hidden` and nothing of it is told. While its store is away, both
 * calls reject with an error that is `retryable`; the timeline then names the source and goes on without it.
 */
export interface TimelineSource {
  /** One or two lower-case words, for people. */
  readonly name: string;
  find(query: TimelineQuery): Promise<SourceAnswer>;
  /** Other correlation ids of the same work, where the system knows any that the asker may see. */
  aliases?(query: AliasQuery): Promise<readonly string[]>;
}
