/**
 * Until when an issue is ignored; the first of them that holds ends it. Without any it is ignored for ever. Counts begin
 * at the time of ignoring.
 */
export interface IgnoreConditions {
  readonly untilMs?: number | undefined;
  /** So many events, all in all or within `windowMs`. */
  readonly events?: number | undefined;
  /** So many users, all in all or within `windowMs`. */
  readonly users?: number | undefined;
  readonly windowMs?: number | undefined;
  /** Until it happens much more often than it used to. */
  readonly escalating?: boolean | undefined;
  /** Events of the issue when it was ignored. */
  readonly fromEvents: number;
}

export function readIgnoreConditions(json: string | null): IgnoreConditions | undefined {
  return json === null ? undefined : JSON.parse(json);
}

/** Exact events of an issue by hour, as far as needed to tell whether it escalates. */
export interface HourlyCounts {
  readonly currentHour: number;
  /** All hours of the seven days before this one. */
  readonly previousHours: number;
  readonly highestHour: number;
  /** Whether the issue is as old as those seven days. */
  readonly fullHistory: boolean;
}

const daysBefore = 7;
export const escalationHistoryHours = daysBefore * 24;

/** Fewer events in an hour never are an escalation. */
export const escalationFloor = 50;
const escalationFactor = 6;

/** Whether there are so many events in this hour that something must have changed. */
export function isEscalating({ currentHour, previousHours, highestHour, fullHistory }: HourlyCounts): boolean {
  const usual = fullHistory ? previousHours / escalationHistoryHours : highestHour;
  return currentHour > Math.max(escalationFloor, escalationFactor * usual);
}
