import type { Decision, DispatchRecord, HandlingRecord, SettlementKind } from "@signalbox/event-store";

/** A row of `event_dispatches`, as the engine returns it. */
export interface DispatchRow {
  readonly published_at: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly subject: string;
  readonly correlation_id: string;
  readonly causation_id: string;
  readonly root_caller: string;
  readonly subscriptions: readonly string[];
  readonly decisions: readonly string[];
  readonly condition_us: readonly number[];
  readonly due_at: readonly string[];
  readonly delivery_ids: readonly string[];
}

/** A row of `event_attempts`, as the engine returns it. */
export interface AttemptRow {
  readonly started_at: string;
  readonly finished_at: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly subscription: string;
  readonly delivery_id: string;
  readonly correlation_id: string;
  readonly attempt: number;
  readonly settlement: string;
  readonly scheduling_latency_ms: number;
  readonly duration_ms: number;
  readonly error_class: string;
  readonly error_code: string;
  readonly error_message: string;
  readonly ignored: number;
  readonly worker: string;
}

export const dispatchColumns =
  "published_at, event_id, event_type, subject, correlation_id, causation_id, root_caller, subscriptions, decisions, condition_us, due_at, delivery_ids";
export const attemptColumns =
  "started_at, finished_at, event_id, event_type, subscription, delivery_id, correlation_id, attempt, settlement, scheduling_latency_ms, duration_ms, error_class, error_code, error_message, ignored, worker";

/** What every row says besides the record itself. */
export interface RowFrame {
  readonly retentionDays: number;
  /** Which process handled it. */
  readonly worker: string;
}

/**
 * The rows as JSON, put together here: thousands of them wait at a time, and as one text each they cost the garbage
 * collector a fraction of what records and their lists do. Written and read back by the names of `DispatchRow` and
 * `AttemptRow`.
 */
export function dispatchRowJson(record: DispatchRecord, { retentionDays }: RowFrame): string {
  const eventId = quoted(record.eventId);
  const sameOrQuoted = (value: string): string => (value === record.eventId ? eventId : quoted(value));
  return flat(
    `{"published_at":"${isoTime(record.publishedAtMs)}","event_id":${eventId},"event_type":${quoted(record.eventType)}` +
      `,"subject":${sameOrQuoted(record.subject)},"correlation_id":${sameOrQuoted(record.correlationId)}` +
      `,"causation_id":${quoted(record.causationId ?? "")},"root_caller":${quoted(record.rootCaller ?? "")}` +
      `,"subscriptions":${listOf(record.subscriptions, quoted)},"decisions":${listOf(record.decisions, quoted)}` +
      `,"condition_us":${listOf(record.conditionUs, String)},"due_at":${listOf(record.dueAtMs, quotedTime)}` +
      `,"delivery_ids":${listOf(record.deliveryIds, quoted)},"retention_days":${retentionDays}}`,
  );
}

export function attemptRowJson(record: HandlingRecord, { retentionDays, worker }: RowFrame): string {
  const eventId = quoted(record.eventId);
  return flat(
    `{"started_at":"${isoTime(record.startedAtMs)}","finished_at":"${isoTime(record.finishedAtMs)}"` +
      `,"event_id":${eventId},"event_type":${quoted(record.eventType)},"subscription":${quoted(record.subscription)}` +
      `,"delivery_id":${quoted(record.deliveryId)}` +
      `,"correlation_id":${record.correlationId === record.eventId ? eventId : quoted(record.correlationId)}` +
      `,"attempt":${record.attempt},"settlement":"${record.settlement}"` +
      `,"scheduling_latency_ms":${record.schedulingLatencyMs},"duration_ms":${record.durationMs}` +
      `,"error_class":${quoted(record.errorClass ?? "")},"error_code":${quoted(record.errorCode ?? "")}` +
      `,"error_message":${quoted(record.errorMessage ?? "")},"ignored":${record.ignored ? 1 : 0}` +
      `,"worker":${quoted(worker)},"retention_days":${retentionDays}}`,
  );
}

/** What needs no escapes: nearly every name and id. */
const plain = /^[\w ./:-]*$/;

function quoted(value: string): string {
  return plain.test(value) ? `"${value}"` : JSON.stringify(value);
}

function quotedTime(timeMs: number): string {
  return `"${isoTime(timeMs)}"`;
}

function listOf<Item>(items: readonly Item[], toJson: (item: Item) => string): string {
  let json = "[";
  for (let index = 0; index < items.length; index++) {
    const item = items[index];
    if (item !== undefined) json += index === 0 ? toJson(item) : `,${toJson(item)}`;
  }
  return `${json}]`;
}

/** Asking for the length in bytes makes one text of the pieces, which are then free. */
function flat(text: string): string {
  Buffer.byteLength(text);
  return text;
}

export function fromDispatchRow(row: DispatchRow): DispatchRecord {
  return {
    eventId: row.event_id,
    eventType: row.event_type,
    subject: row.subject,
    correlationId: row.correlation_id,
    causationId: row.causation_id || null,
    rootCaller: row.root_caller || null,
    publishedAtMs: Date.parse(row.published_at),
    subscriptions: row.subscriptions,
    // Written by this service alone.
    decisions: row.decisions as readonly Decision[],
    conditionUs: row.condition_us,
    dueAtMs: row.due_at.map((time) => Date.parse(time)),
    deliveryIds: row.delivery_ids,
  };
}

export function fromAttemptRow(row: AttemptRow): HandlingRecord {
  return {
    eventId: row.event_id,
    eventType: row.event_type,
    subscription: row.subscription,
    deliveryId: row.delivery_id,
    correlationId: row.correlation_id,
    attempt: row.attempt,
    settlement: row.settlement as SettlementKind,
    startedAtMs: Date.parse(row.started_at),
    finishedAtMs: Date.parse(row.finished_at),
    schedulingLatencyMs: row.scheduling_latency_ms,
    durationMs: row.duration_ms,
    errorClass: row.error_class || null,
    errorCode: row.error_code || null,
    errorMessage: row.error_message || null,
    ignored: row.ignored === 1,
  };
}

const never = new Date(0).toISOString();
/** The times written last: most rows name one of a few milliseconds, and formatting one takes longer than the rest. */
const written = { ms: [0, 0], iso: [never, never], next: 0 };

function isoTime(timeMs: number): string {
  const { ms, iso } = written;
  const at = ms.indexOf(timeMs);
  if (at >= 0) return iso[at] ?? never;
  written.next = 1 - written.next;
  ms[written.next] = timeMs;
  const text = new Date(timeMs).toISOString();
  iso[written.next] = text;
  return text;
}
