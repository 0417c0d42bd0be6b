import type { StartedExperience } from "./experience.js";

/** A run that came from another process and can be resumed here. */
export interface CarriedExperience {
  readonly id: string;
  readonly correlationId: string;
  readonly run: string;
  readonly startedAtMs: number;
}

/** The journeys of one request or job. */
export interface Activity {
  /** Started or resumed here and not ended, by experience id. */
  readonly active: Map<string, StartedExperience>;
  /** Brought along and not resumed yet. */
  readonly carried: Map<string, CarriedExperience>;
  /** The ULID that stands for an ambient correlation id of another form, so that all runs of the activity share it. */
  substitute: { readonly ambient: string; readonly correlationId: string } | undefined;
}

export function newActivity(carried: Iterable<CarriedExperience> = []): Activity {
  return {
    active: new Map(),
    carried: new Map([...carried].map((entry) => [entry.id, entry])),
    substitute: undefined,
  };
}
