import { type ActivityPeriod, identityKey, type RunIdentity } from "@signalbox/experience";

/** Names of keys. Everything of one shard has one hash tag, so that a cluster keeps it on one node. */
export interface ShardKeys {
  readonly due: string;
  readonly final: string;
  readonly counters: string;
  readonly outbox: string;
  readonly meta: string;
  run(identity: string): string;
  timeline(identity: string): string;
  open(identity: RunIdentity): string;
  /** What producers have sent in one period. */
  activity(period: ActivityPeriod, fromMs: number): string;
}

export interface RedisKeys {
  readonly shards: readonly ShardKeys[];
  /** Has what is not about single runs. */
  readonly first: ShardKeys;
  of(identity: RunIdentity): ShardKeys;
}

export function createKeys(prefix: string, shards: number): RedisKeys {
  const all = Array.from({ length: shards }, (_, number): ShardKeys => {
    const base = `${prefix}:{${number}}`;
    return {
      due: `${base}:due`,
      final: `${base}:final`,
      counters: `${base}:counters`,
      outbox: `${base}:outbox`,
      meta: `${base}:meta`,
      run: (identity) => `${base}:run:${identity}`,
      timeline: (identity) => `${base}:tl:${identity}`,
      open: ({ tenant, experienceId }) => `${base}:open:${tenant}|${experienceId}`,
      activity: (period, fromMs) => `${base}:activity:${period}:${fromMs}`,
    };
  });
  const [first] = all;
  if (!first) throw new RangeError("There is at least one shard");
  return { shards: all, first, of: (identity) => all[crc32(identityKey(identity)) % shards] ?? first };
}

const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

function crc32(text: string): number {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(text, "utf8")) crc = (crc >>> 8) ^ (crcTable[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
