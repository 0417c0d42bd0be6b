import { expect, onTestFinished, test } from "vitest";
import type { DispatchLog } from "./dispatch-log.js";
import {
  type DispatchExplanation,
  type DomainEvent,
  defineEvent,
  defineSubscriber,
  type EventBranch,
  type HandlerContext,
  type Registry,
} from "./index.js";
import { createMemoryDispatchLog } from "./memory-dispatch-log.js";
import { createTestStore, type TestStore, type TestStoreOptions } from "./testing.js";

interface Data {
  readonly text?: string;
}

const created = defineEvent("ci.pipeline_created", { schema: { type: "object" } });
const started = defineEvent("ci.pipeline_started", { schema: { type: "object" } });
const flagged = defineEvent("ci.flagged", { schema: { type: "object" }, flag: "new" });

type Handler = (event: DomainEvent<Data>, context: HandlerContext, made: TestStore) => Promise<void>;

function subscriber(name: string, handle: Handler, made: () => TestStore) {
  return defineSubscriber<Data>(name, {
    retry: { maxAttempts: 2, baseMs: 1_000, jitter: 0 },
    handle: (event, context) => handle(event, context, made()),
  });
}

function setUp(
  configure: (registry: Registry, made: () => TestStore) => void,
  options: Partial<TestStoreOptions> = {},
): TestStore {
  const made: TestStore = createTestStore({
    dispatchLog: createMemoryDispatchLog(),
    ...options,
    configure: (registry) => configure(registry, () => made),
  });
  onTestFinished(() => made.store.stop());
  return made;
}

async function publish({ store }: TestStore, event: DomainEvent<unknown>): Promise<string> {
  await store.publish(event);
  return event.id;
}

/** `subscription: outcome` for each. */
function outcomes(explanation: EventBranch | null): string[] | undefined {
  return explanation?.subscriptions.map(({ subscription, outcome }) => `${subscription?.split("/")[0]}: ${outcome}`);
}

const nothing: Handler = async () => {};
const fail: Handler = async () => {
  throw new RangeError("out of range");
};

test("ES-284 an event that nobody knows is null", async () => {
  const made = setUp((registry) => void registry.register(created));
  expect(await made.store.why("01JZ3V2M5T8Q4X9C7B6A1D0E2F")).toBeNull();
  expect(await made.store.why("")).toBeNull();
});

test("ES-284 an event without subscribers is known, with its head", async () => {
  const made = setUp((registry) => void registry.register(created));
  const id = await publish(made, created.create({}, { subject: "pipelines/7" }));
  expect(await made.store.why(id)).toMatchObject({
    event: {
      id,
      type: "ci.pipeline_created",
      subject: "pipelines/7",
      correlationId: id,
      causationId: null,
      publishedAtMs: made.clock.nowMs(),
    },
    subscriptions: [{ subscription: null, decision: "no_subscribers", outcome: "no_subscribers" }],
    children: [],
    truncated: false,
    history: "read",
  });
});

