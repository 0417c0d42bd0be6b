import { randomUUID } from "node:crypto";
import type { JobConsumer } from "./consumer.js";
import { type ClaimedJob, JobLease } from "./lease.js";
import { perform, type RedisParts } from "./parts.js";
import { script } from "./redis.js";
import { claimScript } from "./scripts/claim.js";

export interface Claimed {
  readonly leases: readonly JobLease[];
  /** Another look is worth while. */
  readonly more: boolean;
  /** The rate limit holds up a delivery that is due. */
  readonly limited: boolean;
}

const claim = script(claimScript);
/** What one claim brings into memory, apart from the last job. */
const maxClaimBytes = 8_388_608;

/** Takes up to `limit` due deliveries for a consumer, within the limits over all processes. */
export async function claimJobs(consumer: JobConsumer, limit: number, parts: RedisParts): Promise<Claimed> {
  const { subscriber, spec } = consumer;
  const token = randomUUID();
  const answer = await perform(parts, claim, [
    subscriber,
    token,
    spec.leaseMs,
    limit,
    maxClaimBytes,
    spec.maxTotal ?? -1,
    spec.rateLimit?.max ?? 0,
    spec.rateLimit?.perMs ?? 0,
  ]);
  // The shape that the script answers with.
  const [limited, ...jobs] = answer as readonly [number, ...ClaimedJob[]];
  const leases = jobs.map((job) => new JobLease(job, token, consumer));
  return { leases, more: leases.length === limit, limited: limited === 1 };
}
