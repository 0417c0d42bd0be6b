import {
  type Gap,
  gapAfterMs,
  type Heartbeat,
  type HeartbeatResult,
  type Rules,
  type SilenceGap,
  untilNow,
} from "@signalbox/experience";
import type { Redis } from "ioredis";
import type { ShardKeys } from "./keys.js";
import { createScript, heartbeatScript, silenceScript } from "./scripts.js";

const beatScript = createScript(heartbeatScript);
const recordScript = createScript(silenceScript);
const rememberedMs = 90 * 86_400_000;

export interface BeatContext {
  readonly client: Redis;
  readonly shards: readonly ShardKeys[];
  readonly rules: Pick<Rules, "recoveryGraceMs">;
  readonly nowMs: number;
  /** What the scripts go by; absent: the server's clock. */
  readonly injectedNowMs: number | undefined;
}

/** The first shard remembers who is alive and what the gaps were. */
export async function beat(context: BeatContext, heartbeat: Heartbeat): Promise<HeartbeatResult> {
  const { replica, reason, silentMs } = heartbeat;
  const { client, rules, nowMs, injectedNowMs } = context;
  const [first, ...others] = context.shards;
  if (!first) throw new RangeError("There is at least one shard");
  const answer = await beatScript.run(
    client,
    [first.meta],
    [
      String(injectedNowMs ?? ""),
      replica,
      reason,
      String(gapAfterMs),
      String(rules.recoveryGraceMs),
      String(nowMs - rememberedMs),
      String(silentMs ?? ""),
    ],
  );
  if (!Array.isArray(answer)) throw new TypeError("The heartbeat's answer cannot be read");
  const [gap, hold, alive] = answer;
  // The others learn of the hold from the first; each of its beats tells them again.
  await Promise.all(others.map(({ meta }) => client.hset(meta, "hold_until_ms", String(hold))));
  return {
    gap: gap === "" ? undefined : gapOf(`${gap}|${replica}`),
    alive: Array.isArray(alive) ? alive.map(String) : [replica],
  };
}

/** See `recordSilence` of the port. */
export async function recordSilence(client: Redis, { meta }: ShardKeys, gap: SilenceGap): Promise<boolean> {
  const { fromMs, toMs, reason, replica, silence } = gap;
  const { tenant, producer, types, goesOn } = silence;
  const answer = await recordScript.run(
    client,
    [meta],
    [
      `${nameOf(fromMs)}:${tenant}|${producer}`,
      [fromMs, toMs, reason, replica, tenant, types.join(), producer].join("|"),
      goesOn ? "goes_on" : "over",
    ],
  );
  return answer === 1;
}

export async function readGaps(client: Redis, { meta }: ShardKeys, sinceMs: number, nowMs: number): Promise<Gap[]> {
  return Object.entries(await client.hgetall(meta))
    .filter(([name]) => name.startsWith("gap:"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, value]) => untilNow(gapOf(value), nowMs))
    .filter(({ toMs }) => toMs > sinceMs);
}

/** As the heartbeat's script names it. */
function nameOf(fromMs: number): string {
  return `gap:${String(fromMs).padStart(15, "0")}`;
}

/** A producer's name may hold any character, and so comes last; what goes on has a mark in front. */
function gapOf(value: string): Gap {
  const goesOn = value.startsWith("~");
  const [from, to, reason, replica = "", tenant = "", types = "", ...producer] = value.replace(/^~/, "").split("|");
  const gap = { fromMs: Number(from), toMs: Number(to), replica };
  if (reason !== "producer_silent") return { ...gap, reason: reason === "store_down" ? reason : "tracker_down" };
  return { ...gap, reason, silence: { tenant, producer: producer.join("|"), types: types.split(","), goesOn } };
}
