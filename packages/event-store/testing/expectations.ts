import { inspect } from "node:util";
import { canonicalCorrelationId } from "@signalbox/kernel";
import { Definition, type EventDefinition } from "../define-event.js";
import type { DomainEvent, ExtensionValue } from "../event.js";
import { type Expected, matchesData } from "./match-data.js";

/** What can be expected of an event beside its data. */
export interface EventMeta {
  readonly id: string;
  readonly source: string;
  readonly version: number;
  readonly subject: string;
  readonly time: string;
  readonly correlationId: string;
  readonly causationId: string | null;
  readonly rootCaller: string | null;
  readonly traceparent: string | null;
  readonly key: string | null;
  readonly sequence: string | null;
  readonly extensions: Readonly<Record<string, ExtensionValue>>;
}

interface Wish {
  readonly definition: EventDefinition<unknown>;
  readonly data?: unknown;
  readonly strict?: boolean;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly times?: number;
}

/** That an event is published, whatever the type of its data. */
export class AnyPublished {
  readonly #wish: Wish;

  constructor(wish: Wish) {
    this.#wish = wish;
  }

  static wish(expectation: AnyPublished): Wish {
    return expectation.#wish;
  }
}

/** That an event is published. Each call returns a new expectation. */
export class Published<D> extends AnyPublished {
  /** With this data, or with exactly this data. */
  with(data: Expected<D>, { strict = false }: { readonly strict?: boolean } = {}): Published<D> {
    return new Published({ ...AnyPublished.wish(this), data, strict });
  }

  withMeta(meta: Expected<EventMeta>): Published<D> {
    if (typeof meta !== "object" || meta === null) throw new TypeError("withMeta needs an object");
    return new Published({ ...AnyPublished.wish(this), meta: { ...meta } });
  }

  /** Exactly this often, counting only events that match. */
  times(count: number): Published<D> {
    if (!Number.isInteger(count) || count < 1)
      throw new TypeError("times needs an integer of at least 1; for none there is notPublished");
    return new Published({ ...AnyPublished.wish(this), times: count });
  }

  once(): Published<D> {
    return this.times(1);
  }
}

/** That no event of a definition is published. */
export class NotPublished {
  readonly definition: EventDefinition<unknown>;

  constructor(definition: EventDefinition<unknown>) {
    this.definition = definition;
  }
}

/** A definition stands for `published(definition)`. */
export type PublishExpectation = AnyPublished | NotPublished | EventDefinition<unknown>;

/** Expects an event of this definition: at least one, unless `times` says how many. */
export function published<D>(definition: EventDefinition<D>): Published<D> {
  return new Published({ definition: checkDefinition(definition, "published") });
}

/** Expects no event of this definition. */
export function notPublished(definition: EventDefinition<unknown>): NotPublished {
  return new NotPublished(checkDefinition(definition, "notPublished"));
}

/** @throws {TypeError} naming the function that was called with something else. */
export function checkDefinition(value: unknown, caller: string): EventDefinition<unknown> {
  if (Definition.is(value)) return value;
  throw new TypeError(`${caller} needs an event definition, made by defineEvent`);
}

export function toExpectation(value: unknown, caller: string): AnyPublished | NotPublished {
  if (value instanceof AnyPublished || value instanceof NotPublished) return value;
  return new AnyPublished({ definition: checkDefinition(value, caller) });
}

/** What does not hold, one sentence each; empty when everything does. */
export function findUnmet(
  events: readonly DomainEvent<unknown>[],
  expectations: readonly (AnyPublished | NotPublished)[],
  inOrder: boolean,
): string[] {
  const wishes = expectations.filter((one) => one instanceof AnyPublished).map(AnyPublished.wish);
  const unmet = [
    ...expectations
      .filter((one) => one instanceof NotPublished)
      .flatMap(({ definition }) => refuse(events, definition.type)),
    ...wishes.flatMap((wish) => miscounted(events, wish)),
    ...withoutOwnEvent(
      events,
      wishes.filter(({ times }) => times === undefined),
    ),
  ];
  return unmet.length === 0 && inOrder ? outOfOrder(events, wishes) : unmet;
}

function refuse(events: readonly DomainEvent<unknown>[], type: string): string[] {
  const count = events.filter((event) => event.type === type).length;
  return count === 0 ? [] : [`expected no ${type}, but there ${count === 1 ? "was one" : `were ${count}`}`];
}

function miscounted(events: readonly DomainEvent<unknown>[], wish: Wish): string[] {
  if (wish.times === undefined) return [];
  const count = events.filter((event) => fulfils(event, wish)).length;
  return count === wish.times
    ? []
    : [`expected ${describeWish(wish)}, but there ${count === 1 ? "was" : "were"} ${count}`];
}

/** Two equal expectations want two events: each is given one of its own, as far as possible. */
function withoutOwnEvent(events: readonly DomainEvent<unknown>[], wishes: readonly Wish[]): string[] {
  const wishOf = new Map<DomainEvent<unknown>, Wish>();
  const assign = (wish: Wish, tried: Set<DomainEvent<unknown>>): boolean => {
    for (const event of events) {
      if (tried.has(event) || !fulfils(event, wish)) continue;
      tried.add(event);
      const holder = wishOf.get(event);
      if (!holder || assign(holder, tried)) {
        wishOf.set(event, wish);
        return true;
      }
    }
    return false;
  };
  return wishes.filter((wish) => !assign(wish, new Set())).map((wish) => `expected ${describeWish(wish)}`);
}

function outOfOrder(events: readonly DomainEvent<unknown>[], wishes: readonly Wish[]): string[] {
  let position = 0;
  for (const wish of wishes) {
    for (let count = wish.times ?? 1; count > 0; count--) {
      const found = events.findIndex((event, index) => index >= position && fulfils(event, wish));
      if (found < 0) return [`expected ${describeWish(wish)} after what is expected before it`];
      position = found + 1;
    }
  }
  return [];
}

function fulfils(event: DomainEvent<unknown>, { definition, data, strict = false, meta = {} }: Wish): boolean {
  return (
    event.type === definition.type &&
    (data === undefined || matchesData(data, event.data, strict)) &&
    Object.entries(meta).every(([name, value]) => matchesMeta(event, name, value))
  );
}

function matchesMeta(event: DomainEvent<unknown>, name: string, expected: unknown): boolean {
  const actual: unknown = Reflect.get(event, name);
  // An id may be written as a UUID, in an event it has one form.
  if (name === "correlationId" && typeof expected === "string") return canonicalCorrelationId(expected) === actual;
  return matchesData(expected, actual, false);
}

export function describeWish({ definition, data, strict, meta, times }: Wish): string {
  const parts = [definition.type];
  if (data !== undefined) parts.push(`with ${strict ? "exactly " : ""}${show(data)}`);
  if (meta) parts.push(`with meta ${show(meta)}`);
  if (times !== undefined) parts.push(times === 1 ? "once" : `${times} times`);
  return parts.join(" ");
}

/** What was recorded, for the end of a failure's text. */
export function describeEvents(events: readonly DomainEvent<unknown>[]): string {
  if (events.length === 0) return "no events were published";
  return ["published were:", ...events.map(({ type, data }, index) => `  ${index + 1}. ${type} ${show(data)}`)].join(
    "\n",
  );
}

function show(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: 100, sorted: true });
}
