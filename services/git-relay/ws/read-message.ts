import type { Filter } from "@signalbox/nostr";
import { countFilterValues, readFilter } from "@signalbox/nostr";

/** What a client said, as far as one can tell without looking into it. */
export type ClientMessage =
  | { readonly verb: "EVENT" | "AUTH"; readonly event: unknown }
  | { readonly verb: "REQ" | "COUNT"; readonly id: unknown; readonly filters: readonly unknown[] }
  | { readonly verb: "CLOSE" | "NEG-CLOSE"; readonly id: unknown }
  | { readonly verb: "NEG-OPEN"; readonly id: unknown; readonly filter: unknown; readonly message: unknown }
  | { readonly verb: "NEG-MSG"; readonly id: unknown; readonly message: unknown }
  | { readonly verb: "other"; readonly problem: string };

/** Never throws. */
export function readClientMessage(text: string): ClientMessage {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return { verb: "other", problem: "the message is not JSON" };
  }
  if (!Array.isArray(parsed)) return { verb: "other", problem: "the message is not an array" };
  const [verb, ...rest]: unknown[] = parsed;
  switch (verb) {
    case "EVENT":
    case "AUTH":
      return { verb, event: rest[0] };
    case "REQ":
    case "COUNT":
      return { verb, id: rest[0], filters: rest.slice(1) };
    case "CLOSE":
    case "NEG-CLOSE":
      return { verb, id: rest[0] };
    case "NEG-OPEN":
      return { verb, id: rest[0], filter: rest[1], message: rest[2] };
    case "NEG-MSG":
      return { verb, id: rest[0], message: rest[1] };
    default:
      return { verb: "other", problem: "the verb is not known" };
  }
}

export const maxSubscriptionIdLength = 64;

export function isSubscriptionId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= maxSubscriptionIdLength;
}

/** A refused id as it is sent back. */
export function shownId(value: unknown): string {
  return typeof value === "string" ? value.slice(0, maxSubscriptionIdLength) : "";
}

export interface FilterLimits {
  readonly maxFilters: number;
  readonly maxFilterValues: number;
  /** Whether filters may ask for words. */
  readonly search: boolean;
}

export type ReadFilters =
  | { readonly kind: "filters"; readonly filters: readonly Filter[] }
  /** With its prefix. */
  | { readonly kind: "refused"; readonly text: string };

export function readFilters(values: readonly unknown[], limits: FilterLimits): ReadFilters {
  if (values.length === 0 || values.length > limits.maxFilters)
    return { kind: "refused", text: `invalid: a request has 1 to ${limits.maxFilters} filters` };
  const filters: Filter[] = [];
  for (const value of values) {
    const read = readFilter(value);
    if (read.kind !== "filter") return { kind: "refused", text: `${read.kind}: ${read.reason}` };
    if (read.filter.search !== undefined && !limits.search)
      return { kind: "refused", text: "unsupported: this relay does not search" };
    if (countFilterValues(read.filter) > limits.maxFilterValues)
      return { kind: "refused", text: `invalid: a filter has at most ${limits.maxFilterValues} values` };
    filters.push(read.filter);
  }
  return { kind: "filters", filters };
}
