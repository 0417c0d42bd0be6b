import { type ClaimResult, parseIdentityKey, type Rules, type Run, type RunIdentity } from "@signalbox/experience";
import type { Redis } from "ioredis";
import { decodeRun } from "./codec.js";
import type { RedisKeys, ShardKeys } from "./keys.js";
import { portionsOf, type RunSteps } from "./steps.js";

export interface ClaimOptions {
  readonly client: Redis;
  readonly keys: RedisKeys;
  readonly rules: Pick<Rules, "retentionMs">;
  readonly runSteps: RunSteps;
  /** The clock by which a run is due. */
  readonly clockMs: () => Promise<number>;
}

/** For so many claims members that are due are read at once, while there is a backlog. */
const claimsAhead = 5;

/** See `claimDue` of the port. Forgets the places of runs that had their time, too. */
export function createClaimDue(options: ClaimOptions): (limit: number) => Promise<ClaimResult> {
  const { client, keys, rules, runSteps } = options;
  let lastClaim: Promise<unknown> = Promise.resolve();
  let claimsUnderWay = 0;
  let overdueAhead: readonly Overdue[] = [];

  /** Those that are overdue longest, over all shards. */
  const overdueMembers = async (nowMs: number, limit: number): Promise<readonly Overdue[]> => {
    const found = await Promise.all(
      keys.shards.map(async (shard) => {
        const flat = await client.zrangebyscore(shard.due, "-inf", `(${nowMs}`, "WITHSCORES", "LIMIT", 0, limit);
        return flat.flatMap((member, index) =>
          index % 2 === 0 ? [{ shard, member, dueMs: Number(flat[index + 1]) }] : [],
        );
      }),
    );
    return found
      .flat()
      .sort((a, b) => a.dueMs - b.dueMs)
      .slice(0, limit);
  };

  const expireSome = async (shard: ShardKeys, members: readonly string[]): Promise<Expired[]> => {
    const identities = members.map(parseIdentityKey);
    const answers = await runSteps(
      shard,
      identities.map((identity) => ({ identity, task: "expire" })),
    );
    return identities.map((identity, index) => {
      try {
        return { identity, run: expiredRun(identity, answers[index]) };
      } catch (error) {
        return { identity, error };
      }
    });
  };

  const readAhead = async (limit: number): Promise<void> => {
    const nowMs = await options.clockMs();
    const forgetMs = `(${nowMs - rules.retentionMs}`;
    const trims = keys.shards.map(({ final }) => client.zremrangebyscore(final, "-inf", forgetMs));
    overdueAhead = await overdueMembers(nowMs, limit * claimsAhead);
    await Promise.all(trims);
  };

  /**
   * Claims of this process begin one after the other, and read behind the steps that those before have sent: what those
   * close they do not see. While others are under way a claim takes what they have read ahead, and waits for no answer.
   * What another process has closed since then the script finds out.
   */
  const sendClaim = async (limit: number) => {
    if (overdueAhead.length < limit) await readAhead(limit);
    const due = overdueAhead.slice(0, limit);
    overdueAhead = overdueAhead.slice(limit);
    const expired = portionsOf(due, ({ shard }) => shard).map(({ shard, items }) =>
      expireSome(
        shard,
        items.map(({ member }) => member),
      ),
    );
    return { due, closed: Promise.all(expired) };
  };

  const closeOverdue = async (limit: number) => {
    claimsUnderWay++;
    try {
      const sent = lastClaim.then(() => sendClaim(limit));
      lastClaim = sent.catch(() => {});
      const { due, closed } = await sent;
      return { due, expired: await closed };
    } finally {
      if (--claimsUnderWay === 0) overdueAhead = [];
    }
  };

  return async (limit) => {
    const { due, expired } = await closeOverdue(limit);
    const decided: Run[] = [];
    const failed: { identity: RunIdentity; error: unknown }[] = [];
    for (const { identity, run, error } of expired.flat()) {
      if (error !== undefined) failed.push({ identity, error });
      else if (run) decided.push(run);
    }
    decided.sort((a, b) => (a.verdict?.verdictAtMs ?? 0) - (b.verdict?.verdictAtMs ?? 0));
    return { decided, failed, more: due.length >= limit && decided.length > 0 };
  };
}

/** A run that is due by its index. */
interface Overdue {
  readonly shard: ShardKeys;
  readonly member: string;
  readonly dueMs: number;
}

/** What became of one run that was thought to be due. */
interface Expired {
  readonly identity: RunIdentity;
  readonly run?: Run | undefined;
  readonly error?: unknown;
}

/** The run as it was closed; `undefined` when it was not due any more. */
function expiredRun(identity: RunIdentity, answer: unknown): Run | undefined {
  if (!Array.isArray(answer)) return undefined;
  const [result, run] = answer;
  if (result === "failed") throw new Error(String(run));
  return decodeRun(identity, String(run));
}
