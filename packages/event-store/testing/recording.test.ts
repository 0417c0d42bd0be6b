import assert, { AssertionError } from "node:assert";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { openDatabase } from "@signalbox/database";
import { createVirtualClock, noMetrics, silentLogger, withContext } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { createEventStore, createMemoryTransport, defineEvent, defineSubscriber, type EventStore } from "../index.js";
import {
  assertPublishes,
  assertPublishesNothing,
  createTestStore,
  notPublished,
  published,
  recordEvents,
} from "../testing.js";

const PipelineCreated = defineEvent("ci.pipeline_created", {
  schema: {
    type: "object",
    properties: { pipeline_id: { type: "integer" }, ref: { type: "string" } },
    required: ["pipeline_id"],
  },
});
const JobQueued = defineEvent("ci.job_queued", {
  schema: { type: "object", properties: { job_id: { type: "integer" } } },
});
const Unregistered = defineEvent("ci.pipeline_archived", { schema: { type: "object" } });

/** A store with one subscriber that notes which pipelines it was told of. */
function createForge() {
  const handled: number[] = [];
  const worker = defineSubscriber<{ pipeline_id: number }>("merge_requests.update_head_pipeline", {
    handle: async (event) => void handled.push(event.data.pipeline_id),
  });
  const forge = createTestStore({
    configure: (registry) => {
      registry.register(JobQueued);
      registry.subscribe(worker, { to: PipelineCreated });
    },
  });
  const create = (pipeline_id: number) => forge.store.publish(PipelineCreated.create({ pipeline_id }));
  return { ...forge, handled, create };
}

describe("ES-310 a test store", () => {
  test("ES-310 runs in memory on virtual time, throws what conditions throw, and leaves no timer when stopped", async () => {
    const failing = defineSubscriber("merge_requests.failing", { handle: async () => {} });
    const { store, transport, clock, advanceBy } = createTestStore({
      configure: (registry) =>
        registry.subscribe(failing, {
          to: JobQueued,
          delayMs: 60_000,
          if: ({ data }) => {
            if (data.job_id === 13) throw new Error("unlucky");
            return true;
          },
        }),
    });
    expect(transport.name).toBe("memory");
    await store.start();
    const beforeMs = clock.nowMs();
    await expect(store.publish(JobQueued.create({ job_id: 13 }))).rejects.toMatchObject({
      code: "EVT_DISPATCH_FAILED",
    });
    await store.publish(JobQueued.create({ job_id: 1 }));
    await advanceBy(60_000);
    expect(clock.nowMs() - beforeMs).toBe(60_000);
    expect(clock.nextTimerMs()).toBeDefined();
    await store.stop();
    expect(clock.nextTimerMs()).toBeUndefined();
  });

  test("ES-310 recorded events are checked like all others, and dispatched to nobody", async () => {
    const { store, handled, create, runUntilIdle } = createForge();
    await store.start();
    const events = await recordEvents(async () => {
      const receipt = await create(1);
      expect(receipt.decisions).toEqual([]);
      expect(receipt.eventIds).toHaveLength(1);
    });
    expect(events.map(({ type, data }) => ({ type, data }))).toEqual([
      { type: "ci.pipeline_created", data: { pipeline_id: 1 } },
    ]);
    await runUntilIdle();
    expect(handled).toEqual([]);

    await expect(recordEvents(() => store.publish(Unregistered.create({})))).rejects.toMatchObject({
      code: "EVT_UNKNOWN_TYPE",
    });
    const handmade = { ...PipelineCreated.create({ pipeline_id: 1 }) };
    await expect(recordEvents(() => store.publish(handmade))).rejects.toMatchObject({ code: "EVT_NOT_AN_EVENT" });
    await expect(
      recordEvents(() => store.publishGroup([PipelineCreated.create({ pipeline_id: 1 }), JobQueued.create({})])),
    ).rejects.toMatchObject({ code: "EVT_GROUP_MIXED" });
    await store.stop();
  });

  test("ES-310 an event that is too large is refused while recording, too", async () => {
    const { store } = createTestStore({
      configure: (registry) => void registry.register(PipelineCreated),
      limits: { maxInlineBytes: 1_024, maxEventBytes: 2_048 },
    });
    const ref = "x".repeat(2_048);
    await expect(
      recordEvents(() => store.publish(PipelineCreated.create({ pipeline_id: 1, ref }))),
    ).rejects.toMatchObject({ code: "EVT_TOO_LARGE" });
  });

  test("ES-310 with passThrough events are dispatched as well", async () => {
    const { store, handled, create, runUntilIdle } = createForge();
    await store.start();
    const events = await recordEvents(() => create(2), { passThrough: true });
    await runUntilIdle();
    expect(events).toHaveLength(1);
    expect(handled).toEqual([2]);
    await store.stop();
  });

  test("ES-310 parallel recordings do not hear each other, nor what runs beside them", async () => {
    const { store, handled, create, runUntilIdle } = createForge();
    await store.start();
    const publishSlowly = (ids: readonly number[]) => async () => {
      for (const id of ids) {
        await nextTurn();
        await create(id);
      }
    };
    const [left, right] = await Promise.all([
      recordEvents(publishSlowly([1, 2, 3])),
      recordEvents(publishSlowly([11, 12])),
      publishSlowly([100, 101])(),
    ]);
    expect(left?.map(({ data }) => data)).toEqual([{ pipeline_id: 1 }, { pipeline_id: 2 }, { pipeline_id: 3 }]);
    expect(right?.map(({ data }) => data)).toEqual([{ pipeline_id: 11 }, { pipeline_id: 12 }]);
    await runUntilIdle();
    expect(handled).toEqual([100, 101]);
    await store.stop();
  });

  test("ES-310 the real store is back after an exception, and for what was left running", async () => {
    const { store, handled, create, runUntilIdle } = createForge();
    await store.start();
    let goOn = (): void => {};
    const late = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let left: Promise<unknown> = Promise.resolve();
    await expect(
      recordEvents(async () => {
        left = late.then(() => create(7));
        throw new Error("the code under test failed");
      }),
    ).rejects.toThrow("the code under test failed");
    await create(6);
    goOn();
    await left;
    await runUntilIdle();
    expect(handled).toEqual([6, 7]);
    await store.stop();
  });

  test("ES-310 a recording inside another one keeps its events to itself unless it lets them pass", async () => {
    const { create } = createForge();
    let inner: readonly unknown[] = [];
    const outer = await recordEvents(async () => {
      await create(1);
      inner = await recordEvents(() => create(2));
      await recordEvents(() => create(3), { passThrough: true });
    });
    expect(inner).toHaveLength(1);
    expect(outer.map(({ data }) => data)).toEqual([{ pipeline_id: 1 }, { pipeline_id: 3 }]);
  });

  test("ES-310 any store is heard, also one on another transport that was never opened", async () => {
    const transport = createMemoryTransport({ clock: createVirtualClock() });
    const store: EventStore = createEventStore({
      transport,
      source: "urn:forge",
      configure: (registry) => void registry.register(PipelineCreated),
    });
    const events = await recordEvents(() => store.publish(PipelineCreated.create({ pipeline_id: 1 })));
    expect(events).toHaveLength(1);
    await expect(transport.depth("x")).rejects.toMatchObject({ code: "EVT_CLOSED" });
  });
});

