import type { Clock } from "@signalbox/kernel/portable";
import type { Activity } from "./activity.js";
import type { Extras } from "./extras.js";

/** As much of a clock as the client uses. */
export type Time = Pick<Clock, "nowMs" | "monotonicMs" | "setTimer">;

/** What surrounds the running work. */
export interface Ambient {
  readonly correlationId?: string | undefined;
}

/** What the client asks of the place it runs in. */
export interface Platform {
  readonly clock: Time;
  /** A monotonic ULID. */
  newUlid(): string;
  utf8Bytes(text: string): number;
  /** The activity that the running work belongs to. */
  activity(): Activity | undefined;
  /** Runs `work`, and all that it waits for, in an activity and under a correlation id. */
  runIn<T>(activity: Activity, correlationId: string, work: () => T): T;
  ambient(): Ambient;
  /**
   * Log metadata of the running work, which checkpoints carry.
   * @param ambientCorrelationId the ambient one of the run, where it could not become the run's own
   */
  readonly meta?: (ambientCorrelationId: string | undefined) => Extras | undefined;
  /** Told of each error that is marked on a journey: who reports it elsewhere may want to know whose it is. */
  readonly errorMarked?: (correlationId: string, error: unknown) => void;
}
