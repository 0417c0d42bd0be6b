import type { JsonObject } from "@signalbox/sentry-protocol";
import { parseTime } from "../normalise/times.js";
import type { ClientDiscard } from "../store/client-discards.js";
import { countField, objectField } from "./read-fields.js";
import type { ItemReceipt } from "./read-session.js";

/** What clients call the reasons; others share one name, as anybody could invent any number of them. */
const reasons: ReadonlySet<unknown> = new Set([
  "backpressure",
  "before_send",
  "before_send_transaction",
  "buffer_overflow",
  "cache_overflow",
  "event_processor",
  "filtered",
  "ignored",
  "insufficient_data",
  "internal_sdk_error",
  "invalid",
  "network_error",
  "no_parent_span",
  "queue_overflow",
  "rate_limited",
  "ratelimit_backoff",
  "sample_rate",
  "send_error",
  "too_large",
]);

const categories: ReadonlySet<unknown> = new Set([
  "attachment",
  "default",
  "error",
  "feedback",
  "internal",
  "log_byte",
  "log_item",
  "metric_bucket",
  "monitor",
  "profile",
  "profile_chunk",
  "replay",
  "security",
  "session",
  "span",
  "trace_metric",
  "transaction",
]);

/** Lists of a report, and the reason that stands for those whose entries name none. */
const lists = [
  ["discarded_events", "other"],
  ["rate_limited_events", "rate_limited"],
  ["filtered_events", "filtered"],
  ["filtered_sampling_events", "sample_rate"],
] as const;

const oldestMs = 30 * 86_400_000;

/** What a `client_report` item counts. Entries that make no sense are left out. */
export function readClientReport(
  item: JsonObject,
  { receivedAtMs, driftMs }: ItemReceipt,
  { projectId, keyId }: Pick<ClientDiscard, "projectId" | "keyId">,
): ClientDiscard[] {
  const sentMs = parseTime(item["timestamp"]);
  const timeMs = sentMs === undefined ? receivedAtMs : sentMs + driftMs;
  const atMs = timeMs > receivedAtMs || timeMs < receivedAtMs - oldestMs ? receivedAtMs : timeMs;
  return lists.flatMap(([list, fallback]) => {
    const entries = item[list];
    if (!Array.isArray(entries)) return [];
    return entries.flatMap((entry): ClientDiscard[] => {
      const { category, reason, quantity } = objectField(entry);
      const counted = countField(quantity, 1_000_000_000) ?? 0;
      if (counted === 0) return [];
      return [
        {
          projectId,
          keyId,
          category: known(category, categories) ?? "other",
          reason: known(reason, reasons) ?? fallback,
          atMs,
          quantity: counted,
        },
      ];
    });
  });
}

function known(name: unknown, names: ReadonlySet<unknown>): string | undefined {
  return typeof name === "string" && names.has(name) ? name : undefined;
}
