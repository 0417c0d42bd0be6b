import { JetStreamApiError } from "@nats-io/jetstream";
import { EventStoreError } from "@signalbox/event-store";
import { errorCode } from "@signalbox/kernel";

/** JetStream: "maximum messages exceeded", "maximum bytes exceeded", "resource limits exceeded", "insufficient storage". */
const fullCodes = new Set([10_077, 10_122, 10_023, 10_047, 10_028]);

export function unavailable(cause?: unknown): EventStoreError {
  return new EventStoreError("EVT_TRANSPORT_UNAVAILABLE", cause === undefined ? {} : { cause });
}

/** What the server said about a publish that it refused. */
export function refusal(code: number | undefined, description: string): EventStoreError {
  const cause = new Error(description);
  if (code !== undefined && fullCodes.has(code)) return new EventStoreError("EVT_TRANSPORT_FULL", { cause });
  return unavailable(cause);
}

/** Any failure in the words of the transport port. */
export function inPortsWords(error: unknown): EventStoreError {
  if (error instanceof EventStoreError) return error;
  if (error instanceof JetStreamApiError && fullCodes.has(error.code))
    return new EventStoreError("EVT_TRANSPORT_FULL", { cause: error });
  if (errorCode(error) === "DATABASE_FULL") return new EventStoreError("EVT_TRANSPORT_FULL", { cause: error });
  return unavailable(error);
}
