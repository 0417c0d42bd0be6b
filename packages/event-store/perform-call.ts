import { type Clock, inContext } from "@signalbox/kernel";
import { type Call, CallContext, type CallHost, contextOf } from "./call.js";
import type { Subscriber } from "./define-subscriber.js";
import type { HandledItem, ItemResult } from "./end-delivery.js";
import { InvalidSubscriber } from "./errors.js";
import type { EventInstance, TraceContext } from "./event.js";
import { type Item, type ItemReader, readItems } from "./handled-items.js";
import type { HandlingLog } from "./handling-log.js";
import type { TracedAttempt, Tracing } from "./tracing.js";
import type { Lease } from "./transports/transport.js";

/** Whose handler is called, and with whose help. */
export interface CallSubject {
  readonly subscriber: Subscriber<never>;
  readonly host: CallHost;
  readonly reader: ItemReader;
  readonly clock: Clock;
  readonly log: HandlingLog;
  readonly tracing: Tracing | undefined;
}

/** Reads the deliveries of a call, hands them to the handler and resolves with what became of each item. */
export function performCall(call: Call, subject: CallSubject): Promise<readonly HandledItem[]> {
  const items: Item[] = [];
  const late: Promise<void>[] = [];
  for (const lease of call.leases) {
    const read = readItems(lease, subject.reader);
    if (Array.isArray(read)) items.push(...read);
    else late.push(read.then((more) => void items.push(...more)));
    subject.log.started(lease, subject.reader.registry.subscription(lease.subscription), call.startedAtMs);
  }
  return late.length === 0
    ? handleItems(call, items, subject)
    : Promise.all(late).then(() => handleItems(call, items, subject));
}

function handleItems(call: Call, items: readonly Item[], subject: CallSubject): Promise<readonly HandledItem[]> {
  if (subject.subscriber.options.handleBatch) return handleTogether(call, items, subject);
  const [only] = items;
  if (only && items.length === 1) return handleItem(call, only, subject).then((result) => [{ item: only, result }]);
  return handleInTurn(call, items, subject);
}

/** One event after the other. A failure keeps only later items of the same key waiting. */
async function handleInTurn(call: Call, items: readonly Item[], subject: CallSubject): Promise<readonly HandledItem[]> {
  const handled: HandledItem[] = [];
  let keyFailed = false;
  for (const item of items) {
    call.beginTurn(subject.clock.monotonicMs());
    const result: ItemResult = keyFailed ? { kind: "waiting" } : await handleItem(call, item, subject);
    keyFailed ||= result.kind === "failed" && item.lease.key !== null;
    handled.push({ item, result });
  }
  return handled;
}

const succeeded: ItemResult = Object.freeze({ kind: "done", ignored: false });
const ignored: ItemResult = Object.freeze({ kind: "done", ignored: true });

function unreadable(error: unknown, startedAtMs: number): ItemResult {
  return { kind: "failed", stage: "decode", error, startedAtMs, durationMs: 0 };
}

function handleItem(call: Call, item: Item, subject: CallSubject): Promise<ItemResult> {
  const { clock, host, log, subscriber } = subject;
  const startedAtMs = clock.nowMs();
  if (!("event" in item.read)) return Promise.resolve(unreadable(item.read.error, startedAtMs));
  const { event } = item.read;
  const context = new CallContext(call, host, [event], item.lease.deliveryId, item.progress.failures + 1);
  log.itemStarted(item, startedAtMs);
  const startedMs = clock.monotonicMs();
  // The registry has checked that the subscriber accepts events of this definition.
  const typed = event as EventInstance<never>;
  const { handle } = subscriber.options;
  const { turn } = call;
  return turn
    .race(() =>
      inSpan(subject.tracing, attemptOf(item.lease, context, [event]), (trace) =>
        inContext(contextOf(event, host.meta, trace), () => handle?.(typed, context)),
      ),
    )
    .then(
      () => {
        log.handlerEnded(item.lease.subscription, "ok", clock.monotonicMs() - startedMs);
        return context.isIgnored ? ignored : succeeded;
      },
      (error: unknown) => {
        const durationMs = clock.monotonicMs() - startedMs;
        log.handlerEnded(item.lease.subscription, turn.timedOut ? "timeout" : "error", durationMs);
        return { kind: "failed", stage: "handle", error, startedAtMs, durationMs };
      },
    );
}

