import { type ApplyResult, type Checkpoint, ExperienceError, identityKey } from "@signalbox/experience";
import { type Clock, systemClock } from "@signalbox/kernel";
import { away } from "./store-error.js";

/** Checkpoints of all callers wait here for the commit that they share: a transaction, or a call of a script. */
export interface ApplyQueue {
  apply(checkpoints: readonly Checkpoint[]): Promise<readonly ApplyResult[]>;
  /** Resolves when nothing waits any more. */
  idle(): Promise<void>;
}

export interface ApplyQueueOptions {
  /** Commits some checkpoints together; a rejection means that none of them is written. */
  readonly commit: (checkpoints: readonly Checkpoint[]) => Promise<readonly ApplyResult[]>;
  readonly maxTogether: number;
  readonly maxWaiting: number;
  /** Commits under way at the same time, never of the same run. Default 1. */
  readonly lanes?: number;
  /** Tells this process's own pace, whatever clock runs go by. */
  readonly clock?: Pick<Clock, "monotonicMs">;
}

/** Longest wait for those who were answered last, and how soon after their answer it is worth while. */
const maxGatherMs = 2;
const closelyMs = 10;

/** The checkpoints of one call, which may be spread over several commits. */
interface Call {
  readonly checkpoints: readonly Checkpoint[];
  readonly results: ApplyResult[];
  /** How many have been handed to a commit, and how many have their result. */
  taken: number;
  settled: number;
  readonly whenSettled: () => void;
}

/** One checkpoint of a call. */
interface Place {
  readonly call: Call;
  readonly index: number;
  readonly checkpoint: Checkpoint;
}

/**
 * Each lane takes what gathered meanwhile, in the order of arrival, and comes back for more when it is committed. A single
 * caller waits for nobody.
 *
 * A lane that is the only one lets those come along who have just been answered: without that, steady callers fall into
 * two halves that take turns, and each pays for a commit of its own. It waits no longer than the last commit took, and at
 * most 2 ms.
 */
export function createApplyQueue(options: ApplyQueueOptions): ApplyQueue {
  const { commit, maxTogether, maxWaiting, lanes = 1, clock = systemClock } = options;
  const calls: Call[] = [];
  const lanesUnderWay = new Set<Promise<void>>();
  const runsUnderWay = new Set<string>();
  let waiting = 0;
  let openLanes = 0;
  /** `callers`: checkpoints that were answered or waited when it ended. */
  let last = { callers: 0, tookMs: 0, endedMs: Number.NEGATIVE_INFINITY };

  /** Nothing behind a checkpoint whose run has another one under way. */
  const takeSome = (): Place[] => {
    const places: Place[] = [];
    while (places.length < maxTogether) {
      const [call] = calls;
      const checkpoint = call?.checkpoints[call.taken];
      if (!call || (checkpoint && isUnderWay(checkpoint))) break;
      if (checkpoint) places.push({ call, index: call.taken++, checkpoint });
      else calls.shift();
    }
    waiting -= places.length;
    return places;
  };

  const isUnderWay = ({ identity }: Checkpoint): boolean =>
    runsUnderWay.size > 0 && runsUnderWay.has(identityKey(identity));

  const settle = ({ call, index }: Place, result: ApplyResult): void => {
    call.results[index] = result;
    if (++call.settled === call.checkpoints.length) call.whenSettled();
  };

  const commitAll = async (places: readonly Place[]): Promise<void> => {
    try {
      const results = await commit(places.map(({ checkpoint }) => checkpoint));
      for (const [index, place] of places.entries())
        settle(place, results[index] ?? { result: "failed", error: away(new Error("a result is missing")) });
    } catch (error) {
      // One checkpoint that cannot be written keeps nobody else from being written.
      const isOutage = error instanceof ExperienceError;
      if (isOutage || places.length === 1) {
        const failure = isOutage ? error : away(error);
        for (const place of places) settle(place, { result: "failed", error: failure });
        return;
      }
      for (const place of places) await commitAll([place]);
    }
  };

  const commitInLane = async (places: readonly Place[]): Promise<void> => {
    const runs = lanes > 1 ? places.map(({ checkpoint }) => identityKey(checkpoint.identity)) : [];
    for (const run of runs) runsUnderWay.add(run);
    await commitAll(places);
    for (const run of runs) runsUnderWay.delete(run);
  };

  const gather = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    // What else this turn of the event loop brings goes along.
    await nextTurn();
    if (lanes > 1 || startedMs - last.endedMs > closelyMs) return;
    const expected = Math.min(maxTogether, last.callers);
    const untilMs = startedMs + Math.min(maxGatherMs, last.tookMs);
    while (waiting > 0 && waiting < expected && clock.monotonicMs() < untilMs) await nextTurn();
  };

  const drain = async (): Promise<void> => {
    for (;;) {
      await gather();
      const places = takeSome();
      if (places.length === 0) {
        // What waits nevertheless is taken by the lane that it has to wait for.
        openLanes--;
        return;
      }
      const startedMs = clock.monotonicMs();
      await commitInLane(places);
      const endedMs = clock.monotonicMs();
      last = { callers: places.length + waiting, tookMs: endedMs - startedMs, endedMs };
    }
  };

  const openLane = (): void => {
    openLanes++;
    const lane = drain().finally(() => lanesUnderWay.delete(lane));
    lanesUnderWay.add(lane);
  };

  return {
    async apply(checkpoints) {
      if (checkpoints.length === 0) return [];
      if (waiting + checkpoints.length > maxWaiting) throw new ExperienceError("backlog_full");
      waiting += checkpoints.length;
      const results: ApplyResult[] = [];
      const settled = new Promise<void>((whenSettled) => {
        calls.push({ checkpoints, results, taken: 0, settled: 0, whenSettled });
      });
      while (openLanes < Math.min(lanes, waiting)) openLane();
      await settled;
      const [first] = results;
      if (first?.result === "failed" && results.every(({ result }) => result === "failed")) throw first.error;
      return results;
    },
    async idle() {
      while (lanesUnderWay.size > 0) await Promise.all(lanesUnderWay);
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
