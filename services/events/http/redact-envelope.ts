import { type EventStore, redactData } from "@signalbox/event-store";
import { hasScope, principalOf } from "@signalbox/http";
import type { FastifyRequest } from "fastify";

/** Sensitive values are for those who may also change things. */
export function mayReadSensitive(request: FastifyRequest): boolean {
  return hasScope(principalOf(request), "events:admin");
}

/** The envelope of an event, without the sensitive values of its data unless they may be read. */
export function redactEnvelope(
  json: string,
  type: string | null,
  definitions: EventStore["definitions"],
  withSensitive: boolean,
): object {
  const envelope: unknown = JSON.parse(json);
  // What could not be read when it arrived may be anything.
  if (typeof envelope !== "object" || envelope === null) return { data: withSensitive ? envelope : "[redacted]" };
  if (withSensitive || !("data" in envelope)) return envelope;
  const definition = definitions.find((one) => one.type === type);
  // Nobody can tell what is sensitive in an event that is not known.
  const data = definition ? redactData(envelope.data, definition.sensitive) : "[redacted]";
  return { ...envelope, data };
}