test("ES-284 ES-282 every subscription says what it got and why not, with attempts and times", async () => {
  const made = setUp(
    (registry, own) => {
      registry.subscribe(subscriber("a.fine", nothing, own), { to: created });
      registry.subscribe(subscriber("b.picky", nothing, own), { to: created, if: () => false });
      registry.subscribe(subscriber("c.later", nothing, own), { to: created, delayMs: 60_000 });
      registry.subscribe(
        subscriber("d.bored", async (_, context) => context.ignored("not mine"), own),
        { to: created },
      );
      registry.subscribe(subscriber("e.failing", fail, own), { to: created });
      registry.subscribe(subscriber("f.broken", nothing, own), {
        to: created,
        if() {
          throw new TypeError("no such field");
        },
      });
      registry.subscribe(subscriber("g.once", nothing, own), {
        to: created,
        dedup: { until: "executed", key: () => "same" },
      });
    },
    { errors: { condition: "report" } },
  );
  await made.store.start();
  await made.store.pause("g.once");
  await publish(made, created.create({}));
  const id = await publish(made, created.create({}));
  await made.runUntilIdle();

  const first = await made.store.why(id);
  expect(outcomes(first)).toEqual([
    "a.fine: delivered",
    "b.picky: condition_false",
    "c.later: scheduled",
    "d.bored: ignored",
    "e.failing: retrying",
    "f.broken: dead",
    "g.once: deduplicated",
  ]);
  const failing = first?.subscriptions[4];
  expect(failing?.attempts).toMatchObject([
    { attempt: 1, settlement: "retried", errorClass: "RangeError", errorMessage: "out of range" },
  ]);
  expect(failing?.queued).toEqual({ state: "scheduled", dueAtMs: made.clock.nowMs() + 1_000, attempts: 1 });
  expect(first?.subscriptions[2]).toMatchObject({ decision: "scheduled", dueAtMs: made.clock.nowMs() + 60_000 });
  expect(first?.subscriptions[5]?.deadLetter).toMatchObject({ state: "dead", reason: "condition_error" });

  await made.advanceBy(1_000);
  const second = (await made.store.why(id))?.subscriptions[4];
  expect(second).toMatchObject({
    outcome: "dead",
    deadLetter: { id: `${id}.e.failing/ci.pipeline_created`, state: "dead", reason: "exhausted", replayCount: 0 },
  });
  expect(second?.attempts.map(({ attempt, settlement }) => [attempt, settlement])).toEqual([
    [1, "retried"],
    [2, "dead"],
  ]);
  expect((second?.attempts[1]?.startedAtMs ?? 0) - (second?.attempts[0]?.startedAtMs ?? 0)).toBe(1_000);
});

test("ES-284 a flag that is off and a repeated publish are told", async () => {
  const made = setUp(
    (registry, own) => {
      registry.subscribe(subscriber("a.fine", nothing, own), { to: [flagged, created] });
    },
    { isEnabled: () => false },
  );
  const off = await publish(made, flagged.create({}));
  expect(outcomes(await made.store.why(off))).toEqual(["a.fine: flag_off"]);

  const event = created.create({});
  await publish(made, event);
  const again = await made.store.publish(event);
  expect(again.decisions[0]?.decision).toBe("duplicate");
  expect(outcomes(await made.store.why(event.id))).toEqual(["a.fine: waiting"]);
});

test("ES-284 a letter that was replayed, discarded or handled is told", async () => {
  let broken = true;
  const made = setUp((registry, own) => {
    const handle: Handler = async (event, context, store) => {
      if (broken) await fail(event, context, store);
    };
    registry.subscribe(subscriber("a.failing", handle, own), { to: created });
  });
  await made.store.start();
  const [first, second] = [await publish(made, created.create({})), await publish(made, created.create({}))];
  await made.advanceBy(1_000);
  const letter = (id: string): string => `${id}.a.failing/ci.pipeline_created`;
  await made.store.dead.discard([letter(second)], { reason: "no longer needed" });
  expect(outcomes(await made.store.why(second))).toEqual(["a.failing: discarded"]);
  expect((await made.store.why(second))?.subscriptions[0]?.deadLetter?.note).toBe("no longer needed");

  broken = false;
  await made.store.pause("a.failing");
  await made.store.dead.replay([letter(first)]);
  const replaying = await made.store.why(first);
  expect(replaying?.subscriptions[0]).toMatchObject({ outcome: "replaying", queued: { state: "ready" } });
  await made.store.resume("a.failing");
  await made.advanceBy(1_000);
  expect(outcomes(await made.store.why(first))).toEqual(["a.failing: delivered"]);
});

test("ES-284 events of a group are found by the delivery that they share", async () => {
  const made = setUp((registry, own) => {
    registry.subscribe(subscriber("a.fine", nothing, own), { to: created });
  });
  const events = Array.from({ length: 3 }, () => created.create({}));
  await made.store.publishGroup(events);
  const last = await made.store.why(events[2]?.id ?? "");
  expect(last?.subscriptions).toMatchObject([
    { outcome: "waiting", deliveryId: `${events[0]?.id}.a.fine/ci.pipeline_created.g0`, queued: { state: "ready" } },
  ]);
  expect(JSON.parse(last?.envelope ?? "{}")).toMatchObject({ id: events[2]?.id, sequence: "0000000002" });
});

