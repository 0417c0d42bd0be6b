import { currentContext } from "@signalbox/kernel";
import { describe, expect, test } from "vitest";
import { type DomainEvent, defineEvent, defineSubscriber, encodeEvent } from "../index.js";
import { consumeEvent, createTestStore, recordEvents } from "../testing.js";

const PipelineCreated = defineEvent("ci.pipeline_created", {
  version: 2,
  schema: {
    type: "object",
    properties: { pipeline_id: { type: "integer" }, ref: { type: "string" } },
    required: ["pipeline_id"],
    additionalProperties: false,
  },
  upcast: { 1: ({ id, ...rest }) => ({ ...rest, pipeline_id: id ?? null }) },
});
const HeadUpdated = defineEvent("merge_requests.head_updated", { schema: { type: "object" } });

type Payload = { pipeline_id: number; ref?: string };

const { store } = createTestStore({
  configure: (registry) => {
    registry.register(PipelineCreated);
    registry.register(HeadUpdated);
  },
});

describe("consumeEvent", () => {
  test("ES-318 the handler gets what was written and read again, in the event's context", async () => {
    let heard: DomainEvent<Payload> | undefined;
    let told: unknown;
    const worker = defineSubscriber<Payload>("merge_requests.update_head_pipeline", {
      async handle(event, context) {
        heard = event;
        const { correlationId, causationId, meta } = currentContext();
        const { attempt, deliveryId, signal } = context;
        told = { correlationId, causationId, meta, attempt, deliveryId, aborted: signal.aborted };
        context.ignored("only to see that it can be said");
      },
    });
    const event = PipelineCreated.create({ pipeline_id: 1, ref: "main" }, { correlationId: "request-1" });
    await consumeEvent({ subscriber: worker, event });
    expect(heard).not.toBe(event);
    expect(heard?.data).toEqual(event.data);
    expect(PipelineCreated.is(heard)).toBe(true);
    expect(told).toEqual({
      correlationId: "request-1",
      causationId: event.id,
      meta: { caller_id: "merge_requests.update_head_pipeline", feature_category: "merge_requests" },
      attempt: 1,
      deliveryId: `${event.id}.merge_requests.update_head_pipeline/ci.pipeline_created`,
      aborted: false,
    });
  });

  test("ES-318 what the handler publishes can be recorded and names the event as its cause", async () => {
    const worker = defineSubscriber<Payload>("merge_requests.update_head_pipeline", {
      handle: async () => void (await store.publish(HeadUpdated.create({}))),
    });
    const event = PipelineCreated.create({ pipeline_id: 1 });
    const events = await recordEvents(() => consumeEvent({ subscriber: worker, event }));
    expect(events.map(({ type, causationId }) => ({ type, causationId }))).toEqual([
      { type: "merge_requests.head_updated", causationId: event.id },
    ]);
  });

  test("ES-318 an event of an older version is brought up to the current one", async () => {
    const heard: unknown[] = [];
    const worker = defineSubscriber<Payload>("merge_requests.update_head_pipeline", {
      handle: async ({ data }) => void heard.push(data),
    });
    const wire = JSON.parse(store.encodeEvent(PipelineCreated.create({ pipeline_id: 1 })));
    const old = { ...wire, data: { id: 7 }, dataschema: wire.dataschema.replace(/v2$/, "v1") };
    await consumeEvent({ subscriber: worker, event: JSON.stringify(old), store });
    await consumeEvent({ subscriber: worker, event: new TextEncoder().encode(JSON.stringify(old)), store });
    expect(heard).toEqual([{ pipeline_id: 7 }, { pipeline_id: 7 }]);
  });

  test("ES-318 data that violates the schema never reaches the handler", async () => {
    const heard: unknown[] = [];
    const worker = defineSubscriber<Payload>("merge_requests.update_head_pipeline", {
      handle: async (event) => void heard.push(event),
    });
    const wire = JSON.parse(store.encodeEvent(PipelineCreated.create({ pipeline_id: 1 })));
    const broken = JSON.stringify({ ...wire, data: { pipeline_id: "one" } });
    await expect(consumeEvent({ subscriber: worker, event: broken, store })).rejects.toMatchObject({
      code: "EVT_DATA_INVALID",
    });
    expect(heard).toEqual([]);
  });

  test("ES-318 an unknown type is refused", async () => {
    const worker = defineSubscriber<unknown>("merge_requests.update_head_pipeline", { handle: async () => {} });
    const Stranger = defineEvent("ci.pipeline_archived", { schema: { type: "object" } });
    const event = Stranger.create({}, { source: "/test" });
    const refusal = { code: "EVT_UNKNOWN_TYPE" };
    await expect(consumeEvent({ subscriber: worker, event, store })).rejects.toMatchObject(refusal);
    await expect(consumeEvent({ subscriber: worker, event: encodeEvent(event) })).rejects.toMatchObject(refusal);
    await consumeEvent({ subscriber: worker, event });
  });

  test("ES-318 errors of the handler come through, also those that a batch handler reports", async () => {
    const event = PipelineCreated.create({ pipeline_id: 1 });
    const failing = defineSubscriber<Payload>("merge_requests.failing", {
      handle: async () => {
        throw new RangeError("no");
      },
    });
    await expect(consumeEvent({ subscriber: failing, event })).rejects.toThrow(RangeError);
    const batches: number[] = [];
    const batch = defineSubscriber<Payload>("merge_requests.batch", {
      handleBatch: async (events, { attempt }) => {
        batches.push(events.length, attempt);
        return { failed: attempt > 1 ? [{ index: 0, error: new RangeError("batch") }] : [] };
      },
    });
    await consumeEvent({ subscriber: batch, event });
    await expect(consumeEvent({ subscriber: batch, event, attempt: 2 })).rejects.toThrow("batch");
    expect(batches).toEqual([1, 1, 1, 2]);
  });
});
