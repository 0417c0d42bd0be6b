import type { Urgency } from "@signalbox/experience/urgency";

/** What the client has to know of a definition. */
export interface KnownExperience {
  readonly id: string;
  readonly featureCategory: string;
  readonly urgency: Urgency;
  /** A successful run up to this long satisfies. Absent where that is not judged. */
  readonly thresholdMs?: number;
}

/** The definitions that a client works with. */
export interface KnownExperiences {
  /** `pending` while they are on their way: then every id may turn out to be known. */
  find(id: string): KnownExperience | "pending" | undefined;
  /** Called once, when they have arrived; at once when they are there. */
  onReady(callback: () => void): void;
  stop(): void;
}

/** Definitions that are there from the beginning. */
export function fixedExperiences(known: ReadonlyMap<string, KnownExperience>): KnownExperiences {
  return {
    find: (id) => known.get(id),
    onReady: (callback) => callback(),
    stop: () => {},
  };
}
