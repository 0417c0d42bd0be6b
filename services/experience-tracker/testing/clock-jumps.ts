import type { ExperienceStore, Run, RunIdentity } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { type Clock, createUlidFactory, createVirtualClock, noMetrics, silentLogger } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { createHeartbeat, noticingSilence } from "../heartbeat.js";
import { createReaper } from "../reaper.js";

const hourMs = 3_600_000;
/** More than a producer's clock may be ahead. */
const twoMinutesMs = 120_000;
const beatEveryMs = 5_000;
/** Threshold 2 s, timeout 30 s. */
const definition = definitionOf("checkout");

export interface StoreOnClock {
  readonly store: ExperienceStore;
  destroy(): Promise<void>;
}

/** A tracker's clock beside that of its producers, which is right all the time. */
function jumpingClock() {
  const producers = createVirtualClock();
  let offsetMs = 0;
  const clock: Clock = {
    nowMs: () => producers.nowMs() + offsetMs,
    monotonicMs: () => producers.monotonicMs(),
    sleep: (...args) => producers.sleep(...args),
    setTimer: (...args) => producers.setTimer(...args),
  };
  const jumpBy = (byMs: number): void => {
    offsetMs += byMs;
  };
  return { clock, producers, jumpBy };
}

/** What a tracker on this store makes of a clock that somebody sets while runs are open. */
export function describeClockJumps(name: string, create: (clock: Clock) => Promise<StoreOnClock>): void {
  const withTracker = async (work: (tracker: ReturnType<typeof trackerOn>) => Promise<void>): Promise<void> => {
    const jumping = jumpingClock();
    const { store, destroy } = await create(jumping.clock);
    try {
      await work(trackerOn(store, jumping));
    } finally {
      await destroy();
    }
  };

  describe(`a clock that jumps, ${name}`, () => {
    test("XP-735 XP-736 an hour that the tracker's clock skips is a gap before it is a failure of anybody", () =>
      withTracker(async ({ beat, start, end, pass, jumpBy, reap, stateOf, store, clock }) => {
        await beat();
        const [inTime, never] = [await start(), await start()];
        const beforeMs = clock.nowMs();
        jumpBy(hourMs);
        expect(await reap()).toEqual([]);
        expect(await store.gaps(0)).toMatchObject([{ fromMs: beforeMs, toMs: beforeMs + hourMs }]);
        await pass(1_000);
        expect(await end(inTime)).toMatchObject({
          state: "succeeded",
          verdict: { elapsedMs: 1_000, apdexSuccess: true },
        });
        await pass(29_000);
        expect(await reap()).toEqual([]);
        await pass(1_000);
        expect((await reap()).map(({ identity }) => identity.correlationId)).toEqual([never]);
        expect(await stateOf(never)).toMatchObject({ state: "timed_out", verdict: { verdictAtMs: beforeMs + 30_000 } });
        expect(await reap()).toEqual([]);
      }));

    test("XP-736 a checkpoint that comes first after the jump is in time as well", () =>
      withTracker(async ({ beat, start, end, jumpBy, store }) => {
        await beat();
        const id = await start();
        jumpBy(hourMs);
        expect(await end(id)).toMatchObject({ state: "succeeded", verdict: { elapsedMs: 0 } });
        expect(await store.gaps(0)).toHaveLength(1);
      }));

    test("XP-346 a time that comes twice fails nobody, makes no time negative and loses no deadline", () =>
      withTracker(async ({ beat, start, end, pass, jumpBy, reap, stateOf }) => {
        await beat();
        const [ends, never] = [await start(), await start()];
        await pass(1_000);
        jumpBy(-twoMinutesMs);
        const ended = await end(ends);
        expect(ended).toMatchObject({ state: "succeeded", anomalies: ["clock_skew"] });
        expect(ended?.verdict?.elapsedMs).toBeUndefined();
        expect(ended?.verdict?.apdexSuccess).toBeUndefined();
        const later = await start();
        await pass(31_000);
        expect((await reap()).map(({ identity }) => identity.correlationId)).toEqual([later]);
        await pass(twoMinutesMs);
        expect((await reap()).map(({ identity }) => identity.correlationId)).toEqual([never]);
        expect(await stateOf(never)).toMatchObject({ state: "timed_out", verdict: { reason: "timeout" } });
      }));

    test("XP-736 a clock that jumps back takes the hold of its jump forward along", () =>
      withTracker(async ({ beat, start, pass, jumpBy, reap }) => {
        await beat();
        const id = await start();
        jumpBy(hourMs);
        await reap();
        jumpBy(-hourMs);
        await pass(30_001);
        expect((await reap()).map(({ identity }) => identity.correlationId)).toEqual([id]);
      }));

    test("XP-735 what was heard before the clock went back hides no gap", () =>
      withTracker(async ({ beatAs, pass, jumpBy }) => {
        jumpBy(hourMs);
        await beatAs("lost");
        jumpBy(-hourMs);
        expect(await beatAs("here")).toEqual({ gap: undefined, alive: ["here"] });
        await pass(20_000);
        expect((await beatAs("here")).gap).toMatchObject({ reason: "tracker_down" });
      }));
  });
}

