import type { paths } from "../../api/schema.js";

type ReplayBody = NonNullable<
  paths["/api/v1/events/dead/replay"]["post"]["requestBody"]
>["content"]["application/json"];

/** What dead letters are looked for by. */
export type DeadFilter = NonNullable<ReplayBody["filter"]>;

/** Letters that something is done with: those with these ids, or all that match. */
export type DeadSelection = { readonly ids: string[] } | { readonly filter: DeadFilter };

export const reasons = {
  exhausted: "all attempts failed",
  refused: "the handler refused it",
  crashed: "it ended its process",
  invalid_event: "it cannot be read",
  unknown_event: "its type is not known",
  condition_error: "its condition failed",
} as const satisfies Readonly<Record<NonNullable<DeadFilter["reason"]>, string>>;

export type Reason = keyof typeof reasons;

export function isReason(name: string): name is Reason {
  return Object.hasOwn(reasons, name);
}

export const filterNames = ["subscription", "event_type", "reason", "text", "correlation_id"] as const;

/** The filter that stands in the address; undefined when there is none. */
export function readFilter(get: (name: string) => string): DeadFilter | undefined {
  const reason = get("reason");
  const filter: DeadFilter = {
    ...(get("subscription") && { subscription: get("subscription") }),
    ...(get("event_type") && { event_type: get("event_type") }),
    ...(isReason(reason) && { reason }),
    ...(get("text") && { text: get("text") }),
    ...(get("correlation_id") && { correlation_id: get("correlation_id") }),
  };
  return Object.keys(filter).length === 0 ? undefined : filter;
}