describe("ES-314 what counts", () => {
  test("ES-314 events of groups count, each of them", async () => {
    const { store } = createForge();
    await assertPublishes(
      () => store.publishGroup([1, 2, 3].map((pipeline_id) => PipelineCreated.create({ pipeline_id }))),
      published(PipelineCreated).times(3),
    );
  });

  test("ES-314 events of transactional publishes count, and the guard for transactions holds", async () => {
    const { store } = createForge();
    const folder = await mkdtemp(join(tmpdir(), "recording-"));
    const database = await openDatabase({
      path: join(folder, "forge.db"),
      logger: silentLogger,
      metrics: noMetrics,
      clock: createVirtualClock(),
    });
    await assertPublishes(
      () =>
        database.transaction((transaction) =>
          store.publish(PipelineCreated.create({ pipeline_id: 1 }), { transaction }),
        ),
      published(PipelineCreated).once(),
    );
    await expect(
      recordEvents(() => database.transaction(() => store.publish(PipelineCreated.create({ pipeline_id: 1 })))),
    ).rejects.toMatchObject({ code: "EVT_IN_TRANSACTION" });
    await database.close();
    await rm(folder, { recursive: true });
  });
});

describe("ES-317 plain functions for any test runner", () => {
  test("ES-317 assertPublishes throws an AssertionError that shows what was expected and what was published", async () => {
    const { store, create } = createForge();
    await assertPublishes(
      () => create(1),
      published(PipelineCreated).with({ pipeline_id: 1 }),
      notPublished(JobQueued),
    );
    await assertPublishes(() => create(1), PipelineCreated);
    const failure = await assertPublishes(
      async () => {
        await create(1);
        await store.publish(JobQueued.create({ job_id: 5 }));
      },
      published(PipelineCreated).with({ pipeline_id: 2 }),
      notPublished(JobQueued),
    ).catch((error: unknown) => error);
    assert(failure instanceof AssertionError);
    expect(failure.message).toBe(
      [
        "expected no ci.job_queued, but there was one",
        "expected ci.pipeline_created with { pipeline_id: 2 }",
        "published were:",
        "  1. ci.pipeline_created { pipeline_id: 1 }",
        "  2. ci.job_queued { job_id: 5 }",
      ].join("\n"),
    );
  });

  test("ES-317 assertPublishesNothing throws for any event, and errors of the function come through", async () => {
    const { create } = createForge();
    await assertPublishesNothing(() => {});
    await expect(assertPublishesNothing(() => create(1))).rejects.toBeInstanceOf(AssertionError);
    const broken = async () => {
      throw new RangeError("broken");
    };
    await expect(assertPublishesNothing(broken)).rejects.toBeInstanceOf(RangeError);
    await expect(assertPublishes(broken, PipelineCreated)).rejects.toBeInstanceOf(RangeError);
  });

  test("ES-317 a call that makes no sense is refused", async () => {
    const fn = () => {};
    // @ts-expect-error not a function
    await expect(recordEvents(1)).rejects.toThrow("recordEvents needs a function");
    await expect(assertPublishes(fn)).rejects.toThrow("assertPublishes needs at least one expectation");
    // @ts-expect-error a misspelt option
    await expect(assertPublishes(fn, PipelineCreated, { inorder: true })).rejects.toThrow("no option `inorder`");
    // @ts-expect-error not a definition
    expect(() => published("ci.pipeline_created")).toThrow("published needs an event definition");
    expect(() => published(PipelineCreated).times(0)).toThrow("at least 1");
  });
});

