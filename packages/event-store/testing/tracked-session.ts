import { AsyncLocalStorage } from "node:async_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Decision } from "../dispatch.js";
import type { SettlementKind } from "../dispatch-log.js";
import { EventStoreError } from "../errors.js";
import type { DomainEvent } from "../event.js";
import type { Outcome } from "../publish-outcome.js";
import { type TestTime, testTimeOf } from "../test-store.js";
import type { StoreInternals, StoreWatcher, WatchedAttempt } from "../watch.js";
import { checkFunction, checkKeys } from "./assert-publishes.js";
import { partsOf, type StoreUnderTest, storeOf } from "./store-under-test.js";

export interface TrackedSessionOptions {
  /** Real milliseconds until the session gives up. Default 5,000. */
  readonly timeoutMs?: number;
  /** Lets the time of a test store pass, so that delays and retries need no waiting. Default true. */
  readonly advanceTime?: boolean;
  /** `report`: failed attempts stand in the tree only, for tests of failing handlers. Default `throw`. */
  readonly handlerErrors?: "throw" | "report";
}

export interface TrackedAttempt {
  readonly subscription: string;
  readonly attempt: number;
  readonly settlement: SettlementKind;
  /** What the handler was given. */
  readonly event: DomainEvent<unknown> | null;
  /** What it threw; `undefined` when it succeeded. */
  readonly error: unknown;
}

/** One published event with all that came of it. */
export interface TrackedEvent {
  readonly event: DomainEvent<unknown>;
  readonly decisions: readonly { readonly subscription: string | null; readonly decision: Decision }[];
  readonly attempts: readonly TrackedAttempt[];
  /** What was published while this event was handled. */
  readonly children: readonly TrackedEvent[];
}

export interface TrackedSession<T> {
  /** What the function returned. */
  readonly value: T;
  /** What the function published itself. */
  readonly roots: readonly TrackedEvent[];
  /** Every event, in order of publishing. */
  readonly events: readonly TrackedEvent[];
}

/** How long to wait for something outside of the store before looking again. */
const pollMs = 5;

/**
 * Runs `fn` and resolves when every delivery that it caused, however deep, is settled. Starts the store if it is not
 * started. Sessions on one store run side by side, each with its own events. Rejects as `fn` does.
 * @throws {AggregateError} with all errors of handlers, also of attempts that were repeated with success.
 * @throws {EventStoreError} `EVT_SESSION_TIMEOUT` naming what is pending.
 */
export async function trackedSession<T>(
  given: StoreUnderTest,
  fn: () => T | Promise<T>,
  options: TrackedSessionOptions = {},
): Promise<TrackedSession<T>> {
  checkFunction(fn, "trackedSession");
  const {
    timeoutMs = 5_000,
    advanceTime = true,
    handlerErrors = "throw",
  } = checkKeys(options, ["timeoutMs", "advanceTime", "handlerErrors"], "trackedSession");
  const store = storeOf(given);
  const parts = partsOf(store, "trackedSession");
  const session = new Session();
  parts.watchers.add(session);
  try {
    await store.start();
    const value = await sessions.run(session, async () => fn());
    await settled(session, parts, advanceTime ? testTimeOf(store) : undefined, timeoutMs);
    if (handlerErrors === "throw") session.throwErrors();
    const events = session.tree();
    return { value, events, roots: events.filter(({ event }) => !session.isCaused(event)) };
  } finally {
    parts.watchers.delete(session);
  }
}

const sessions = new AsyncLocalStorage<Session>();

interface Node {
  readonly event: DomainEvent<unknown>;
  readonly decisions: { readonly subscription: string | null; readonly decision: Decision }[];
  readonly attempts: TrackedAttempt[];
  readonly children: Node[];
}

class Session implements StoreWatcher {
  readonly #nodes = new Map<string, Node>();
  /** Settled or not: the transport knows. */
  readonly #deliveryIds = new Set<string>();
  /** Events whose publish has not settled. */
  readonly #publishing = new Set<DomainEvent<unknown>>();

