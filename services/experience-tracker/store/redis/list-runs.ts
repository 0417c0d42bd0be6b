import {
  isFinal,
  type ListCursor,
  parseIdentityKey,
  type Run,
  type RunFilter,
  type RunPage,
} from "@signalbox/experience";
import type { Redis } from "ioredis";
import { decodeRun } from "./codec.js";
import type { RedisKeys, ShardKeys } from "./keys.js";

/** Members read of each shard at once, and in all for one page. */
const chunkMembers = 500;
const maxMembers = 5_000;

interface Member extends ListCursor {
  readonly shard: ShardKeys;
}

/** Walks the index of what is due, or of what was decided, of all shards side by side. */
export async function listRuns(
  client: Redis,
  keys: RedisKeys,
  filter: RunFilter,
  page: { readonly limit: number; readonly after?: ListCursor | undefined },
): Promise<RunPage> {
  const runs: Run[] = [];
  let { after } = page;
  for (let read = 0; read < maxMembers; ) {
    const { members, complete } = await readMembers(client, keys, filter, after);
    read += members.length;
    const wanted = members.filter(({ key }) => mayFit(key, filter));
    const found = await readRuns(client, wanted);
    for (const [index, run] of found.entries()) {
      if (runs.length === page.limit) return { runs, next: after };
      const member = wanted[index];
      if (member) after = { atMs: member.atMs, key: member.key };
      if (run && fits(run, filter)) runs.push(run);
    }
    if (complete) return { runs, next: undefined };
    const last = members.at(-1);
    if (last) after = { atMs: last.atMs, key: last.key };
  }
  return { runs, next: after };
}

/** The next members of all shards in their common order, as far as all shards were read. */
async function readMembers(
  client: Redis,
  keys: RedisKeys,
  filter: RunFilter,
  after: ListCursor | undefined,
): Promise<{ readonly members: readonly Member[]; readonly complete: boolean }> {
  const descending = filter.decidedAfterMs !== undefined;
  const order = (a: ListCursor, b: ListCursor): number => compare(a, b) * (descending ? -1 : 1);
  const chunks = await Promise.all(keys.shards.map((shard) => readChunk(client, shard, filter, after)));
  const members = chunks.flatMap(({ found }) => found).sort(order);
  const horizons = chunks.flatMap(({ found, complete }) => {
    const last = found.at(-1);
    return complete || !last ? [] : [last];
  });
  const [horizon] = horizons.sort(order);
  if (!horizon) return { members, complete: true };
  return { members: members.filter((member) => order(member, horizon) <= 0), complete: false };
}

async function readChunk(
  client: Redis,
  shard: ShardKeys,
  { decidedAfterMs }: RunFilter,
  after: ListCursor | undefined,
): Promise<{ readonly found: readonly Member[]; readonly complete: boolean }> {
  const found: Member[] = [];
  for (let offset = 0; ; offset += chunkMembers) {
    const flat =
      decidedAfterMs === undefined
        ? await client.zrangebyscore(
            shard.due,
            after?.atMs ?? "-inf",
            "+inf",
            "WITHSCORES",
            "LIMIT",
            offset,
            chunkMembers,
          )
        : await client.zrevrangebyscore(
            shard.final,
            after?.atMs ?? "+inf",
            `(${decidedAfterMs}`,
            "WITHSCORES",
            "LIMIT",
            offset,
            chunkMembers,
          );
    for (let index = 0; index + 1 < flat.length; index += 2) {
      const member = { key: flat[index] ?? "", atMs: Number(flat[index + 1]), shard };
      // Equal times are in the order of their keys, downwards when the walk goes down.
      const behind = !after || (decidedAfterMs === undefined ? compare(member, after) > 0 : compare(member, after) < 0);
      if (behind) found.push(member);
    }
    if (flat.length < chunkMembers * 2) return { found, complete: true };
    if (found.length > 0) return { found, complete: false };
  }
}

function compare(a: ListCursor, b: ListCursor): number {
  return a.atMs - b.atMs || Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}

async function readRuns(client: Redis, members: readonly Member[]): Promise<(Run | undefined)[]> {
  const texts = await Promise.all(members.map(({ shard, key }) => client.get(shard.run(key))));
  return texts.map((text, index) =>
    text === null ? undefined : decodeRun(parseIdentityKey(members[index]?.key ?? ""), text),
  );
}

/** What the key alone tells. */
function mayFit(key: string, { tenant, experienceIds }: RunFilter): boolean {
  const identity = parseIdentityKey(key);
  return identity.tenant === tenant && (experienceIds?.includes(identity.experienceId) ?? true);
}

function fits(run: Run, { states, decidedAfterMs, matches }: RunFilter): boolean {
  if (isFinal(run.state) !== (decidedAfterMs !== undefined)) return false;
  if (states && !states.includes(run.state)) return false;
  return matches?.(run) ?? true;
}
