import { type Context, currentContext, inContext, type Logger } from "@signalbox/kernel";
import type { Transaction } from "kysely";
import type { HandlerContext } from "./define-subscriber.js";
import { EventStoreError } from "./errors.js";
import { type DomainEvent, EventInstance, type TraceContext } from "./event.js";
import { isThenable } from "./registry.js";
import type { Lease } from "./transports/transport.js";

/** What a call needs from the worker that makes it. */
export interface CallHost {
  readonly log: Logger;
  readonly subscriberName: string;
  /** `meta.*` that says who is working. */
  readonly meta: Readonly<Record<string, string>>;
  ignored(subscriptionId: string): void;
  once<T, Tables>(
    subscriptionId: string,
    eventId: string,
    work: (transaction: Transaction<Tables>) => Promise<T>,
  ): Promise<T | undefined>;
}

/** Why the result of a call does not count for a lease any more. */
export type LeaseEnd = "lease_lost" | "handed_back";

/** The time that a handler has for a batch, or for one item of a group, and everything that may end it early. */
export class Turn {
  timedOut = false;
  #abort: AbortController | undefined;
  #abortReason: unknown;
  #giveUp: ((error: unknown) => void) | undefined;
  #givenUp: { readonly error: unknown } | undefined;

  /** Made when it is first asked for: most handlers never do. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#abortReason !== undefined) this.#abort.abort(this.#abortReason);
    }
    return this.#abort.signal;
  }

  timeOut(timeoutMs: number): void {
    if (this.timedOut) return;
    this.timedOut = true;
    this.abort(
      new EventStoreError("EVT_HANDLER_TIMEOUT", {
        message: `The handler did not finish within ${timeoutMs} ms`,
        details: { timeoutMs },
      }),
    );
  }

  abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#abort?.abort(this.#abortReason);
  }

  /** No longer waits for the handler. */
  giveUp(error: unknown): void {
    this.#givenUp ??= { error };
    this.#giveUp?.(error);
  }

  /** Settles like the work, unless the turn is given up before. */
  race(work: () => unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#givenUp) {
        reject(this.#givenUp.error);
        return;
      }
      this.#giveUp = reject;
      const result = work();
      // A handler in plain JavaScript may forget to be async.
      if (isThenable(result)) result.then(resolve, reject);
      else resolve(result);
    });
  }
}

/** One call of a handler: the deliveries it is about, and the turn that it is at. */
export class Call {
  readonly leases: readonly Lease[];
  readonly startedAtMs: number;
  readonly startedMonotonicMs: number;
  turnStartedMonotonicMs: number;
  /** Leases that ended meanwhile. */
  readonly ended = new Map<Lease, LeaseEnd>();
  #turn = new Turn();
  #abortReason: unknown;
  #givenUp: { readonly error: unknown } | undefined;

  constructor(leases: readonly Lease[], startedAtMs: number, startedMonotonicMs: number) {
    this.leases = leases;
    this.startedAtMs = startedAtMs;
    this.startedMonotonicMs = startedMonotonicMs;
    this.turnStartedMonotonicMs = startedMonotonicMs;
  }

  get turn(): Turn {
    return this.#turn;
  }

  /** The next item of a group has the whole time, also after one that hangs. */
  beginTurn(nowMonotonicMs: number): void {
    this.turnStartedMonotonicMs = nowMonotonicMs;
    if (!this.#turn.timedOut) return;
    this.#turn = new Turn();
    if (this.#abortReason !== undefined) this.#turn.abort(this.#abortReason);
    if (this.#givenUp) this.#turn.giveUp(this.#givenUp.error);
  }

  /** For this turn and all that would follow. */
  abort(reason: unknown): void {
    this.#abortReason ??= reason;
    this.#turn.abort(reason);
  }

  /** For this turn and all that would follow. */
  giveUp(error: unknown): void {
    this.#givenUp ??= { error };
    this.#turn.giveUp(error);
  }
}

export class CallContext implements HandlerContext {
  readonly attempt: number;
  readonly deliveryId: string;
  readonly #turn: Turn;
  readonly #host: CallHost;
  readonly #events: readonly EventInstance<unknown>[];
  #ignored = false;

  constructor(
    call: Call,
    host: CallHost,
    events: readonly EventInstance<unknown>[],
    deliveryId: string,
    attempt: number,
  ) {
    this.attempt = attempt;
    this.deliveryId = deliveryId;
    this.#turn = call.turn;
    this.#host = host;
    this.#events = events;
  }

  get signal(): AbortSignal {
    return this.#turn.signal;
  }

  get log(): Logger {
    return this.#host.log;
  }

  /** The handler said so. */
  get isIgnored(): boolean {
    return this.#ignored;
  }

  // Functions that stay whole when a handler takes them out of the context: `handle(event, { once })`.

  get ignored(): HandlerContext["ignored"] {
    return (reason) => this.#ignore(reason);
  }

  get once(): HandlerContext["once"] {
    return (work) => this.#once(work);
  }

  get forEvent(): HandlerContext["forEvent"] {
    return (event, work) => inContext(contextOf(event, this.#host.meta), work);
  }

  #ignore(reason: string): void {
    if (this.#ignored) return;
    this.#ignored = true;
    this.#host.log.debug("event ignored", { delivery_id: this.deliveryId, reason });
    for (const event of this.#events) this.#host.ignored(`${this.#host.subscriberName}/${event.type}`);
  }

  async #once<T, Tables>(work: (transaction: Transaction<Tables>) => Promise<T>): Promise<T | undefined> {
    const { causationId } = currentContext();
    const event = this.#events.find(({ id }) => id === causationId);
    if (!event)
      throw new EventStoreError("EVT_CONFIG_INVALID", {
        message: "`context.once` must be called while an event of this call is being handled",
      });
    return this.#host.once(`${this.#host.subscriberName}/${event.type}`, event.id, work);
  }
}

/** The context in which an event is handled: what it publishes and logs belongs to the same story. */
export function contextOf(
  event: DomainEvent<unknown>,
  worker: Readonly<Record<string, string>>,
  trace: TraceContext | null = null,
): Context {
  const hidden = EventInstance.is(event) ? EventInstance.hidden(event) : undefined;
  return {
    correlationId: event.correlationId,
    causationId: event.id,
    rootCaller: event.rootCaller ?? undefined,
    traceparent: trace?.traceparent ?? event.traceparent ?? undefined,
    tracestate: (trace ? trace.tracestate : hidden?.tracestate) ?? undefined,
    userId: hidden?.userId,
    userName: hidden?.userName,
    actorId: hidden?.actorId,
    organizationId: hidden?.organizationId,
    meta: hidden?.meta ? { ...hidden.meta, ...worker } : worker,
  };
}