  publishing(events: readonly DomainEvent<unknown>[]): void {
    const inside = sessions.getStore() === this;
    for (const event of events) {
      const cause = event.causationId === null ? undefined : this.#nodes.get(event.causationId);
      if (!inside && !cause) continue;
      this.#publishing.add(event);
      if (this.#nodes.has(event.id)) continue;
      const node = { event, decisions: [], attempts: [], children: [] };
      this.#nodes.set(event.id, node);
      cause?.children.push(node);
    }
  }

  decided(outcomes: readonly Outcome[]): void {
    for (const { event, subscription, decision, deliveryId } of outcomes) {
      const node = this.#nodes.get(event.id);
      if (!node) continue;
      node.decisions.push({ subscription: subscription?.id ?? null, decision });
      if (deliveryId !== null) this.#deliveryIds.add(deliveryId);
      // It may be run once more when the one before it has ended.
      else if (decision === "deduplicated" && subscription) this.#deliveryIds.add(`${event.id}.${subscription.id}`);
    }
  }

  published(events: readonly DomainEvent<unknown>[]): void {
    for (const event of events) this.#publishing.delete(event);
  }

  attempted({ eventId, subscription, attempt, settlement, event, error }: WatchedAttempt): void {
    this.#nodes.get(eventId)?.attempts.push({ subscription, attempt, settlement, event, error });
  }

  get isPublishing(): boolean {
    return this.#publishing.size > 0;
  }

  isCaused({ causationId }: DomainEvent<unknown>): boolean {
    return causationId !== null && this.#nodes.has(causationId);
  }

  tree(): readonly TrackedEvent[] {
    return [...this.#nodes.values()];
  }

  /** What has to end before the session does. */
  async pending(parts: StoreInternals): Promise<readonly string[]> {
    if (this.isPublishing) return [...this.#publishing].map(({ id, type }) => `publish of ${type} ${id}`);
    const ids = [...this.#deliveryIds];
    // What leaves the outbox meanwhile is in the transport before.
    const waiting = (await parts.outbox?.waiting(ids)) ?? [];
    const unsettled = [...waiting, ...(await parts.transport.unsettled(ids))];
    // Something may have been published meanwhile.
    return this.isPublishing ? this.pending(parts) : unsettled;
  }

  throwErrors(): void {
    const failed = [...this.#nodes.values()].flatMap(({ attempts }) =>
      attempts.filter(({ error }) => error !== undefined),
    );
    if (failed.length === 0) return;
    const lines = failed.map(({ subscription, attempt, error }) => `  ${subscription}, attempt ${attempt}: ${error}`);
    throw new AggregateError(
      failed.map(({ error }) => error),
      `Handlers failed:\n${lines.join("\n")}`,
    );
  }
}

async function settled(
  session: Session,
  parts: StoreInternals,
  time: TestTime | undefined,
  timeoutMs: number,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    // Lets batches start that wait for company, and everything run that can run now.
    await (time ? time.transport.advanceBy(0) : nextTurn());
    const pending = await session.pending(parts);
    if (pending.length === 0) return;
    if (performance.now() >= deadlineMs)
      throw new EventStoreError("EVT_SESSION_TIMEOUT", {
        message: `After ${timeoutMs} ms these were still unsettled: ${pending.join(", ")}`,
        details: { pending },
      });
    const stepMs = time && (await stepOf(time, parts, session));
    if (time && stepMs !== undefined) await time.transport.advanceBy(stepMs);
    else await sleep(pollMs);
  }
}

/**
 * How far time may go on. While a handler or a publish runs, only to what it waits for on the test's clock: it may as well wait for
 * something outside, and must not time out meanwhile.
 */
async function stepOf(
  { clock, transport }: TestTime,
  { registry }: StoreInternals,
  session: Session,
): Promise<number | undefined> {
  const depths = await Promise.all(registry.subscribers.map(({ subscriber }) => transport.depth(subscriber.name)));
  const isRunning = session.isPublishing || depths.some(({ running }) => running > 0);
  const nextMs = isRunning ? clock.nextOwnTimerMs() : clock.nextTimerMs();
  return nextMs === undefined ? undefined : Math.max(0, nextMs - clock.nowMs());
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
