import type { EventDefinition, LogMode } from "./define-event.js";
import { type DomainEvent, EventInstance } from "./event.js";
import { redactData } from "./redact.js";

const maxDataBytes = 1_024;

export interface EventLinesOptions {
  /** Upper bound for every definition. */
  readonly mode: LogMode;
  readonly data: boolean;
}

/** Which events may be written about, and what is said about each. */
export interface EventLines {
  /** True when lines about success are wanted. */
  wantsAll(definition: EventDefinition<unknown> | null): boolean;
  /** True when lines about failure are wanted. */
  wantsFailures(definition: EventDefinition<unknown> | null): boolean;
  /** True when the JSON of the event's data stands in its lines as it is: worth keeping until then. */
  quotes(event: EventInstance<unknown>, definition: EventDefinition<unknown>): boolean;
  /** The fields that every line about an event has, as an object of the caller's own. */
  fields(event: DomainEvent<unknown>, definition: EventDefinition<unknown>): Record<string, unknown>;
}

export function createEventLines(options: EventLinesOptions): EventLines {
  const modeOf = (definition: EventDefinition<unknown> | null): LogMode => {
    const own = definition?.log ?? "all";
    if (options.mode === "off" || own === "off") return "off";
    return options.mode === "failures" || own === "failures" ? "failures" : "all";
  };
  return {
    wantsAll: (definition) => modeOf(definition) === "all",
    wantsFailures: (definition) => modeOf(definition) !== "off",
    quotes: (event, { sensitive }) =>
      options.data && sensitive.length === 0 && EventInstance.dataJsonNow(event).length <= maxDataBytes,
    fields(event, definition) {
      const fields: Record<string, unknown> = { event_id: event.id, event_type: event.type };
      if (options.data) fields["event_data"] = dataText(event, definition.sensitive);
      fields["correlation_id"] = event.correlationId;
      if (event.causationId !== null) fields["causation_id"] = event.causationId;
      if (event.rootCaller !== null) fields["root_caller"] = event.rootCaller;
      addMeta(fields, event);
      return fields;
    },
  };
}

function dataText(event: DomainEvent<unknown>, sensitive: readonly string[]): string {
  const json =
    sensitive.length === 0 && EventInstance.is(event)
      ? EventInstance.dataJsonNow(event)
      : JSON.stringify(redactData(event.data, sensitive));
  if (Buffer.byteLength(json) <= maxDataBytes) return json;
  return Buffer.from(json)
    .subarray(0, maxDataBytes)
    .toString()
    .replace(/\uFFFD$/, "");
}

function addMeta(fields: Record<string, unknown>, event: DomainEvent<unknown>): void {
  if (!EventInstance.is(event)) return;
  const { meta } = EventInstance.hidden(event);
  if (meta) for (const key of Object.keys(meta)) fields[`meta.${key}`] = meta[key];
}
