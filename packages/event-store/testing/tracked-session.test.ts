import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  createEventStore,
  createMemoryTransport,
  defineEvent,
  defineSubscriber,
  type EventStore,
  type Registry,
} from "../index.js";
import { createTestStore, type TrackedEvent, trackedSession } from "../testing.js";

const numbered = { schema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } } as const;
const Counted = defineEvent("counting.counted", numbered);
const Doubled = defineEvent("counting.doubled", numbered);
const Ended = defineEvent("counting.ended", numbered);

type Payload = { n: number };

/** `counted` n publishes `counted` n - 1 and `doubled`; at 0 it publishes `ended`. */
function cascade(store: () => EventStore, handled: string[]) {
  const down = defineSubscriber<Payload>("counting.down", {
    async handle({ data: { n } }) {
      handled.push(`down ${n}`);
      if (n === 0) await store().publish(Ended.create({ n }));
      else {
        await store().publish(Counted.create({ n: n - 1 }));
        await store().publishGroup([Doubled.create({ n: 2 * n }), Doubled.create({ n: 2 * n + 1 })]);
      }
    },
  });
  const note = defineSubscriber<Payload>("counting.note", {
    handle: async ({ type, data: { n } }) => void handled.push(`${type} ${n}`),
  });
  return (registry: Registry) => {
    registry.subscribe(down, { to: Counted, delayMs: 60_000 });
    registry.subscribe(note, { to: [Doubled, Ended], delayMs: 3_600_000 });
  };
}

function shape({ event, children, attempts }: TrackedEvent): unknown {
  return [event.type, attempts.map(({ settlement }) => settlement).join(), children.map(shape)];
}