test("ES-284 without a log, and with one that does not answer, queues and letters tell what they know", async () => {
  const away: DispatchLog = {
    ...createMemoryDispatchLog(),
    history: {
      find: () => Promise.reject(new Error("away")),
      causedBy: () => Promise.reject(new Error("away")),
    },
  };
  const cases = [
    { dispatchLog: away, history: "unavailable" },
    { dispatchLog: undefined, history: "off" },
  ] as const;
  for (const { dispatchLog, history } of cases) {
    const made = setUp(
      (registry, own) => {
        registry.subscribe(subscriber("a.failing", fail, own), { to: created });
        registry.subscribe(subscriber("b.fine", nothing, own), { to: created });
        registry.subscribe(subscriber("c.other", nothing, own), { to: started });
      },
      { dispatchLog },
    );
    const id = await publish(made, created.create({ text: "x" }, { subject: "pipelines/7" }));
    const waiting = await made.store.why(id);
    expect(waiting).toMatchObject({
      history,
      event: { id, type: "ci.pipeline_created", subject: "pipelines/7", publishedAtMs: made.clock.nowMs() },
    });
    expect(JSON.parse(waiting?.envelope ?? "{}")).toMatchObject({ id, data: { text: "x" } });
    expect(outcomes(waiting)).toEqual(["a.failing: waiting", "b.fine: waiting"]);
    await made.store.start();
    await made.advanceBy(1_000);
    expect(outcomes(await made.store.why(id))).toEqual(["a.failing: dead"]);
  }
});

test("ES-284 the children are those that were published while it was handled, and theirs", async () => {
  const made = setUp((registry, own) => {
    registry.subscribe(
      subscriber("a.first", async (_, __, { store }) => void (await store.publish(started.create({}))), own),
      { to: created },
    );
    registry.subscribe(
      subscriber("b.second", async (_, __, { store }) => void (await store.publish(flagged.create({}))), own),
      { to: started },
    );
    registry.register(flagged);
  });
  await made.store.start();
  const id = await publish(made, created.create({}));
  await made.runUntilIdle();
  const tree = await made.store.why(id);
  expect(types(tree)).toEqual(["ci.pipeline_created", ["ci.pipeline_started", ["ci.flagged"]]]);
  const [child] = tree?.children ?? [];
  expect(child?.event).toMatchObject({ causationId: id, correlationId: id });
  expect(outcomes(child ?? null)).toEqual(["b.second: delivered"]);
});

type Types = (string | null | Types)[];

function types(branch: EventBranch | null): Types {
  return branch ? [branch.event.type, ...branch.children.map(types)] : [];
}

test("ES-284 a tree is cut at 32 generations", async () => {
  const made = chainStore();
  const id = await publishChain(made, 40);
  const tree = await made.store.why(id);
  expect(tree?.truncated).toBe(true);
  expect(depthOf(tree)).toBe(33);
  expect((await made.store.why(await publishChain(made, 32)))?.truncated).toBe(false);
});

test("ES-284 a tree is cut at 1,000 events", async () => {
  const made = chainStore();
  const wide = async (count: number): Promise<DispatchExplanation | null> => {
    const parent = created.create({});
    await made.store.publish(parent);
    for (let child = 0; child < count; child++)
      await made.store.publish(created.create({}, { causationId: parent.id }));
    return made.store.why(parent.id);
  };
  const whole = await wide(999);
  expect([whole?.children.length, whole?.truncated]).toEqual([999, false]);
  const cut = await wide(1_000);
  expect([cut?.children.length, cut?.truncated]).toEqual([999, true]);
});

test("ES-284 events that name each other as their cause are in the tree once", async () => {
  const made = chainStore();
  await made.store.publish(created.create({}, { id: "one", causationId: "two" }));
  await made.store.publish(created.create({}, { id: "two", causationId: "one" }));
  const tree = await made.store.why("one");
  expect(tree?.children.map(({ event, children }) => [event.id, children.length])).toEqual([["two", 0]]);
  expect(tree?.truncated).toBe(false);
});

function chainStore(): TestStore {
  return setUp((registry) => void registry.register(created));
}

async function publishChain({ store }: TestStore, length: number): Promise<string> {
  const root = created.create({});
  let last = root;
  await store.publish(root);
  for (let count = 0; count < length; count++) {
    last = created.create({}, { causationId: last.id });
    await store.publish(last);
  }
  return root.id;
}

function depthOf(branch: EventBranch | null | undefined): number {
  return branch ? 1 + Math.max(0, ...branch.children.map(depthOf)) : 0;
}
