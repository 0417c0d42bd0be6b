import type { LogFields } from "@signalbox/kernel";
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
  /** The fields that every line about an event has. */
  fields(event: DomainEvent<unknown>, definition: EventDefinition<unknown>): LogFields;
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
    fields(event, definition) {
      return {
        event_id: event.id,
        event_type: event.type,
        ...(options.data && { event_data: dataText(event, definition.sensitive) }),
        correlation_id: event.correlationId,
        ...(event.causationId !== null && { causation_id: event.causationId }),
        ...(event.rootCaller !== null && { root_caller: event.rootCaller }),
        ...metaFields(event),
      };
    },
  };
}

function dataText(event: DomainEvent<unknown>, sensitive: readonly string[]): string {
  const json = JSON.stringify(sensitive.length > 0 ? redactData(event.data, sensitive) : event.data);
  if (Buffer.byteLength(json) <= maxDataBytes) return json;
  return Buffer.from(json)
    .subarray(0, maxDataBytes)
    .toString()
    .replace(/\uFFFD$/, "");
}

function metaFields(event: DomainEvent<unknown>): LogFields {
  if (!EventInstance.is(event)) return {};
  const { meta } = EventInstance.hidden(event);
  if (!meta) return {};
  return Object.fromEntries(Object.entries(meta).map(([key, value]) => [`meta.${key}`, value]));
}