function trackerOn(bare: ExperienceStore, { clock, producers, jumpBy }: ReturnType<typeof jumpingClock>) {
  let asked = 0;
  const counted = async <T>(answer: Promise<T>): Promise<T> => {
    asked++;
    try {
      return await answer;
    } finally {
      asked--;
    }
  };
  const beaten: ExperienceStore = {
    ...bare,
    heartbeat: (beat) => counted(bare.heartbeat(beat)),
    gaps: (sinceMs) => counted(bare.gaps(sinceMs)),
  };
  const watch = createHeartbeat({ store: beaten, replica: "here", inlineMetrics: false, clock, logger: silentLogger });
  const store = noticingSilence(bare, watch);
  let decided: readonly Run[] = [];
  const reaper = createReaper({
    store,
    clock,
    logger: silentLogger,
    metrics: noMetrics,
    lateStartGraceMs: 0,
    onDecided(runs) {
      decided = [...decided, ...runs];
    },
  });
  const newId = createUlidFactory(() => producers.nowMs());
  const identityOf = (correlationId: string): RunIdentity => ({
    tenant: "default",
    experienceId: definition.id,
    correlationId,
    run: "1",
  });
  const send = async (correlationId: string, checkpoint: "start" | "end"): Promise<void> => {
    const sent = {
      correlation_id: correlationId,
      checkpoint,
      client_timestamp: new Date(producers.nowMs()).toISOString(),
    };
    const [result] = await store.apply([checkpointOf(definition, sent)]);
    expect(result).toMatchObject({ result: "applied" });
  };
  const stateOf = async (correlationId: string): Promise<Run | undefined> =>
    (await store.get(identityOf(correlationId)))?.run;
  const beatAs = (replica: string) => bare.heartbeat({ replica, reason: "tracker_down" });
  return {
    store,
    clock,
    jumpBy,
    stateOf,
    beatAs,
    beat: () => watch.service.start(),
    /** Time in which the tracker is alive: no beat is left behind. */
    async pass(durationMs: number) {
      for (let leftMs = durationMs; leftMs > 0; leftMs -= beatEveryMs) {
        await producers.advanceBy(Math.min(leftMs, beatEveryMs));
        do await new Promise((resolve) => setImmediate(resolve));
        while (asked > 0);
      }
    },
    async start() {
      const correlationId = newId();
      await send(correlationId, "start");
      return correlationId;
    },
    async end(correlationId: string) {
      await send(correlationId, "end");
      return stateOf(correlationId);
    },
    async reap() {
      decided = [];
      await reaper.tick();
      return decided;
    },
  };
}
