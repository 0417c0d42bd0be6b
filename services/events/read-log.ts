import type { Analytics } from "@signalbox/analytics";
import { canonicalCorrelationId } from "@signalbox/kernel";
import { type AttemptRow, attemptColumns, type DispatchRow, dispatchColumns } from "./dispatch-rows.js";

export interface LogFilter {
  readonly type?: string | undefined;
  readonly subscription?: string | undefined;
  /** Only publishes with such a decision. */
  readonly decision?: string | undefined;
  /** Only attempts that ended so. */
  readonly settlement?: string | undefined;
  readonly correlationId?: string | undefined;
  /** At or after this time. */
  readonly sinceMs?: number | undefined;
  /** Before this time. */
  readonly untilMs?: number | undefined;
}

/** A publish or an attempt; which of the two, `kind` says. */
export type LogEntry =
  | ({ readonly kind: "published"; readonly at: string; readonly key: string } & DispatchRow)
  | ({ readonly kind: "attempt"; readonly at: string; readonly key: string } & AttemptRow);

/** Where the list goes on: after this entry. */
export interface LogPosition {
  readonly at: string;
  readonly key: string;
}

/**
 * The dispatch log, newest first: publishes by their time, attempts by their end. A filter on the decision leaves only
 * publishes, one on the settlement only attempts.
 */
export async function readLog(
  analytics: Analytics,
  filter: LogFilter,
  limit: number,
  after?: LogPosition,
): Promise<readonly LogEntry[]> {
  const [published, attempts] = await Promise.all([
    filter.settlement === undefined ? readPublishes(analytics, filter, limit, after) : [],
    filter.decision === undefined ? readAttempts(analytics, filter, limit, after) : [],
  ]);
  return [...published, ...attempts].toSorted(newestFirst).slice(0, limit);
}

function newestFirst(left: LogPosition, right: LogPosition): number {
  if (left.at !== right.at) return left.at < right.at ? 1 : -1;
  return left.key < right.key ? 1 : -1;
}

type Row<Columns> = Columns & { readonly key: string };

async function readPublishes(
  analytics: Analytics,
  filter: LogFilter,
  limit: number,
  after: LogPosition | undefined,
): Promise<LogEntry[]> {
  const { where, params } = conditions(filter, "published_at", "event_id", after);
  const { subscription, decision } = filter;
  if (subscription !== undefined && decision !== undefined)
    where.push("arrayExists((s, d) -> s = {subscription:String} AND d = {decision:String}, subscriptions, decisions)");
  else if (subscription !== undefined) where.push("has(subscriptions, {subscription:String})");
  else if (decision !== undefined) where.push("has(decisions, {decision:String})");
  const rows = await analytics.query<Row<DispatchRow>>(
    `SELECT ${dispatchColumns}, event_id AS key FROM event_dispatches WHERE ${where.join(" AND ")}
     ORDER BY published_at DESC, key DESC LIMIT {limit:UInt32}`,
    { ...params, limit },
  );
  return rows.map((row) => ({ ...row, kind: "published", at: row.published_at }));
}

const attemptKey = "concat(event_id, ' ', delivery_id, ' ', toString(attempt), ' ', toString(started_at))";

async function readAttempts(
  analytics: Analytics,
  filter: LogFilter,
  limit: number,
  after: LogPosition | undefined,
): Promise<LogEntry[]> {
  const { where, params } = conditions(filter, "finished_at", attemptKey, after);
  if (filter.subscription !== undefined) where.push("subscription = {subscription:String}");
  if (filter.settlement !== undefined) where.push("settlement = {settlement:String}");
  const rows = await analytics.query<Row<AttemptRow>>(
    `SELECT ${attemptColumns}, ${attemptKey} AS key FROM event_attempts WHERE ${where.join(" AND ")}
     ORDER BY finished_at DESC, key DESC LIMIT {limit:UInt32}`,
    { ...params, limit },
  );
  return rows.map((row) => ({ ...row, kind: "attempt", at: row.finished_at }));
}

/** What both tables are asked alike. */
function conditions(
  filter: LogFilter,
  timeColumn: string,
  key: string,
  after: LogPosition | undefined,
): { readonly where: string[]; readonly params: Record<string, unknown> } {
  const where = ["1"];
  const params: Record<string, unknown> = {
    type: filter.type,
    subscription: filter.subscription,
    decision: filter.decision,
    settlement: filter.settlement,
  };
  if (filter.type !== undefined) where.push("event_type = {type:String}");
  if (filter.correlationId !== undefined) {
    where.push("correlation_id = {correlation:String}");
    params["correlation"] = canonicalCorrelationId(filter.correlationId);
  }
  if (filter.sinceMs !== undefined) {
    where.push(`${timeColumn} >= {since:DateTime64(3)}`);
    params["since"] = new Date(filter.sinceMs);
  }
  if (filter.untilMs !== undefined) {
    where.push(`${timeColumn} < {until:DateTime64(3)}`);
    params["until"] = new Date(filter.untilMs);
  }
  if (after) {
    where.push(`(${timeColumn}, ${key}) < ({afterTime:DateTime64(3)}, {afterKey:String})`);
    params["afterTime"] = new Date(after.at);
    params["afterKey"] = after.key;
  }
  return { where, params: Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)) };
}
