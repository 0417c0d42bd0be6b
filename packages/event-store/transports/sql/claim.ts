import type { BatchStatement, RunResult } from "@signalbox/database";
import { refillTokens, type TokenBucket, takeTokens } from "../token-bucket.js";
import type { SqlConsumer } from "./consumer.js";
import { blocked, type ClaimedRow, statement } from "./engine.js";
import { SqlLease } from "./lease.js";
import type { Execute, SqlParts } from "./parts.js";

const runningCount =
  "select count(*) as running from event_deliveries where subscriber = ? and state = 1 and available_at_ms is not null";
const oneDue = "select seq from event_deliveries where subscriber = ? and state = 0 and available_at_ms <= ? limit 1";
const readBucket = "select tokens, at_ms from event_rate_limits where subscriber = ?";
const writeBucket = `insert into event_rate_limits (subscriber, tokens, at_ms) values (?, ?, ?)
  on conflict (subscriber) do update set tokens = excluded.tokens, at_ms = excluded.at_ms`;

export interface Claimed {
  readonly leases: SqlLease[];
  /** Another look is worth while. */
  readonly more: boolean;
}

/** Takes up to `limit` due deliveries for a consumer, within the limits over all processes. */
export async function claimDeliveries(consumer: SqlConsumer, limit: number, parts: SqlParts): Promise<Claimed> {
  const claimed = await claimDue(consumer, limit, parts);
  const locked = claimed.leases.filter(({ lockName }) => lockName !== null);
  if (locked.length > 0) await parts.dedup.started(locked, (batch) => parts.database.batch(batch));
  return claimed;
}

async function claimDue(consumer: SqlConsumer, limit: number, parts: SqlParts): Promise<Claimed> {
  const { database, engine } = parts;
  const { subscriber, spec } = consumer;
  const limited = spec.maxTotal !== null || spec.rateLimit !== null;
  const exclusive = engine.exclusive(subscriber);
  const lease = drawLease();
  if (!limited && !exclusive) {
    const [result] = await database.batch([claimStatement(consumer, limit, lease, parts)]);
    return toClaimed(consumer, result, limit, lease);
  }
  return database.transaction(async (transaction) => {
    const execute: Execute = (batch) => database.batch(batch, transaction);
    if (exclusive) await execute([exclusive]);
    const allowed = limited ? await allowance(consumer, limit, parts, execute) : limit;
    if (allowed <= 0) return { leases: [], more: false };
    const [result] = await execute([claimStatement(consumer, allowed, lease, parts)]);
    const claimed = toClaimed(consumer, result, allowed, lease);
    if (spec.rateLimit && claimed.leases.length > 0) await spend(consumer, claimed.leases.length, parts, execute);
    return claimed;
  });
}

function claimStatement(
  { subscriber, spec }: SqlConsumer,
  limit: number,
  lease: number,
  { clock, engine }: SqlParts,
): BatchStatement {
  const nowMs = clock.nowMs();
  const leaseUntilMs = nowMs + spec.leaseMs;
  return engine.claim({ subscriber, lease, leaseUntilMs, nowMs, limit, perKey: spec.perKey });
}

/** How many the limits over all processes allow now. */
async function allowance(consumer: SqlConsumer, limit: number, parts: SqlParts, execute: Execute): Promise<number> {
  const { subscriber, spec } = consumer;
  let allowed = limit;
  if (spec.maxTotal !== null) {
    const [result] = await execute([statement(runningCount, subscriber)]);
    allowed = Math.min(allowed, spec.maxTotal - Number(result?.rows[0]?.["running"] ?? 0));
  }
  if (spec.rateLimit) {
    const nowMs = parts.clock.nowMs();
    const tokens = Math.floor(refillTokens(await bucketOf(subscriber, spec.rateLimit, nowMs, execute), nowMs));
    if (tokens < 1 && allowed > 0 && (await isDue(subscriber, nowMs, execute))) consumer.limited();
    allowed = Math.min(allowed, tokens);
  }
  return allowed;
}

async function isDue(subscriber: string, nowMs: number, execute: Execute): Promise<boolean> {
  const [result] = await execute([statement(oneDue, subscriber, nowMs)]);
  return (result?.rows.length ?? 0) > 0;
}

async function spend(
  { subscriber, spec }: SqlConsumer,
  count: number,
  { clock }: SqlParts,
  execute: Execute,
): Promise<void> {
  if (!spec.rateLimit) return;
  const nowMs = clock.nowMs();
  const bucket = await bucketOf(subscriber, spec.rateLimit, nowMs, execute);
  refillTokens(bucket, nowMs);
  takeTokens(bucket, count);
  await execute([statement(writeBucket, subscriber, bucket.tokens, bucket.atMs)]);
}

/** Full at first. */
async function bucketOf(
  subscriber: string,
  limit: { readonly max: number; readonly perMs: number },
  nowMs: number,
  execute: Execute,
): Promise<TokenBucket> {
  const [result] = await execute([statement(readBucket, subscriber)]);
  const row = result?.rows[0];
  if (!row) return { ...limit, tokens: limit.max, atMs: nowMs };
  return { ...limit, tokens: Number(row["tokens"]), atMs: Number(row["at_ms"]) };
}

function toClaimed(consumer: SqlConsumer, result: RunResult | undefined, limit: number, lease: number): Claimed {
  // The columns are those that the claim returns.
  const rows = (result?.rows ?? []) as unknown as readonly (ClaimedRow & { readonly state?: number })[];
  const leases = rows.filter((row) => row.state !== blocked).map((row) => new SqlLease(row, lease, consumer));
  leases.sort((left, right) => left.dueAtMs - right.dueAtMs || left.seq - right.seq);
  return { leases, more: rows.length === limit };
}

/** 52 random bits: the chance that a row is offered again under the same number is nil. */
function drawLease(): number {
  return Math.floor(Math.random() * 2 ** 52) + 1;
}
