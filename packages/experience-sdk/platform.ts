import type { Clock } from "@signalbox/kernel";
import type { Activity } from "./activity.js";

/** What surrounds the running work. */
export interface Ambient {
  readonly correlationId?: string | undefined;
  readonly rootCaller?: string | undefined;
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

/** What the client asks of the place it runs in. */
export interface Platform {
  readonly clock: Clock;
  /** A monotonic ULID. */
  newUlid(): string;
  utf8Bytes(text: string): number;
  /** The activity that the running work belongs to. */
  activity(): Activity | undefined;
  /** Runs `work`, and all that it waits for, in an activity and under a correlation id. */
  runIn<T>(activity: Activity, correlationId: string, work: () => T): T;
  /** Puts the rest of the running work into an activity, for hooks that cannot wrap it. */
  enter(activity: Activity, correlationId: string): void;
  ambient(): Ambient;
  sign(secret: string, text: string): string;
  /** Compares in constant time. */
  isSigned(secret: string, text: string, signature: string): boolean;
}
