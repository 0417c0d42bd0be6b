import { AssertionError } from "node:assert";
import type { DomainEvent } from "../event.js";
import { record } from "../recording.js";
import {
  type AnyPublished,
  describeEvents,
  findUnmet,
  type NotPublished,
  type PublishExpectation,
  toExpectation,
} from "./expectations.js";

export interface RecordOptions {
  /** Also dispatch what is published. Default: it is checked and recorded, and goes nowhere. */
  readonly passThrough?: boolean;
}

export interface PublishCheckOptions extends RecordOptions {
  /** The expected events come in this order; others may stand between them. Default false. */
  readonly inOrder?: boolean;
}

/**
 * Runs `fn` and resolves with the events that it published, in any store, in order; also those of groups and those of
 * transactions. What other work publishes meanwhile is not heard. Rejects as `fn` does.
 */
export async function recordEvents(
  fn: () => unknown,
  options: RecordOptions = {},
): Promise<readonly DomainEvent<unknown>[]> {
  return record(checkFunction(fn, "recordEvents"), checkKeys(options, ["passThrough"], "recordEvents"));
}

/**
 * Asserts that `fn` publishes what is expected; other events may be published, too. The last argument may be options.
 * @throws {AssertionError} telling what is missing and what was published. Rejects as `fn` does.
 */
export async function assertPublishes(
  fn: () => unknown,
  ...expectations: readonly (PublishExpectation | PublishCheckOptions)[]
): Promise<void> {
  const check = readCheck(fn, expectations, "assertPublishes");
  const { unmet, events } = await runCheck(check);
  if (unmet.length > 0) fail(unmet, events, assertPublishes);
}

/** Asserts that `fn` publishes nothing at all. @throws {AssertionError}. Rejects as `fn` does. */
export async function assertPublishesNothing(fn: () => unknown): Promise<void> {
  const events = await record(checkFunction(fn, "assertPublishesNothing"));
  if (events.length > 0) fail(["expected no events"], events, assertPublishesNothing);
}

function fail(
  unmet: readonly string[],
  events: readonly DomainEvent<unknown>[],
  caller: (...args: never[]) => unknown,
): never {
  throw new AssertionError({ message: failureText(unmet, events), stackStartFn: caller });
}

export function failureText(unmet: readonly string[], events: readonly DomainEvent<unknown>[]): string {
  return `${unmet.join("\n")}\n${describeEvents(events)}`;
}

/** What a call of an assertion or a matcher asks for. */
export interface PublishCheck {
  readonly fn: () => unknown;
  readonly expectations: readonly (AnyPublished | NotPublished)[];
  readonly inOrder: boolean;
  readonly passThrough: boolean;
}

/** @throws {TypeError} when the call makes no sense. */
export function readCheck(fn: unknown, args: readonly unknown[], caller: string): PublishCheck {
  const work = checkFunction(fn, caller);
  const last = args.at(-1);
  const options = isOptions(last) ? last : {};
  const expectations = (isOptions(last) ? args.slice(0, -1) : args).map((one) => toExpectation(one, caller));
  if (expectations.length === 0) throw new TypeError(`${caller} needs at least one expectation`);
  const { inOrder = false, passThrough = false } = checkKeys(options, ["inOrder", "passThrough"], caller);
  return { fn: work, expectations, inOrder, passThrough };
}

export async function runCheck(
  check: PublishCheck,
): Promise<{ readonly unmet: readonly string[]; readonly events: readonly DomainEvent<unknown>[] }> {
  const events = await record(check.fn, { passThrough: check.passThrough });
  return { unmet: findUnmet(events, check.expectations, check.inOrder), events };
}

export function checkFunction(fn: unknown, caller: string): () => unknown {
  if (typeof fn !== "function") throw new TypeError(`${caller} needs a function`);
  return () => fn();
}

function isOptions(value: unknown): value is PublishCheckOptions {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** A misspelt option would otherwise weaken a test silently. */
export function checkKeys<O extends object>(options: O, known: readonly (keyof O & string)[], caller: string): O {
  const stranger = Object.keys(options).find((key) => !known.some((name) => name === key));
  if (stranger !== undefined) throw new TypeError(`${caller} has no option \`${stranger}\``);
  return options;
}
