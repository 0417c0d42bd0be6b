import { createLogger, type Logger, withContext } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import type { EventStore } from "./event-store.js";
import type { Configure } from "./registry.js";
import { createTestStore, type TestStore } from "./test-store.js";

const schema = { type: "object", properties: { chain: { type: "integer" } } } as const;
const Pushed = defineEvent("git.branch_pushed", { schema });
const PipelineCreated = defineEvent("ci.pipeline_created", { schema });
const MergeRequestUpdated = defineEvent("merge_requests.head_updated", { schema });
type Chain = { chain?: number };

const request = {
  correlationId: "REQUEST-1",
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
  userId: "u1",
  meta: { caller_id: "POST /push", feature_category: "source_code", project: "box" },
};

describe("ES-279 in a chain of three hops", () => {
  test("the causation tree is exact and the correlation id one", async () => {
    const made = await forge();
    const pushed = await withContext(request, () => made.push(1));
    const [created, updated] = [made.found(PipelineCreated.type), made.found(MergeRequestUpdated.type)];
    const noted = made.found("notes.branch_noted");
    expect(pushed).toMatchObject({ correlationId: "REQUEST-1", causationId: null, rootCaller: "POST /push" });
    expect(created).toMatchObject({ correlationId: "REQUEST-1", causationId: pushed.id, rootCaller: "POST /push" });
    expect(updated).toMatchObject({ correlationId: "REQUEST-1", causationId: created?.id, rootCaller: "POST /push" });
    expect(noted).toMatchObject({ correlationId: "REQUEST-1", causationId: updated?.id, rootCaller: "POST /push" });
  });

  test("the trace, the user and the log metadata travel to the end", async () => {
    const made = await forge();
    await withContext(request, () => made.push(1));
    const wire = JSON.parse(made.store.encodeEvent(made.seen.at(-1) ?? made.fail()));
    expect(wire).toMatchObject({ traceparent: request.traceparent, userid: "u1" });
    expect(JSON.parse(wire.logmeta)).toMatchObject({ project: "box" });
  });

  test("every log line carries the correlation id, also those of handlers and of the store itself", async () => {
    const made = await forge();
    await withContext(request, () => made.push(1));
    const lines = made.lines();
    expect(new Set(lines.map(({ correlation_id }) => correlation_id))).toEqual(new Set(["REQUEST-1"]));
    expect(new Set(lines.map(({ root_caller }) => root_caller))).toEqual(new Set(["POST /push"]));
    const counts = new Map<unknown, number>();
    for (const { msg } of lines) counts.set(msg, (counts.get(msg) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({
      "event published": 4,
      "delivery started": 3,
      "delivery done": 3,
      "a handler speaks": 3,
    });
  });

  test("the causation ids in the log lines are those of the events", async () => {
    const made = await forge();
    const pushed = await withContext(request, () => made.push(1));
    const cause = new Map<unknown, unknown>([
      [pushed.id, undefined],
      [made.found(PipelineCreated.type)?.id, pushed.id],
      [made.found(MergeRequestUpdated.type)?.id, made.found(PipelineCreated.type)?.id],
      [made.found("notes.branch_noted")?.id, made.found(MergeRequestUpdated.type)?.id],
    ]);
    for (const line of made.lines().filter(({ msg }) => msg !== "a handler speaks"))
      expect([line["msg"], line["event_id"], line["causation_id"]]).toEqual([
        line["msg"],
        line["event_id"],
        cause.get(line["event_id"]),
      ]);
  });

  test("a handler works under the subscriber's name and context", async () => {
    const made = await forge();
    await withContext(request, () => made.push(1));
    const spoken = made.lines().filter(({ msg }) => msg === "a handler speaks");
    expect(spoken.map((line) => [line["meta.caller_id"], line["meta.feature_category"], line["meta.project"]])).toEqual(
      [
        ["ci.create_pipeline", "ci", "box"],
        ["merge_requests.update_head", "merge_requests", "box"],
        ["notes.note_branch", "notes", "box"],
      ],
    );
    expect(spoken.map(({ component }) => component)).toEqual([
      "ci.create_pipeline",
      "merge_requests.update_head",
      "notes.note_branch",
    ]);
  });

  test("without a request the first event's id holds the story together", async () => {
    const made = await forge();
    const pushed = await made.push(1);
    expect(pushed.correlationId).toBe(pushed.id);
    for (const event of made.seen) expect(event.correlationId).toBe(pushed.id);
    expect(new Set(made.lines().map(({ correlation_id }) => correlation_id))).toEqual(new Set([pushed.id]));
  });

  test("stories that run at the same time are kept apart", async () => {
    const made = await forge();
    const chains = Array.from({ length: 40 }, (_, index) => index);
    await Promise.all(
      chains.map((chain) => withContext({ ...request, correlationId: `REQUEST-${chain}` }, () => made.publish(chain))),
    );
    await made.runUntilIdle();
    expect(made.seen).toHaveLength(4 * chains.length);
    for (const { data, correlationId } of made.seen) expect(correlationId).toBe(`REQUEST-${data.chain}`);
    for (const line of made.lines()) {
      const chain = line["chain"] ?? JSON.parse(String(line["event_data"])).chain;
      expect([line["msg"], line["correlation_id"]]).toEqual([line["msg"], `REQUEST-${chain}`]);
    }
  });

  test("a story without a request takes nothing from the one beside it", async () => {
    const made = await forge();
    await Promise.all([withContext(request, () => made.publish(1)), made.publish(2)]);
    await made.runUntilIdle();
    const plain = made.seen.filter(({ data }) => data.chain === 2);
    const [first] = plain;
    for (const event of plain)
      expect(event).toMatchObject({ correlationId: first?.id, rootCaller: expectedCaller(event) });
    for (const line of made.lines().filter(({ event_data }) => String(event_data).includes('"chain":2'))) {
      expect(line["correlation_id"]).toBe(first?.id);
      expect(line).not.toHaveProperty("meta.project");
    }
  });
});

test("ES-279 retries keep correlation, cause and caller", async () => {
  const published: DomainEvent<Chain>[] = [];
  const Retrying = defineSubscriber<Chain>("ci.create_pipeline", {
    retry: { jitter: 0 },
    async handle(_, { attempt }) {
      published.push(PipelineCreated.create({ chain: attempt }));
      if (attempt < 3) throw new Error("not yet");
    },
  });
  const made = setUp((registry) => registry.subscribe(Retrying, { to: Pushed }));
  await made.store.start();
  const pushed = await withContext(request, async () => {
    const event = Pushed.create({});
    await made.store.publish(event);
    return event;
  });
  await made.advanceBy(60_000);
  expect(published).toHaveLength(3);
  for (const event of published)
    expect(event).toMatchObject({ correlationId: "REQUEST-1", causationId: pushed.id, rootCaller: "POST /push" });
  const attempts = made.lines().filter(({ job_status }) => job_status === "fail" || job_status === "done");
  expect(attempts.map(({ attempt, correlation_id }) => [attempt, correlation_id])).toEqual([
    [1, "REQUEST-1"],
    [2, "REQUEST-1"],
    [3, "REQUEST-1"],
  ]);
});

test("ES-279 an event that cannot be read is logged with the correlation id of its envelope", async () => {
  const Worker = defineSubscriber<Chain>("ci.create_pipeline", { handle: async () => {} });
  const made = setUp((registry) => registry.subscribe(Worker, { to: Pushed }));
  const wire = JSON.parse(made.store.encodeEvent(withContext(request, () => Pushed.create({}))));
  await made.store.start();
  await made.transport.enqueue([
    {
      id: "D1",
      subscriber: "ci.create_pipeline",
      subscription: "ci.create_pipeline/git.branch_pushed",
      eventType: Pushed.type,
      body: JSON.stringify({ ...wire, data: { chain: "one" } }),
      ...{ key: null, perKey: 1, dueAtMs: 0, maxPending: null, dedup: null },
    },
  ]);
  await made.runUntilIdle();
  expect(made.lines()).toMatchObject([
    {
      msg: "delivery failed",
      level: "error",
      correlation_id: "REQUEST-1",
      event_id: wire.id,
      event_type: Pushed.type,
      subscription: "ci.create_pipeline/git.branch_pushed",
      delivery_id: "D1",
      job_status: "fail",
      attempt: 1,
      urgency: "low",
      error_code: "EVT_DATA_INVALID",
    },
  ]);
});

describe("ES-279 in a batch", () => {
  test("what is published inside forEvent names that event as its cause", async () => {
    const made = await batchOf(async (events, forEvent, publish) => {
      for (const event of events) await forEvent(event, () => publish(event.data.chain ?? 0));
    });
    expect(
      made.published.map(({ data, causationId, correlationId }) => [data.chain, causationId, correlationId]),
    ).toEqual(made.pushed.map(({ data, id, correlationId }) => [data.chain, id, correlationId]));
    expect(new Set(made.published.map(({ correlationId }) => correlationId)).size).toBe(3);
  });

  test("outside forEvent the first event is the cause, with its correlation id", async () => {
    const made = await batchOf(async (events, _, publish) => {
      for (const event of events) await publish(event.data.chain ?? 0);
    });
    const [first] = made.pushed;
    expect(made.published).toHaveLength(3);
    for (const event of made.published)
      expect(event).toMatchObject({ causationId: first?.id, correlationId: first?.correlationId });
  });

  test("forEvent gives back what its work gives, and its errors", async () => {
    const got: unknown[] = [];
    await batchOf(async ([event], forEvent) => {
      if (!event) return;
      got.push(await forEvent(event, async () => "result"));
      got.push(
        await forEvent(event, async () => {
          throw new Error("inside");
        }).catch((error: unknown) => Object(error).message),
      );
    });
    expect(got).toEqual(["result", "inside"]);
  });
});

/** The caller that a story without a request has: the first subscriber that published. */
function expectedCaller({ type }: DomainEvent<unknown>): string | null {
  return type === Pushed.type || type === PipelineCreated.type
    ? type === Pushed.type
      ? null
      : "ci.create_pipeline"
    : "ci.create_pipeline";
}

interface Forge extends Made {
  readonly seen: DomainEvent<Chain>[];
  publish(chain: number): Promise<DomainEvent<Chain>>;
  /** Publishes and waits until everything has happened. */
  push(chain: number): Promise<DomainEvent<Chain>>;
  found(type: string): DomainEvent<Chain> | undefined;
  fail(): never;
}

/** Three modules, each of which reacts to the one before it and publishes in turn. */
async function forge(): Promise<Forge> {
  const seen: DomainEvent<Chain>[] = [];
  const Noted = defineEvent("notes.branch_noted", { schema });
  const hop = (name: string, next: typeof Pushed) =>
    defineSubscriber<Chain>(name, {
      async handle({ data }, { log }) {
        await new Promise(setImmediate);
        log.info("a handler speaks", { chain: data.chain });
        await publishSeen(made.store, next.create(data));
      },
    });
  const publishSeen = async (store: EventStore, event: DomainEvent<Chain>): Promise<DomainEvent<Chain>> => {
    seen.push(event);
    await store.publish(event);
    return event;
  };
  const made = setUp((registry) => {
    registry.subscribe(hop("ci.create_pipeline", PipelineCreated), { to: Pushed });
    registry.subscribe(hop("merge_requests.update_head", MergeRequestUpdated), { to: PipelineCreated });
    registry.subscribe(hop("notes.note_branch", Noted), { to: MergeRequestUpdated });
    registry.register(Noted);
  });
  await made.store.start();
  const publish = (chain: number) => publishSeen(made.store, Pushed.create({ chain }));
  return {
    ...made,
    seen,
    publish,
    async push(chain) {
      const event = await publish(chain);
      await made.runUntilIdle();
      return event;
    },
    found: (type) => seen.find((event) => event.type === type),
    fail: () => expect.fail("there is no such event"),
  };
}

type BatchWork = (
  events: readonly DomainEvent<Chain>[],
  forEvent: <T>(event: DomainEvent<unknown>, work: () => Promise<T>) => Promise<T>,
  publish: (chain: number) => Promise<unknown>,
) => Promise<void>;

/** Three events with correlation ids of their own in one call. */
async function batchOf(work: BatchWork) {
  const published: DomainEvent<Chain>[] = [];
  const publish = async (chain: number): Promise<void> => {
    const event = PipelineCreated.create({ chain });
    published.push(event);
    await made.store.publish(event);
  };
  const Batch = defineSubscriber<Chain>("ci.create_pipelines", {
    batch: { maxWaitMs: 60_000 },
    handleBatch: (events, context) => work(events, (event, inside) => context.forEvent(event, inside), publish),
  });
  const made = setUp((registry) => {
    registry.subscribe(Batch, { to: Pushed });
    registry.register(PipelineCreated);
  });
  await made.store.start();
  const pushed = [1, 2, 3].map((chain) =>
    withContext({ correlationId: `REQUEST-${chain}` }, () => Pushed.create({ chain })),
  );
  for (const event of pushed) await made.store.publish(event);
  await made.runUntilIdle();
  return { pushed, published };
}

interface Made extends TestStore {
  lines(): Record<string, unknown>[];
}

function setUp(configure: Configure): Made {
  const texts: string[] = [];
  const logger: Logger = createLogger({
    level: "debug",
    destination: { write: (text: string) => void texts.push(text) },
  });
  const made = createTestStore({ configure, logger });
  onTestFinished(() => made.store.stop());
  return { ...made, lines: () => texts.map((text) => JSON.parse(text)) };
}