/** Without tracing exactly `work`: nothing is made and nothing waited for that would not be otherwise. */
function inSpan(
  tracing: Tracing | undefined,
  attempt: TracedAttempt,
  work: (trace: TraceContext | null) => unknown,
): unknown {
  return tracing ? tracing.processing(attempt, async (trace) => work(trace)) : work(null);
}

function attemptOf(
  { subscription }: Lease,
  { deliveryId, attempt }: CallContext,
  events: readonly EventInstance<unknown>[],
): TracedAttempt {
  return { subscription, deliveryId, attempt, events };
}

/** All events in one call, settled item by item. */
async function handleTogether(
  call: Call,
  items: readonly Item[],
  subject: CallSubject,
): Promise<readonly HandledItem[]> {
  const { clock, log } = subject;
  const startedAtMs = clock.nowMs();
  const startedMs = clock.monotonicMs();
  const events: EventInstance<unknown>[] = [];
  for (const item of items) {
    if (!("event" in item.read)) continue;
    events.push(item.read.event);
    log.itemStarted(item, startedAtMs);
  }
  const { failures, isIgnored } = await callBatch(call, items, events, subject);
  const durationMs = clock.monotonicMs() - startedMs;
  let index = 0;
  return items.map((item) => {
    if (!("event" in item.read)) return { item, result: unreadable(item.read.error, startedAtMs) };
    const position = index++;
    if (!failures.has(position)) return { item, result: isIgnored ? ignored : succeeded };
    const error = failures.get(position);
    return { item, result: { kind: "failed", stage: "handle", error, startedAtMs, durationMs } };
  });
}

interface BatchEnd {
  /** Errors by position in the events. */
  readonly failures: ReadonlyMap<number, unknown>;
  readonly isIgnored: boolean;
}

async function callBatch(
  call: Call,
  items: readonly Item[],
  events: readonly EventInstance<unknown>[],
  { clock, host, log, subscriber, tracing }: CallSubject,
): Promise<BatchEnd> {
  const [first] = events;
  const [lease] = call.leases;
  if (!first || !lease) return { failures: new Map(), isIgnored: false };
  const attempt = items.reduce((most, item) => Math.max(most, item.progress.failures + 1), 1);
  const context = new CallContext(call, host, events, lease.deliveryId, attempt);
  const startedMs = clock.monotonicMs();
  const { handleBatch } = subscriber.options;
  const typed = events as readonly EventInstance<never>[];
  try {
    const result: unknown = await call.turn.race(() =>
      inSpan(tracing, attemptOf(lease, context, events), (trace) =>
        inContext(contextOf(first, host.meta, trace), () => handleBatch?.(typed, context)),
      ),
    );
    const failures = readBatchResult(result, events.length);
    log.handlerEnded(lease.subscription, "ok", clock.monotonicMs() - startedMs);
    return { failures, isIgnored: context.isIgnored };
  } catch (error) {
    log.handlerEnded(lease.subscription, call.turn.timedOut ? "timeout" : "error", clock.monotonicMs() - startedMs);
    return { failures: new Map(events.map((_, index) => [index, error])), isIgnored: false };
  }
}

/** @throws {InvalidSubscriber} `EVT_BATCH_RESULT_INVALID`. */
function readBatchResult(result: unknown, count: number): ReadonlyMap<number, unknown> {
  const failures = new Map<number, unknown>();
  if (result === undefined) return failures;
  if (typeof result !== "object" || result === null || !("failed" in result) || !Array.isArray(result.failed))
    throw new InvalidSubscriber("EVT_BATCH_RESULT_INVALID", {
      message: "`handleBatch` returned something else than `{ failed }`",
    });
  for (const entry of result.failed as readonly { readonly index?: unknown; readonly error?: unknown }[]) {
    const index = entry?.index;
    if (typeof index !== "number" || !Number.isInteger(index) || index < 0 || index >= count || failures.has(index))
      throw new InvalidSubscriber("EVT_BATCH_RESULT_INVALID", { details: { index, count } });
    failures.set(index, entry.error);
  }
  return failures;
}