describe("ES-314 expectations", () => {
  test("ES-314 type, data, meta and count combine", async () => {
    const { create } = createForge();
    const inRequest = () =>
      withContext({ correlationId: "01HV6Q3X4YZ5A6B7C8D9E0F1G2" }, async () => {
        await create(1);
        await create(1);
        await create(2);
      });
    const one = published(PipelineCreated).with({ pipeline_id: 1 });
    await assertPublishes(
      inRequest,
      one.withMeta({ correlationId: "01HV6Q3X4YZ5A6B7C8D9E0F1G2", causationId: null, source: "/test" }).times(2),
      published(PipelineCreated).with({ pipeline_id: 2 }).once(),
    );
    await expect(assertPublishes(inRequest, one.once())).rejects.toThrow(
      "expected ci.pipeline_created with { pipeline_id: 1 } once, but there were 2",
    );
    await expect(assertPublishes(inRequest, one.withMeta({ correlationId: "another" }))).rejects.toThrow(
      "expected ci.pipeline_created with { pipeline_id: 1 } with meta { correlationId: 'another' }",
    );
  });

  test("ES-314 a correlation id is known in every form in which it may be written", async () => {
    const { create } = createForge();
    const uuid = "018f5c2e-7b1a-7c3d-9e4f-5a6b7c8d9e0f";
    await assertPublishes(
      () => withContext({ correlationId: uuid }, () => create(1)),
      published(PipelineCreated).withMeta({ correlationId: uuid }),
    );
  });

  test("ES-314 two expectations want two events", async () => {
    const { create } = createForge();
    const any = published(PipelineCreated);
    await assertPublishes(() => Promise.all([create(1), create(2)]), any, any);
    await expect(assertPublishes(() => create(1), any, any)).rejects.toThrow("expected ci.pipeline_created");
    // The first could take the event that the second one needs.
    await assertPublishes(() => Promise.all([create(1), create(2)]), any, any.with({ pipeline_id: 1 }));
  });

  test("ES-314 with inOrder the sequence counts, without it does not", async () => {
    const { store, create } = createForge();
    const both = async () => {
      await create(1);
      await store.publish(JobQueued.create({}));
      await create(2);
    };
    await assertPublishes(both, JobQueued, PipelineCreated);
    await assertPublishes(both, PipelineCreated, JobQueued, { inOrder: true });
    await assertPublishes(both, published(PipelineCreated).times(2), { inOrder: true });
    const [first, second] = [1, 2].map((pipeline_id) => published(PipelineCreated).with({ pipeline_id }));
    assert(first && second);
    await assertPublishes(both, first, second, { inOrder: true });
    await expect(assertPublishes(both, second, first, { inOrder: true })).rejects.toThrow(
      "expected ci.pipeline_created with { pipeline_id: 1 } after what is expected before it",
    );
  });
});