describe("trackedSession", () => {
  test("ES-330 resolves after every delivery that the function caused, however deep, and returns the tree", async () => {
    const handled: string[] = [];
    const { store } = createTestStore({ configure: cascade(() => store, handled) });
    const session = await trackedSession(store, async () => {
      await store.publish(Counted.create({ n: 2 }));
      return "value";
    });
    expect(handled).toHaveLength(3 + 4 + 1);
    expect(session.value).toBe("value");
    expect(session.roots.map(shape)).toEqual([
      [
        "counting.counted",
        "done",
        [
          [
            "counting.counted",
            "done",
            [
              ["counting.counted", "done", [["counting.ended", "done", []]]],
              ["counting.doubled", "done", []],
              ["counting.doubled", "done", []],
            ],
          ],
          ["counting.doubled", "done", []],
          ["counting.doubled", "done", []],
        ],
      ],
    ]);
    expect(session.events).toHaveLength(8);
    expect(session.roots[0]?.decisions).toEqual([
      { subscription: "counting.down/counting.counted", decision: "scheduled" },
    ]);
    await store.stop();
  });

  test("ES-330 what a handler does not wait for is waited for, too", async () => {
    const handled: number[] = [];
    const first = defineSubscriber<Payload>("counting.first", {
      handle: async ({ data: { n } }) => void store.publish(Doubled.create({ n })),
    });
    const second = defineSubscriber<Payload>("counting.second", {
      handle: async ({ data: { n } }) => {
        await sleep(30);
        handled.push(n);
      },
    });
    const { store } = createTestStore({
      configure: (registry) => {
        registry.subscribe(first, { to: Counted });
        registry.subscribe(second, { to: Doubled });
      },
    });
    await trackedSession(store, () => void store.publish(Counted.create({ n: 4 })));
    expect(handled).toEqual([4]);
    await store.stop();
  });

  test("ES-330 rejects with one AggregateError of all handler errors, also of attempts that were repeated", async () => {
    const flaky = defineSubscriber<Payload>("counting.flaky", {
      handle: async (_, { attempt }) => {
        if (attempt < 3) throw new RangeError(`attempt ${attempt}`);
      },
    });
    const broken = defineSubscriber<Payload>("counting.broken", {
      retry: { maxAttempts: 1 },
      handle: async () => {
        throw new TypeError("broken");
      },
    });
    const { store } = createTestStore({
      configure: (registry) => {
        registry.subscribe(flaky, { to: Counted });
        registry.subscribe(broken, { to: Counted });
      },
    });
    const publish = () => store.publish(Counted.create({ n: 1 }));
    const failure = await trackedSession(store, publish).catch((error: unknown) => error);
    if (!(failure instanceof AggregateError)) throw failure;
    expect(failure.errors.map(String).sort()).toEqual([
      "RangeError: attempt 1",
      "RangeError: attempt 2",
      "TypeError: broken",
    ]);
    expect(failure.message).toContain("counting.flaky/counting.counted, attempt 2: RangeError: attempt 2");

    const { roots } = await trackedSession(store, publish, { handlerErrors: "report" });
    expect(roots[0]?.attempts.map(({ subscription, settlement }) => `${subscription} ${settlement}`).sort()).toEqual([
      "counting.broken/counting.counted dead",
      "counting.flaky/counting.counted done",
      "counting.flaky/counting.counted retried",
      "counting.flaky/counting.counted retried",
    ]);
    await store.stop();
  });

  test("ES-330 rejects with EVT_SESSION_TIMEOUT that names what is pending", async () => {
    const stuck = defineSubscriber<Payload>("counting.stuck", {
      timeoutMs: 1_000,
      handle: () => new Promise(() => {}),
    });
    const { store, advanceBy } = createTestStore({
      configure: (registry) => registry.subscribe(stuck, { to: Counted }),
    });
    const event = Counted.create({ n: 1 });
    const pending = [`${event.id}.counting.stuck/counting.counted`];
    await expect(trackedSession(store, () => store.publish(event), { timeoutMs: 100 })).rejects.toMatchObject({
      code: "EVT_SESSION_TIMEOUT",
      details: { pending },
      message: expect.stringContaining(`${pending}`),
    });
    const stopping = store.stop();
    await advanceBy(60_000);
    await stopping;
  });

  test("ES-330 with advanceTime: false time stands still", async () => {
    const handled: string[] = [];
    const { store, clock } = createTestStore({ configure: cascade(() => store, handled) });
    const beforeMs = clock.nowMs();
    await expect(
      trackedSession(store, () => store.publish(Counted.create({ n: 0 })), { timeoutMs: 50, advanceTime: false }),
    ).rejects.toMatchObject({ code: "EVT_SESSION_TIMEOUT" });
    expect(clock.nowMs()).toBe(beforeMs);
    expect(handled).toEqual([]);
    await store.stop();
  });

  test("ES-330 a handler that waits for the outside does not time out because time goes on for others", async () => {
    let handled = 0;
    const slow = defineSubscriber<Payload>("counting.slow", {
      timeoutMs: 1,
      handle: async (_, { signal }) => {
        await sleep(50);
        signal.throwIfAborted();
        handled++;
      },
    });
    const late = defineSubscriber<Payload>("counting.late", { handle: async () => void handled++ });
    const onClock = defineSubscriber<Payload>("counting.on_clock", {
      handle: async () => {
        await clock.sleep(120_000);
        handled++;
      },
    });
    const { store, clock } = createTestStore({
      configure: (registry) => {
        registry.subscribe(slow, { to: Counted });
        registry.subscribe(late, { to: Counted, delayMs: 600_000 });
        registry.subscribe(onClock, { to: Doubled });
      },
    });
    await trackedSession(store, () => store.publish(Counted.create({ n: 1 })));
    expect(handled).toBe(2);
    await trackedSession(store, () => store.publish(Doubled.create({ n: 1 })));
    expect(handled).toBe(3);
    await store.stop();
  });

  test("ES-330 parallel sessions have their own events, and others are not waited for", async () => {
    const handled: string[] = [];
    const { store } = createTestStore({ configure: cascade(() => store, handled) });
    await store.start();
    const run = (n: number) => trackedSession(store, () => store.publish(Counted.create({ n })));
    const [one, two] = await Promise.all([run(0), run(1)]);
    expect(one?.events).toHaveLength(2);
    expect(two?.events).toHaveLength(5);
    await store.stop();
  });

  test("ES-330 errors of the function come through", async () => {
    const { store } = createTestStore({ configure: cascade(() => store, []) });
    await expect(
      trackedSession(store, () => {
        throw new RangeError("mine");
      }),
    ).rejects.toThrow(RangeError);
    await expect(trackedSession({} as EventStore, () => {})).rejects.toThrow("trackedSession needs a store");
    await store.stop();
  });

  test("ES-330 works with any store; then time is the real one", async () => {
    const handled: number[] = [];
    const worker = defineSubscriber<Payload>("counting.worker", {
      handle: async ({ data: { n } }) => {
        await sleep(10);
        handled.push(n);
        if (n > 0) await store.publish(Counted.create({ n: n - 1 }));
      },
    });
    const store = createEventStore({
      transport: createMemoryTransport(),
      source: "/test",
      configure: (registry) => registry.subscribe(worker, { to: Counted, delayMs: 5 }),
    });
    const { events } = await trackedSession(store, () => store.publish(Counted.create({ n: 3 })));
    expect(handled).toEqual([3, 2, 1, 0]);
    expect(events).toHaveLength(4);
    await store.stop();
  });
});
