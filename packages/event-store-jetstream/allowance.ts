import type { BatchStatement, Database } from "@signalbox/database";
import type { ConsumeSpec } from "@signalbox/event-store";
import { type Clock, ulid } from "@signalbox/kernel";

const exclusive = "select pg_advisory_xact_lock(hashtextextended(?, 7306))";
const heldByOthers = `select coalesce(sum(held), 0) as held from event_jetstream_permits
  where subscriber = ? and holder <> ? and expires_at_ms > ?`;
const hold = `insert into event_jetstream_permits (subscriber, holder, held, expires_at_ms) values (?, ?, ?, ?)
  on conflict (subscriber, holder) do update set held = excluded.held, expires_at_ms = excluded.expires_at_ms`;
const forget = "delete from event_jetstream_permits where expires_at_ms <= ? or (holder = ? and held = 0)";
const readBucket = "select tokens, at_ms from event_rate_limits where subscriber = ?";
const writeBucket = `insert into event_rate_limits (subscriber, tokens, at_ms) values (?, ?, ?)
  on conflict (subscriber) do update set tokens = excluded.tokens, at_ms = excluded.at_ms`;

/** Permits of a process that died are free again after this. */
const permitLeaseMs = 10_000;

type Execute = (statements: readonly BatchStatement[]) => Promise<Record<string, unknown>[]>;

/** Grants what the limits over all processes allow: deliveries at once, and deliveries over time. */
export class Allowance {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #holder: string;
  readonly #held = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    this.#holder = ulid();
  }

  /** How many of `wanted` may begin now; they count until `release`. */
  acquire(spec: ConsumeSpec, wanted: number): Promise<number> {
    return this.#inTurn(() => this.#acquire(spec, wanted));
  }

  async #acquire({ subscriber, maxTotal, rateLimit }: ConsumeSpec, wanted: number): Promise<number> {
    const granted = await this.#database.transaction(async (transaction) => {
      const execute: Execute = async (batch) =>
        (await this.#database.batch(batch, transaction)).flatMap(({ rows }) => rows);
      if (this.#database.engine === "postgres") await execute([statement(exclusive, subscriber)]);
      const nowMs = this.#clock.nowMs();
      let granted = wanted;
      if (maxTotal !== null) {
        const [row] = await execute([statement(heldByOthers, subscriber, this.#holder, nowMs)]);
        const held = this.#held.get(subscriber) ?? 0;
        granted = Math.max(0, Math.min(granted, maxTotal - held - Number(row?.["held"] ?? 0)));
      }
      if (rateLimit && granted > 0) granted = await spend(subscriber, rateLimit, granted, nowMs, execute);
      if (maxTotal !== null && granted > 0) {
        const held = (this.#held.get(subscriber) ?? 0) + granted;
        await execute([statement(hold, subscriber, this.#holder, held, nowMs + permitLeaseMs)]);
      }
      return granted;
    });
    if (maxTotal !== null && granted > 0) this.#held.set(subscriber, (this.#held.get(subscriber) ?? 0) + granted);
    return granted;
  }

  /** Deliveries have ended. The figure in the database follows with `renew`. */
  release(subscriber: string, count: number): void {
    const held = this.#held.get(subscriber);
    if (held !== undefined) this.#held.set(subscriber, Math.max(0, held - count));
  }

  /** Tells the others what is held here, and that this process lives. */
  renew(): Promise<void> {
    return this.#inTurn(() => this.#renew());
  }

  /** A figure that was read before another one was written must not be written after it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #renew(): Promise<void> {
    if (this.#held.size === 0) return;
    const nowMs = this.#clock.nowMs();
    const rows = [...this.#held].map(([subscriber, held]) => [subscriber, this.#holder, held, nowMs + permitLeaseMs]);
    await this.#database.batch([{ sql: hold, rows }, statement(forget, nowMs, this.#holder)]);
    for (const [subscriber, held] of this.#held) if (held === 0) this.#held.delete(subscriber);
  }
}

async function spend(
  subscriber: string,
  { max, perMs }: { readonly max: number; readonly perMs: number },
  wanted: number,
  nowMs: number,
  execute: Execute,
): Promise<number> {
  const [row] = await execute([statement(readBucket, subscriber)]);
  const sinceMs = row ? Math.max(0, nowMs - Number(row["at_ms"])) : 0;
  const tokens = row ? Math.min(max, Number(row["tokens"]) + (sinceMs * max) / perMs) : max;
  const granted = Math.min(wanted, Math.floor(tokens));
  if (granted > 0) await execute([statement(writeBucket, subscriber, tokens - granted, nowMs)]);
  return granted;
}

function statement(sql: string, ...values: (string | number)[]): BatchStatement {
  return { sql, rows: [values] };
}
