import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { currentContext } from "@signalbox/kernel";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { type DomainEvent, defineEvent, defineSubscriber } from "./index.js";
import { createOpenTelemetryTracing, type OpenTelemetryOptions } from "./opentelemetry.js";
import { createTestStore } from "./testing.js";

const exporter = new InMemorySpanExporter();
const storage = new AsyncLocalStorage<Context>();

/** As an application's own SDK brings it. */
const contextManager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, work, self, ...args) => storage.run(active, () => work.call(self as never, ...args)),
  bind: (_, target) => target,
  enable() {
    return this;
  },
  disable() {
    return this;
  },
};

beforeAll(() => {
  context.setGlobalContextManager(contextManager);
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
});
afterEach(() => exporter.reset());
afterAll(() => {
  trace.disable();
  context.disable();
});

const created = defineEvent("ci.created", { schema: { type: "object" } });
const started = defineEvent("ci.started", { schema: { type: "object" } });

interface Seen {
  readonly event: DomainEvent<unknown>;
  readonly traceparent: string | undefined;
  readonly activeSpan: string | undefined;
}

function setUp({ options, fail = 0 }: { options?: OpenTelemetryOptions | null; fail?: number } = {}) {
  const seen: Seen[] = [];
  let failures = fail;
  const note = async (event: DomainEvent<unknown>): Promise<void> => {
    const activeSpan = trace.getActiveSpan()?.spanContext().spanId;
    seen.push({ event, traceparent: currentContext().traceparent, activeSpan });
    if (failures-- > 0) throw new RangeError("out of range");
  };
  const made = createTestStore({
    ...(options === null ? {} : { tracing: createOpenTelemetryTracing(options) }),
    configure(registry) {
      registry.subscribe(
        defineSubscriber<unknown>("a.first", {
          retry: { jitter: 0 },
          async handle(event) {
            await note(event);
            await made.store.publish(started.create({}));
          },
        }),
        { to: created },
      );
      registry.subscribe(defineSubscriber<unknown>("b.second", { handle: note }), { to: created });
      registry.subscribe(
        defineSubscriber<unknown>("c.batch", {
          batch: { maxSize: 10, maxWaitMs: 50 },
          handleBatch: async (events) => {
            for (const event of events) await note(event);
          },
        }),
        { to: started },
      );
    },
  });
  onTestFinished(() => made.store.stop());
  return { ...made, seen };
}

const named = (name: string): ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.name === name);
const idOf = (span: ReadableSpan | undefined): string | undefined => span?.spanContext().spanId;
const linksOf = (span: ReadableSpan | undefined): string[] | undefined =>
  span?.links.map((link) => link.context.spanId);

test("ES-281 each publish has a producer span, each attempt a consumer span that is linked to it", async () => {
  const made = setUp();
  const event = created.create({});
  await made.store.publish(event);
  await made.store.start();
  await made.advanceBy(100);

  const [publish] = named("publish ci.created");
  expect(publish).toMatchObject({
    kind: SpanKind.PRODUCER,
    attributes: { "messaging.message.id": event.id, "messaging.destination.name": "ci.created" },
  });
  for (const subscription of ["a.first/ci.created", "b.second/ci.created"]) {
    const [process, ...others] = named(`process ${subscription}`);
    expect(others).toEqual([]);
    expect(process?.kind).toBe(SpanKind.CONSUMER);
    expect(linksOf(process)).toEqual([idOf(publish)]);
    expect(process?.spanContext().traceId).not.toBe(publish?.spanContext().traceId);
    expect(process?.attributes).toMatchObject({ "messaging.message.id": `${event.id}.${subscription}` });
  }
  // The event carries the publish; what the handler does belongs to the attempt.
  const [first] = made.seen;
  expect(first?.event.traceparent).toContain(idOf(publish));
  expect(first?.traceparent).toContain(idOf(named("process a.first/ci.created")[0]));
  expect(first?.activeSpan).toBe(idOf(named("process a.first/ci.created")[0]));
  // A publish inside the handler is a child of the attempt.
  const [second] = named("publish ci.started");
  expect(second?.parentSpanContext?.spanId).toBe(idOf(named("process a.first/ci.created")[0]));
  expect(linksOf(named("process c.batch/ci.started")[0])).toEqual([idOf(second)]);
});

