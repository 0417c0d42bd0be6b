import { ExperienceError, type ExperienceErrorCode } from "@signalbox/experience";
import { errorCode, isRetryable } from "@signalbox/kernel";

/** Codes that say that nothing can be stored at present, though repeating the same call at once would not help. */
const awayCodes: ReadonlySet<string> = new Set(["DATABASE_CLOSED", "DATABASE_ACCESS_DENIED", "DATABASE_CORRUPT"]);

/** Codes of an event store that has too much to do already. */
const fullCodes: ReadonlySet<string> = new Set(["EVT_TRANSPORT_FULL", "EVT_OVERLOADED"]);

/** What an engine's error means to the users of the store; defects come out as they are. */
export function toStoreError(error: unknown): unknown {
  if (error instanceof ExperienceError) return error;
  if (fullCodes.has(errorCode(error) ?? "")) return away(error, "backlog_full");
  if (isRetryable(error) || awayCodes.has(errorCode(error) ?? "")) return away(error);
  return error;
}

export function away(cause: unknown, code: ExperienceErrorCode = "state_store_unavailable"): ExperienceError {
  return new ExperienceError(code, { cause });
}

export async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStoreError(error);
  }
}
