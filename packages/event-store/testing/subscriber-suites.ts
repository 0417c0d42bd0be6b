import assert from "node:assert/strict";
import type { EventDefinition } from "../define-event.js";
import type { Subscriber } from "../define-subscriber.js";
import type { DomainEvent } from "../event.js";
import { consumeEvent } from "./consume-event.js";
import { type StoreUnderTest, storeOf } from "./store-under-test.js";
import { defineSuite, evaluate, type Lazy, type SuiteOptions } from "./suite.js";
import { type TrackedAttempt, type TrackedEvent, trackedSession } from "./tracked-session.js";

export interface SubscriberCase<D> {
  readonly subscriber: Subscriber<D>;
  /** An event that the subscriber handles, or what makes one for each test. */
  readonly event: Lazy<DomainEvent<NoInfer<D>>>;
}

export interface SubscriptionCase<D> extends SubscriberCase<D> {
  /** A store in which the subscriber is configured. It is started if it is not. */
  readonly store: Lazy<StoreUnderTest>;
}

export interface IdempotencyCase<D> extends SubscriberCase<D> {
  /** Reads the state that the handler changes. Without it only errors are found. */
  observe?(): unknown;
}

/** Tests that the subscriber gets such an event through the store, handles it, and may handle it twice. */
export function subscribesToEvent<D>(options: SubscriptionCase<D> & SuiteOptions): void {
  defineSuite(options, `${options.subscriber.name} subscribes to the event`, {
    "handles the event when it is published": () => assertHandled(options),
    "handles the event twice with one result": () => assertIdempotentSubscriber(options),
  });
}

/** Tests that the subscriber is not called for such an event. */
export function ignoresEvent<D>(options: SubscriptionCase<D> & SuiteOptions): void {
  defineSuite(options, `${options.subscriber.name} ignores the event`, {
    "is not called when the event is published": () => assertIgnoresEvent(options),
  });
}

/** Tests that handling such an event twice is the same as handling it once. */
export function idempotentSubscriber<D>(options: IdempotencyCase<D> & SuiteOptions): void {
  defineSuite(options, `${options.subscriber.name} is idempotent`, {
    "handles the event twice with one result": () => assertIdempotentSubscriber(options),
  });
}

/** @throws {AssertionError} when the subscription is missing, its condition is false, or the handler fails. */
export async function assertSubscribesToEvent<D>(options: SubscriptionCase<D>): Promise<void> {
  await assertHandled(options);
  await assertIdempotentSubscriber(options);
}

/** @throws {AssertionError} when the handler was called, or a delivery was made for it. */
export async function assertIgnoresEvent<D>(options: SubscriptionCase<D>): Promise<void> {
  const { event, decision, attempts } = await publishFor(options);
  const { name } = options.subscriber;
  assert.ok(
    decision === undefined || decision === "condition_false",
    `${name} was expected to ignore ${event.type}, but the decision was ${decision}`,
  );
  assert.equal(attempts.length, 0, `${name} was expected to ignore ${event.type}, but its handler was called`);
}

/** @throws {AssertionError} when a run fails, or the second one changes what `observe` reads. */
export async function assertIdempotentSubscriber<D>(options: IdempotencyCase<D>): Promise<void> {
  const { subscriber, observe } = options;
  const event = await evaluate(options.event);
  assert.equal(subscriber.idempotent, true, `${subscriber.name} does not say that it is idempotent`);
  const run = async (which: string): Promise<unknown> => {
    try {
      await consumeEvent<unknown>({ subscriber: subscriber as Subscriber<unknown>, event });
    } catch (cause) {
      throw new assert.AssertionError({
        message: `The ${which} run of ${subscriber.name} failed: ${cause}`,
        actual: cause,
      });
    }
    return observe && structuredClone(await observe());
  };
  const first = await run("first");
  const second = await run("second");
  assert.deepEqual(second, first, `The second run of ${subscriber.name} changed the state`);
}

async function assertHandled<D>(options: SubscriptionCase<D>): Promise<void> {
  const { event, definition, decision, attempts } = await publishFor(options);
  const { name } = options.subscriber;
  assert.ok(definition && decision !== undefined, `${name} is not subscribed to ${event.type} in this store`);
  assert.ok(
    decision === "dispatched" || decision === "scheduled",
    `${name} was expected to get ${event.type}, but the decision was ${decision}`,
  );
  const last = attempts.at(-1);
  assert.ok(last, `${name} got no ${event.type}`);
  if (last.error !== undefined)
    throw new assert.AssertionError({
      message: `${name} failed to handle ${event.type}: ${last.error}`,
      actual: last.error,
    });
  assert.ok(definition.is(last.event), `${name} did not get an event of the definition ${event.type}`);
}

interface Published {
  readonly event: DomainEvent<unknown>;
  /** As the store knows it. */
  readonly definition: EventDefinition<unknown> | undefined;
  /** For this subscriber; `undefined` when it is not subscribed. */
  readonly decision: TrackedEvent["decisions"][number]["decision"] | undefined;
  readonly attempts: readonly TrackedAttempt[];
}

async function publishFor<D>(options: SubscriptionCase<D>): Promise<Published> {
  const store = storeOf(await evaluate(options.store));
  const event = await evaluate(options.event);
  // Other subscribers of the event have tests of their own.
  const { roots } = await trackedSession(store, () => store.publish(event), { handlerErrors: "report" });
  const subscription = store.subscribersFor(event.type).find(({ subscriber }) => subscriber === options.subscriber);
  const [root] = roots;
  return {
    event,
    definition: subscription?.event,
    decision: root?.decisions.find((made) => made.subscription === subscription?.id && subscription)?.decision,
    attempts: root?.attempts.filter((attempt) => attempt.subscription === subscription?.id) ?? [],
  };
}
