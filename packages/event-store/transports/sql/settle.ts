import type { BatchStatement, RunResult } from "@signalbox/database";
import type { ExtendResult, Lease, LeaseMark, SettleItem, SettleResult } from "../transport.js";
import type { KeyOf } from "./engine.js";
import { SqlLease } from "./lease.js";
import type { Execute, SqlParts } from "./parts.js";

const retryRow = `update event_deliveries
  set state = 0, available_at_ms = ?, due_at_ms = ?, attempts = ?, progress = ?, body = coalesce(?, body), lease = null, alone = 0, begun = 0
  where seq = ? and lease = ? and state = 1 returning seq`;
const handBackRow = `update event_deliveries set state = 0, available_at_ms = due_at_ms, lease = null, alone = 0, begun = 0
  where seq = ? and lease = ? and state = 1 returning seq`;
const settledRow = "select seq from event_deliveries where seq = ? and lease = ? and state = 3";

/** A settlement of a lease that this process still believes to hold. */
export interface HeldItem extends SettleItem {
  readonly lease: SqlLease;
}

export function heldAmong(items: readonly SettleItem[]): HeldItem[] {
  return items.filter((item): item is HeldItem => item.lease instanceof SqlLease && !item.lease.ended);
}

/** What is to be done, sorted by what it takes. */
interface Work {
  readonly finished: readonly SqlLease[];
  readonly retried: readonly HeldItem[];
  readonly returned: readonly HeldItem[];
  readonly keys: readonly KeyOf[];
  readonly locked: readonly SqlLease[];
  /** Must be held to end deliveries of a key. */
  readonly exclusive: readonly BatchStatement[];
}

/** Settles leases; one result for each item, in order. */
export async function settleLeases(items: readonly SettleItem[], parts: SqlParts): Promise<SettleResult[]> {
  const { database } = parts;
  const held = heldAmong(items);
  const work = sortOut(held, parts);
  const settled =
    work.exclusive.length > 0 || work.locked.length > 0
      ? await database.transaction((transaction) => perform(work, parts, (batch) => database.batch(batch, transaction)))
      : await perform(work, parts, (batch) => database.batch(batch));
  return items.map(({ lease }) => {
    if (!(lease instanceof SqlLease)) return "lease_lost";
    // The second settlement of one lease in a call finds it gone.
    const isSettled = settled.delete(lease);
    lease.end();
    return isSettled ? "settled" : "lease_lost";
  });
}

function sortOut(items: readonly HeldItem[], { engine }: SqlParts): Work {
  const ofKind = (...kinds: string[]) => items.filter(({ settlement }) => kinds.includes(settlement.kind));
  const finished = ofKind("done", "dead").map(({ lease }) => lease);
  const keys = keysOf(finished);
  // In one order everywhere, so that two processes never wait for each other.
  const subscribers = [...new Set(keys.map(({ subscriber }) => subscriber))].sort();
  return {
    finished,
    retried: ofKind("retry"),
    returned: ofKind("hand_back"),
    keys,
    locked: finished.filter(({ lockName }) => lockName !== null),
    exclusive: subscribers.flatMap((subscriber) => engine.exclusive(subscriber) ?? []),
  };
}

async function perform(work: Work, parts: SqlParts, execute: Execute): Promise<Set<SqlLease>> {
  const { bounds, clock, dedup, engine } = parts;
  const { finished, retried, returned, keys, locked, exclusive } = work;
  const statements: BatchStatement[] = [...exclusive];
  const pending = bounds.statementFor(finished, -1);
  const finish = finished.length > 0 ? statements.push(engine.settle(finished, clock.nowMs())) - 1 : -1;
  if (keys.length > 0) statements.push(engine.release(keys));
  if (pending) statements.push(pending);
  const retry = retried.length > 0 ? statements.push({ sql: retryRow, rows: retried.map(retryValues) }) - 1 : -1;
  const giveBack =
    returned.length > 0 ? statements.push({ sql: handBackRow, rows: returned.map(leaseValues) }) - 1 : -1;
  const results = statements.length > 0 ? await execute(statements) : [];

  const done = await settledAmong(finished, results[finish]?.changes ?? 0, execute);
  for (const lease of done) if (lease.boundedBytes !== null) bounds.note(lease.subscription, -1, -lease.boundedBytes);
  if (done.length < finished.length) {
    const lost = finished.filter((lease) => !done.includes(lease));
    const correction = bounds.statementFor(lost, 1);
    if (correction) await execute([correction]);
  }
  if (locked.length > 0) await dedup.finished(locked, execute, (row) => engine.insert([row]));
  const back = seqsOf(results[retry], results[giveBack]);
  return new Set([...done, ...[...retried, ...returned].map(({ lease }) => lease).filter(({ seq }) => back.has(seq))]);
}

/** A lease keeps its number when it is settled, so a doubtful one can be looked up. */
async function settledAmong(
  leases: readonly SqlLease[],
  changes: number,
  execute: Execute,
): Promise<readonly SqlLease[]> {
  if (changes === leases.length) return leases;
  if (changes === 0) return [];
  const [result] = await execute([{ sql: settledRow, rows: leases.map(({ seq, lease }) => [seq, lease]) }]);
  const known = seqsOf(result);
  return leases.filter(({ seq }) => known.has(seq));
}

/** Moves deadlines; one result for each lease, in order. */
export async function extendLeases(
  leases: readonly Lease[],
  mark: LeaseMark | undefined,
  { database, clock, engine }: SqlParts,
): Promise<ExtendResult[]> {
  const ours = leases.filter((lease) => lease instanceof SqlLease).filter((lease) => !lease.ended);
  if (ours.length === 0) return leases.map(() => "lease_lost");
  const nowMs = clock.nowMs();
  const rows = ours.map(({ seq, lease, holder }) => ({ seq, lease, untilMs: nowMs + holder.leaseMs }));
  const [result] = await database.batch([engine.extend(rows, mark)]);
  const extended = seqsOf(result);
  return leases.map((lease) => {
    if (!(lease instanceof SqlLease)) return "lease_lost";
    if (extended.has(lease.seq)) return "extended";
    lease.end();
    return "lease_lost";
  });
}

function seqsOf(...results: readonly (RunResult | undefined)[]): Set<unknown> {
  return new Set(results.flatMap((result) => result?.rows.map((row) => row["seq"]) ?? []));
}

function keysOf(leases: readonly SqlLease[]): KeyOf[] {
  return leases.flatMap(({ key, holder }) =>
    key === null ? [] : [{ subscriber: holder.subscriber, key, perKey: holder.perKey }],
  );
}

function retryValues({ lease, settlement }: HeldItem): (string | number | null)[] {
  if (settlement.kind !== "retry") return [];
  const { dueAtMs, attempts, progress, body } = settlement;
  return [dueAtMs, dueAtMs, attempts, progress, body ?? null, lease.seq, lease.lease];
}

function leaseValues({ lease }: HeldItem): number[] {
  return [lease.seq, lease.lease];
}
