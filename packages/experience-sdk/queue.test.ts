import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCheckpointQueue, type Waiting } from "./queue.js";
import type { Run } from "./run.js";

type Kind = Waiting["kind"];

function run(name: string): Run {
  return {
    experienceId: "checkout",
    correlationId: name,
    name: "1",
    startedAtMs: 0,
    seenAtMs: 0,
    seenMonotonicMs: 0,
    ambientCorrelationId: undefined,
    known: undefined,
    nextSequence: 0,
    prefix: undefined,
    dropped: false,
    waitingEnd: undefined,
  };
}

function waiting(ofRun: Run, kind: Kind, bytes = 10): Waiting {
  const eventId = `${ofRun.correlationId} ${kind}`;
  return {
    run: ofRun,
    kind,
    eventId,
    sequence: 0,
    atMs: 0,
    category: undefined,
    rest: "",
    bytes,
    recordedAtMs: 0,
    gone: false,
    earlierEnd: undefined,
  };
}

function queueOf(maxQueueEvents: number, maxQueueBytes = 1_000_000) {
  const dropped: Waiting[] = [];
  const queue = createCheckpointQueue({
    maxQueueEvents,
    maxQueueBytes,
    lanes: 1,
    onDrop: (checkpoint) => void dropped.push(checkpoint),
  });
  const texts = () => queue.take(0, 1_000, 1_000_000).map(({ eventId }) => eventId);
  return { queue, dropped, texts };
}

describe("XP-081 a full queue", () => {
  test("XP-081 drops intermediates first, oldest first, also the one that comes", () => {
    const { queue, dropped, texts } = queueOf(4);
    const [a, b] = [run("a"), run("b")];
    queue.push(waiting(a, "start"));
    queue.push(waiting(a, "intermediate"));
    queue.push(waiting(b, "start"));
    queue.push(waiting(b, "intermediate"));
    queue.push(waiting(a, "end"));
    queue.push(waiting(b, "end"));
    queue.push(waiting(b, "intermediate"));
    expect(dropped.map(({ eventId }) => eventId)).toEqual(["a intermediate", "b intermediate", "b intermediate"]);
    expect(texts()).toEqual(["a start", "b start", "a end", "b end"]);
  });

  test("XP-081 then whole runs, oldest first", () => {
    const { queue, dropped, texts } = queueOf(4);
    const runs = ["a", "b", "c"].map(run);
    for (const each of runs) queue.push(waiting(each, "start"));
    for (const each of runs) queue.push(waiting(each, "end"));
    expect(dropped.map(({ eventId }) => eventId)).toEqual(["a start", "a end"]);
    expect(texts()).toEqual(["b start", "c start", "b end", "c end"]);
    expect(runs.map(({ dropped: gone }) => gone)).toEqual([true, false, false]);
  });

  test("XP-081 keeps the ends of runs that were sent before for as long as there is anything else", () => {
    const { queue, dropped, texts } = queueOf(2);
    const sent = run("sent");
    queue.push(waiting(sent, "end"));
    queue.push(waiting(run("a"), "start"));
    queue.push(waiting(run("b"), "start"));
    expect(dropped.map(({ eventId }) => eventId)).toEqual(["a start"]);
    expect(texts()).toEqual(["sent end", "b start"]);
  });

  test("XP-081 a second start of a run whose first one was dropped goes too", () => {
    const { queue, dropped, texts } = queueOf(2);
    const again = run("again");
    queue.push(waiting(again, "start"));
    queue.push(waiting(again, "start"));
    queue.push(waiting(run("b"), "start"));
    expect(texts()).toEqual(["b start"]);
    expect(dropped.map(({ eventId }) => eventId)).toEqual(["again start", "again start"]);
  });

  test("XP-080 is bounded by bytes too", () => {
    const { queue, dropped } = queueOf(1_000, 100);
    for (let index = 0; index < 20; index++) queue.push(waiting(run(`r${index}`), "start", 30));
    expect(queue.events).toBe(3);
    expect(queue.bytes).toBe(90);
    expect(dropped).toHaveLength(17);
  });

  test("XP-080 counts what is on its way until it is released", () => {
    const { queue, dropped } = queueOf(2);
    queue.push(waiting(run("a"), "start"));
    queue.push(waiting(run("b"), "start"));
    const taken = queue.take(0, 100, 1_000);
    queue.push(waiting(run("c"), "start"));
    expect(dropped.map(({ eventId }) => eventId)).toEqual(["c start"]);
    queue.release(taken);
    expect(queue.events).toBe(0);
  });
});

test("XP-080 XP-081 whatever is recorded and taken: within the limits, in order, and no start without its end", () => {
  const steps = fc.array(
    fc.record({ who: fc.integer({ min: 0, max: 5 }), what: fc.constantFrom("start", "intermediate", "end", "take") }),
    { maxLength: 80 },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), steps, (maxEvents, sequence) => {
      const { queue, dropped } = queueOf(maxEvents);
      const pushed: Waiting[] = [];
      const taken: Waiting[] = [];
      const runs = new Map<number, Run>();
      let serial = 0;
      for (const { who, what } of sequence) {
        if (what === "take") {
          const batch = queue.take(0, 2, 1_000);
          queue.release(batch);
          taken.push(...batch);
          continue;
        }
        const kind: Kind = what === "start" || what === "end" ? what : "intermediate";
        // One start for each run, as the client does it, and its end only once.
        if (kind === "start") runs.set(who, run(`${who}.${serial++}`));
        const current = runs.get(who);
        if (!current || current.dropped) continue;
        if (kind === "end") runs.delete(who);
        const checkpoint = waiting(current, kind);
        pushed.push(checkpoint);
        queue.push(checkpoint);
        expect(queue.events).toBeLessThanOrEqual(maxEvents);
      }
      taken.push(...queue.take(0, 1_000, 100_000));
      expect(taken).toEqual(pushed.filter((checkpoint) => taken.includes(checkpoint)));
      expect(taken.length + dropped.length).toBe(pushed.length);
      const startsOf = (list: readonly Waiting[]) =>
        new Set(list.filter(({ kind }) => kind === "start").map((c) => c.run));
      const droppedStarts = startsOf(dropped);
      for (const { run: owner, kind } of taken) if (kind === "end") expect(droppedStarts.has(owner)).toBe(false);
    }),
  );
});

test("XP-080 memory does not grow with what was dropped from the middle", () => {
  const { queue, dropped } = queueOf(100);
  const first = run("first");
  queue.push(waiting(first, "start"));
  for (let index = 0; index < 50_000; index++) queue.push(waiting(first, "intermediate"));
  expect(dropped).toHaveLength(50_000 - 99);
  expect(queue.take(0, 1_000, 1_000_000)).toHaveLength(100);
});
