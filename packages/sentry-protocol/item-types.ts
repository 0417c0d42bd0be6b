/** Quota class of an item on the wire. */
export type Category =
  | "default"
  | "error"
  | "transaction"
  | "attachment"
  | "session"
  | "monitor"
  | "feedback"
  | "security"
  | "span"
  | "log_item"
  | "trace_metric"
  | "metric_bucket"
  | "profile"
  | "profile_chunk"
  | "replay";

const categories = {
  event: "error",
  attachment: "attachment",
  feedback: "feedback",
  user_report: "feedback",
  session: "session",
  sessions: "session",
  check_in: "monitor",
  client_report: null,
  transaction: "transaction",
  span: "span",
  log: "log_item",
  trace_metric: "trace_metric",
  statsd: "metric_bucket",
  metric_buckets: "metric_bucket",
  profile: "profile",
  profile_chunk: "profile_chunk",
  replay_event: "replay",
  replay_recording: "replay",
  replay_video: "replay",
  raw_security: "security",
  security: "security",
  nel: "security",
  unreal_report: "security",
  form_data: "security",
} as const satisfies Record<string, Category | null>;

/** Item types that the protocol defines. */
export type ItemType = keyof typeof categories;

const known: ReadonlyMap<string, Category | null> = new Map(Object.entries(categories));

export const itemTypes: readonly ItemType[] = Object.keys(categories).filter(isItemType);

export function isItemType(type: string): type is ItemType {
  return known.has(type);
}

/** The quota class of an item type; null for client reports, which no quota concerns; `default` for unknown types. */
export function itemCategory(type: string): Category | null {
  const category = known.get(type);
  return category === undefined ? "default" : category;
}
