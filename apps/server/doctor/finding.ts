import type { Clock } from "@signalbox/kernel";
import { SignalboxError } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import type { DirectoryHolder } from "../data-directory.js";

/** What the doctor has to say about one thing. */
export interface Finding {
  /** What was looked at: `database`, `port of listen`. */
  readonly subject: string;
  /** `broken` keeps the server from working, `warning` does not. */
  readonly status: "ok" | "warning" | "broken";
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string | undefined;
}

/** What a running server says of itself, or why it says nothing. */
export type Readiness =
  | { readonly kind: "answered"; readonly isReady: boolean; readonly states: readonly DependencyState[] }
  | { readonly kind: "silent"; readonly cause: unknown };

export interface DependencyState {
  readonly name: string;
  readonly isUp: boolean;
  readonly reason: string;
}

export interface Patient {
  readonly config: ServerConfig;
  readonly clock: Clock;
  /** The server that runs on the data directory. Its engines are its own: it is asked, they are not opened. */
  readonly server: DirectoryHolder | undefined;
  /** Of that server. Nothing more is asked of one that is silent: each question would wait as long. */
  readonly readiness: Readiness | undefined;
}

export type Check = (patient: Patient) => Promise<readonly Finding[]>;

export function ok(subject: string, message: string): Finding {
  return { subject, status: "ok", message };
}

export function warning(subject: string, message: string, advice: string): Finding {
  return { subject, status: "warning", message, advice };
}

export function broken(subject: string, message: string, advice: string): Finding {
  return { subject, status: "broken", message, advice };
}

/** A finding of what a check threw. */
export function brokenBy(
  subject: string,
  error: unknown,
  advice = "Look at the message; it names what failed.",
): Finding {
  return broken(subject, reasons(error), (error instanceof SignalboxError ? error.remedy : undefined) ?? advice);
}

function reasons(error: unknown): string {
  const messages: string[] = [];
  for (let reason = error; reason !== undefined; reason = reason instanceof Error ? reason.cause : undefined) {
    const message = reason instanceof Error ? reason.message : String(reason);
    if (message !== "") messages.push(message);
  }
  return messages.join(": ");
}
