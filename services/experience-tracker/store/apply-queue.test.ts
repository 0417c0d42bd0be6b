import { type ApplyResult, type Checkpoint, ExperienceError, identityKey } from "@signalbox/experience";
import { checkpointOf, definitionOf } from "@signalbox/experience/testing";
import { type Clock, createVirtualClock, ulid } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { createApplyQueue } from "./apply-queue.js";

test("what comes in one turn goes together, and what comes meanwhile in the other lane", async () => {
  const { commits, finish, queue } = createQueue({ lanes: 2 });
  const applyEach = (count: number) => Promise.all(Array.from({ length: count }, () => queue.apply([start()])));
  const first = applyEach(10);
  await expect.poll(() => commits.map(({ length }) => length)).toEqual([10]);
  const second = applyEach(4);
  await expect.poll(() => commits.map(({ length }) => length)).toEqual([10, 4]);
  const third = applyEach(3);
  finish(1);
  await expect.poll(() => commits.map(({ length }) => length)).toEqual([10, 4, 3]);
  finish(0);
  finish(2);
  expect((await Promise.all([first, second, third])).map(({ length }) => length)).toEqual([10, 4, 3]);
  await queue.idle();
});

test("who was answered and comes back goes along with who waits, so that callers do not take turns", async () => {
  const clock = createVirtualClock();
  const { commits, finish, queue } = createQueue({ clock });
  const [first, waiting, second] = [start(), start(), start()];
  const returning = queue.apply([first]).then(async () => {
    await turns(20);
    await queue.apply([second]);
  });
  await expect.poll(() => commits.length).toBe(1);
  const other = queue.apply([waiting]);
  await clock.advanceBy(5);
  finish(0);
  await expect.poll(() => commits[1]).toEqual([waiting, second]);
  finish(1);
  await Promise.all([returning, other]);
});

test("nobody waits longer than 2 ms for who does not come back, nor longer than the commit before took", async () => {
  const clock = createVirtualClock();
  const { commits, finish, queue } = createQueue({ clock });
  const applied = [queue.apply([start()])];
  await expect.poll(() => commits.length).toBe(1);
  applied.push(queue.apply([start()]));
  await clock.advanceBy(5);
  finish(0);
  await applied[0];
  await turns(20);
  expect(commits).toHaveLength(1);
  await clock.advanceBy(2);
  await expect.poll(() => commits.length).toBe(2);
  applied.push(queue.apply([start()]));
  await turns(1);
  finish(1);
  // The second one took no time on this clock.
  await expect.poll(() => commits.length).toBe(3);
  finish(2);
  await Promise.all(applied);
});

test("steps of one run are never in two commits at the same time, and keep their order", async () => {
  const { commits, finish, queue } = createQueue({ lanes: 2, maxTogether: 2 });
  const [one, other] = [start(), start()];
  const again: Checkpoint = { ...one, eventKey: "again" };
  const done = queue.apply([one, other, again, start()]);
  await expect.poll(() => commits.length).toBe(1);
  // A turn in which the second lane could have taken the rest.
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(commits.map((commit) => commit.map(({ eventKey }) => eventKey))).toEqual([[one.eventKey, other.eventKey]]);
  finish(0);
  await expect.poll(() => commits[1]?.[0]?.eventKey).toBe("again");
  finish(1);
  finish(2);
  expect((await done).map(({ result }) => result)).toEqual(Array(4).fill("rejected"));
});

test("XP-386 more than may wait is refused, and nothing of it is taken", async () => {
  const { commits, finish, queue } = createQueue({ maxWaiting: 2 });
  const taken = queue.apply([start(), start()]);
  await expect(queue.apply([start()])).rejects.toMatchObject({ code: "backlog_full" });
  await expect.poll(() => commits.length).toBe(1);
  finish(0);
  expect(await taken).toHaveLength(2);
});

test("an outage is everybody's, what a checkpoint is to blame for its own", async () => {
  const damaged = start();
  const queue = createApplyQueue({
    async commit(checkpoints) {
      if (checkpoints.includes(damaged)) throw new TypeError("damaged");
      return checkpoints.map(() => rejected);
    },
    maxTogether: 10,
    maxWaiting: 10,
  });
  const results = await queue.apply([start(), damaged, start()]);
  expect(results.map(({ result }) => result)).toEqual(["rejected", "failed", "rejected"]);
  const away = createApplyQueue({
    commit: async () => Promise.reject(new ExperienceError("state_store_unavailable")),
    maxTogether: 10,
    maxWaiting: 10,
  });
  await expect(away.apply([start(), start()])).rejects.toMatchObject({ code: "state_store_unavailable" });
});

const rejected: ApplyResult = { result: "rejected", code: "timestamp_out_of_range" };
const definition = definitionOf("checkout");

function start(): Checkpoint {
  return checkpointOf(definition, {
    correlation_id: ulid(),
    checkpoint: "start",
    client_timestamp: "2026-01-01T00:00:00Z",
  });
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A queue whose commits end when the test says so; of one run only one may be under way. */
function createQueue(options: {
  readonly lanes?: number;
  readonly maxTogether?: number;
  readonly maxWaiting?: number;
  readonly clock?: Clock;
}) {
  const commits: (readonly Checkpoint[])[] = [];
  const underWay = new Set<string>();
  const ends = new Map<number, () => void>();
  const ended = new Set<number>();
  const queue = createApplyQueue({
    async commit(checkpoints) {
      const number = commits.push(checkpoints) - 1;
      const runs = new Set(checkpoints.map(({ identity }) => identityKey(identity)));
      for (const run of runs) expect(underWay).not.toContain(run);
      for (const run of runs) underWay.add(run);
      if (!ended.has(number)) await new Promise<void>((resolve) => ends.set(number, resolve));
      for (const run of runs) underWay.delete(run);
      return checkpoints.map(() => rejected);
    },
    maxTogether: 100,
    maxWaiting: 100,
    ...options,
  });
  const finish = (number: number): void => {
    ended.add(number);
    ends.get(number)?.();
  };
  return { commits, finish, queue };
}
