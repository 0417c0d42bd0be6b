import type { ExtendResult, Lease, LeaseMark, SettleItem, Settlement, SettleResult } from "@signalbox/event-store";
import { JobLease } from "./lease.js";
import { perform, type RedisParts } from "./parts.js";
import { script } from "./redis.js";
import { extendScript } from "./scripts/extend.js";
import { settleScript } from "./scripts/settle.js";

const settle = script(settleScript);
const extend = script(extendScript);

/** A settlement of a lease that this process still believes to hold. */
export interface HeldItem extends SettleItem {
  readonly lease: JobLease;
}

export function heldAmong(items: readonly SettleItem[]): HeldItem[] {
  return items.filter((item): item is HeldItem => item.lease instanceof JobLease && !item.lease.ended);
}

/** Settles leases; one result for each item, in order. */
export async function settleJobs(items: readonly SettleItem[], parts: RedisParts): Promise<SettleResult[]> {
  const held = heldAmong(items);
  if (held.length === 0) return items.map(() => "lease_lost");
  const values: (string | number)[] = [parts.repetitionWindowMs];
  for (const { lease, settlement } of held)
    values.push(lease.holder.subscriber, lease.jobId, lease.token, settlement.kind, ...factsOf(lease, settlement));
  const answer = (await perform(parts, settle, values)) as readonly number[];
  const settled = new Set(held.filter((_, index) => answer[index] === 1));
  return items.map((item) => {
    if (!(item.lease instanceof JobLease)) return "lease_lost";
    item.lease.end();
    return settled.has(item as HeldItem) ? "settled" : "lease_lost";
  });
}

/** Moves deadlines; one result for each lease, in order. */
export async function extendJobs(
  leases: readonly Lease[],
  mark: LeaseMark | undefined,
  parts: RedisParts,
): Promise<ExtendResult[]> {
  const ours = leases.filter((lease) => lease instanceof JobLease).filter((lease) => !lease.ended);
  if (ours.length === 0) return leases.map(() => "lease_lost");
  const values: (string | number)[] = [mark ?? ""];
  for (const { holder, jobId, token } of ours) values.push(holder.subscriber, jobId, token, holder.leaseMs);
  const answer = (await perform(parts, extend, values)) as readonly number[];
  const extended = new Set<Lease>(ours.filter((_, index) => answer[index] === 1));
  return leases.map((lease) => {
    if (!(lease instanceof JobLease)) return "lease_lost";
    if (extended.has(lease)) {
      lease.holder.extended(lease);
      return "extended";
    }
    lease.end();
    return "lease_lost";
  });
}

/** What the script has to know beside the job, as JSON, and the body of a retry; both empty when there is none. */
function factsOf({ header, holder }: JobLease, settlement: Settlement): [facts: string, body: string] {
  if (settlement.kind === "hand_back") return ["", ""];
  if (settlement.kind === "retry") {
    const { dueAtMs, attempts, progress, body } = settlement;
    return [JSON.stringify({ due: dueAtMs, attempts, progress: progress ?? undefined }), body ?? ""];
  }
  const { key, bytes, subscription, lock } = header;
  if (key === undefined && bytes === undefined && lock === undefined) return ["", ""];
  return [JSON.stringify({ key, perKey: holder.perKey, bytes, subscription, lock }), ""];
}