test("ES-281 with `parent` an attempt is a child of the publish", async () => {
  const made = setUp({ options: { handling: "parent" } });
  await made.store.publish(created.create({}));
  await made.store.start();
  await made.runUntilIdle();
  const [publish] = named("publish ci.created");
  const [process] = named("process b.second/ci.created");
  expect(process?.parentSpanContext?.spanId).toBe(idOf(publish));
  expect(process?.spanContext().traceId).toBe(publish?.spanContext().traceId);
  expect(linksOf(process)).toEqual([]);
});

test("ES-281 each attempt has a span of its own, with the error of those that failed", async () => {
  const made = setUp({ fail: 1 });
  await made.store.publish(created.create({}));
  await made.store.start();
  await made.advanceBy(1_500);
  const attempts = named("process a.first/ci.created");
  expect(attempts.map(({ attributes, status }) => [attributes["signalbox.attempt"], status.code])).toEqual([
    [1, SpanStatusCode.ERROR],
    [2, SpanStatusCode.UNSET],
  ]);
  expect(attempts[0]?.events[0]?.attributes).toMatchObject({ "exception.message": "out of range" });
});

test("ES-281 a batch has one span with a link for each event", async () => {
  const made = setUp();
  const events = Array.from({ length: 3 }, () => started.create({}));
  for (const event of events) await made.store.publish(event);
  await made.store.start();
  await made.advanceBy(100);
  const publishes = named("publish ci.started").map(idOf);
  const batches = named("process c.batch/ci.started");
  expect(batches).toHaveLength(1);
  expect(linksOf(batches[0])).toEqual(publishes);
  expect(batches[0]?.attributes["messaging.batch.message_count"]).toBe(3);
});

test("ES-281 events of a group carry the span of their own publish, and one that fails says so", async () => {
  const made = setUp();
  await made.store.publishGroup([started.create({}), started.create({})]);
  expect(named("publish ci.started")).toHaveLength(2);
  await made.store.start();
  await made.advanceBy(100);
  const carried = made.seen.map(({ event }) => event.traceparent?.split("-")[2]);
  expect(carried).toEqual(named("publish ci.started").map(idOf));
  exporter.reset();
  await made.store.stop();
  await expect(made.store.publish(started.create({}))).rejects.toMatchObject({ code: "EVT_CLOSED" });
  expect(exporter.getFinishedSpans()).toEqual([]);
});

test("ES-281 without tracing no span is made, and a trace that came from outside is passed on", async () => {
  const made = setUp({ options: null });
  const outer = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const { withContext } = await import("@signalbox/kernel");
  await withContext({ traceparent: outer, tracestate: "vendor=1" }, () => made.store.publish(created.create({})));
  await made.store.start();
  await made.advanceBy(100);
  expect(exporter.getFinishedSpans()).toEqual([]);
  expect(made.seen[0]?.event.traceparent).toBe(outer);
  expect(made.seen[0]?.traceparent).toBe(outer);
});

test("ES-281 without a registered provider nothing is recorded and the event carries no trace", async () => {
  const made = setUp({ options: { tracer: trace.getTracerProvider().getTracer("none") } });
  trace.disable();
  try {
    const silent = setUp();
    await silent.store.publish(created.create({}));
    await silent.store.start();
    await silent.runUntilIdle();
    expect(silent.seen[0]?.event.traceparent).toBeNull();
  } finally {
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
  }
  await made.store.publish(created.create({}));
  expect(named("publish ci.created")).toHaveLength(1);
});
