import { type Clock, errorCode, type Timer } from "@signalbox/kernel";
import { EventStoreError } from "../../errors.js";
import { translateTransactionError } from "../../transaction.js";

const engineAwayAfterMs = 5_000;

/** Answers within five seconds, in the words of the port. */
export async function inPortsWords<T>(clock: Clock, work: () => Promise<T>): Promise<T> {
  let timer: Timer | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = clock.setTimer(engineAwayAfterMs, () => reject(unavailable(undefined)));
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    throw translate(error);
  } finally {
    timer?.cancel();
  }
}

export function unavailable(cause: unknown): EventStoreError {
  return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", cause === undefined ? {} : { cause });
}

/** True when what one of several callers brought may be to blame. */
export function isOnesFault(error: unknown): boolean {
  const code = errorCode(error instanceof Error ? error.cause : undefined);
  return code === "DATABASE_INVALID_VALUE" || code === "DATABASE_CONSTRAINT" || code === "DATABASE_QUERY_FAILED";
}

function translate(error: unknown): unknown {
  const translated = translateTransactionError(error);
  if (translated instanceof EventStoreError) return translated;
  if (errorCode(error) === "DATABASE_FULL") return new EventStoreError("EVT_TRANSPORT_FULL", { cause: error });
  return unavailable(error);
}
