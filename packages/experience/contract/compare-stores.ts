import fc from "fast-check";
import { expect } from "vitest";
import {
  type Checkpoint,
  type CheckpointKind,
  createMemoryStore,
  type Definition,
  type ExperienceStore,
  identityKey,
  type OutboxRecord,
  type Outcome,
  type Run,
  recordKey,
} from "../index.js";
import { at, checkpointOf, definitionOf } from "./journeys.js";
import { drainOutbox, reapAll, risesBetween, type StoreUnderTest, ulidsOf } from "./subject.js";

/** One thing that happens in a random history. */
interface Move {
  readonly waitMs: number;
  readonly kind: CheckpointKind | "reap" | "heartbeat";
  readonly journey: number;
  readonly clockMs: number;
  readonly sentMs: number | undefined;
  readonly outcome: Outcome;
  readonly type: string;
  readonly category: string | undefined;
  readonly eventId: string | undefined;
  readonly sequence: number | undefined;
  readonly uncounted: boolean;
}

const waits = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 3_000 }) },
  { weight: 2, arbitrary: fc.constantFrom(10_000, 29_999, 30_000, 30_001, 31_000) },
  { weight: 1, arbitrary: fc.constantFrom(86_400_000, 86_400_001, 90_000_000) },
);

const clocks = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: -2_500, max: 50 }) },
  { weight: 2, arbitrary: fc.constantFrom(-40_000, -3_600_000, 60_000, 60_001, -86_400_000, -86_400_001) },
);

const moves: fc.Arbitrary<Move> = fc.record({
  waitMs: waits,
  kind: fc.constantFrom("start" as const, "intermediate", "end", "start", "end", "reap", "heartbeat"),
  journey: fc.integer({ min: 0, max: 2 }),
  clockMs: clocks,
  sentMs: fc.option(fc.constantFrom(0, -9_999, -10_001, -3_600_000, 90_000), { nil: undefined, freq: 3 }),
  outcome: fc.constantFrom("success" as const, "error", "discarded"),
  type: fc.constantFrom("web", "sidekiq", "toaster"),
  category: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
  eventId: fc.option(fc.constantFrom("x", "y"), { nil: undefined, freq: 3 }),
  sequence: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  uncounted: fc.constantFrom(...Array<boolean>(11).fill(false), true),
});

let histories = 0;

/** Plays random histories in the store under test and in memory: both must say the same of everything. */
export async function compareWithMemory(subject: StoreUnderTest, numRuns: number): Promise<void> {
  const { clock, store } = subject;
  await fc.assert(
    fc.asyncProperty(fc.array(moves, { minLength: 1, maxLength: 24 }), async (history) => {
      // Far enough that gaps, holds and retention of the history before have ended.
      await clock.advanceBy(200_000_000);
      await reapAll(store);
      await drainOutbox(store);
      const memory = createMemoryStore({ clock });
      // The silence until now was a gap for the one and nothing for the other: its hold ends before the history begins.
      for (let beat = 0; beat < 5; beat++) {
        await heartbeat(store, memory);
        await clock.advanceBy(10_000);
      }
      await playBoth(subject, memory, history);
    }),
    { numRuns, ...(process.env["FC_SEED"] ? { seed: Number(process.env["FC_SEED"]) } : {}) },
  );
}

async function heartbeat(...stores: readonly ExperienceStore[]): Promise<void> {
  for (const store of stores) await store.heartbeat({ replica: "a", reason: "tracker_down" });
}

async function playBoth(
  { clock, store }: StoreUnderTest,
  memory: ExperienceStore,
  history: readonly Move[],
): Promise<void> {
  histories++;
  const nextUlid = ulidsOf(clock);
  const journeys = [
    definitionOf(`plain_${histories}`),
    definitionOf(`active_${histories}`, {
      inactivity_timeout_s: 8,
      path: [{ category: "a" }, { category: "b", max_gap_s: 1.5 }],
    }),
  ]
    .flatMap((definition) => [{ definition, id: nextUlid() }])
    .concat([
      {
        definition: definitionOf(`custom_${histories}`, { urgency: "custom", apdex_threshold_s: 0.5005 }),
        id: nextUlid(),
      },
    ]);
  const before = await store.counters();
  for (const [index, move] of history.entries()) {
    await clock.advanceBy(move.waitMs);
    if (move.kind === "heartbeat") {
      await heartbeat(store, memory);
      continue;
    }
    if (move.kind === "reap") {
      const [decided, expected] = [await reapAll(store), await reapAll(memory)];
      expect(sorted(decided)).toEqual(sorted(expected));
      continue;
    }
    const journey = journeys[move.journey];
    if (!journey) continue;
    const checkpoint = checkpointOfMove(move, move.kind, journey, clock.nowMs(), index);
    const [[result], [expected]] = [await store.apply([checkpoint]), await memory.apply([checkpoint])];
    expect(result).toEqual(expected);
  }
  for (const { definition, id } of journeys) {
    const identity = { tenant: "default", experienceId: definition.id, correlationId: id, run: "1" };
    expect(await store.get(identity)).toEqual(await memory.get(identity));
  }
  expect(risesBetween(before, await store.counters())).toEqual(withoutZeros(await memory.counters()));
  const [records, expected] = [await drainOutbox(store), await drainOutbox(memory)];
  expect(inOrder(records.map(({ record }) => record))).toEqual(inOrder(expected.map(({ record }) => record)));
}

function checkpointOfMove(
  move: Move,
  kind: CheckpointKind,
  journey: { readonly definition: Definition; readonly id: string },
  nowMs: number,
  index: number,
): Checkpoint {
  const sent = {
    correlation_id: journey.id,
    checkpoint: kind,
    client_timestamp: at(nowMs + move.clockMs),
    type: move.type,
    event_id: move.eventId ?? `e${index}`,
    ...(kind === "end" ? { outcome: move.outcome } : {}),
    ...(kind === "end" && move.outcome === "discarded"
      ? { discard_reason: move.category ? "user_error" : "mood" }
      : {}),
    ...(kind === "end" && move.outcome === "error" ? { error_message: "it broke" } : {}),
    ...(move.category === undefined ? {} : { checkpoint_category: move.category, meta: { user: move.category } }),
    ...(move.sentMs === undefined ? {} : { sent_timestamp: at(nowMs + move.sentMs) }),
    ...(move.sequence === undefined ? {} : { sequence: move.sequence }),
  };
  return checkpointOf(journey.definition, sent, { uncounted: move.uncounted });
}

function sorted(runs: readonly Run[]): Run[] {
  return [...runs].sort((a, b) => (identityKey(a.identity) < identityKey(b.identity) ? -1 : 1));
}

/** Records of one run stay in their order; between runs there is none. */
function inOrder(records: readonly OutboxRecord[]): Record<string, unknown[]> {
  const byRun: Record<string, unknown[]> = {};
  for (const record of records) {
    const key = identityKey(record.run.identity);
    const found = byRun[key] ?? [];
    byRun[key] = found;
    found.push({ key: recordKey(record), record });
  }
  return byRun;
}

function withoutZeros(counters: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...counters].filter(([, value]) => value !== 0));
}
