import type { EventDefinition } from "../define-event.js";
import {
  checkKeys,
  failureText,
  type PublishCheckOptions,
  type RecordOptions,
  readCheck,
  runCheck,
} from "./assert-publishes.js";
import { checkDefinition, type PublishExpectation, published } from "./expectations.js";
import type { Expected } from "./match-data.js";

export interface ToPublishEventOptions extends RecordOptions {
  /** Data must be equal instead of containing what is expected. Default false. */
  readonly strict?: boolean;
}

/** The matchers as they appear on `expect(fn)`. All of them must be awaited. */
export interface EventMatchers {
  /**
   * That the function publishes an event of this definition, with this data if given. `.not` takes the definition
   * alone.
   */
  toPublishEvent<D>(
    definition: EventDefinition<D>,
    data?: Expected<NoInfer<D>>,
    options?: ToPublishEventOptions,
  ): Promise<void>;
  /** That everything expected holds at once. The last argument may be options. There is no `.not`. */
  toPublishEvents(...expectations: readonly (PublishExpectation | PublishCheckOptions)[]): Promise<void>;
}

/** What Vitest and Jest give to a matcher as `this`, as far as it is used here. */
export interface MatcherState {
  readonly isNot?: boolean;
}

export interface MatcherResult {
  readonly pass: boolean;
  message(): string;
}

/**
 * Matchers for `expect.extend`, of Vitest and of Jest. A call that makes no sense throws at once, so that it does not
 * pass when somebody forgets to await it. Errors of the function under test come through, also with `.not`.
 */
export const eventMatchers = {
  toPublishEvent(
    this: MatcherState,
    fn: unknown,
    definition: unknown,
    data?: unknown,
    options?: ToPublishEventOptions,
  ): Promise<MatcherResult> {
    const isNot = this?.isNot === true;
    if (typeof fn !== "function") throw new TypeError("toPublishEvent needs a function");
    const { type } = checkDefinition(definition, "toPublishEvent");
    if (isNot && (data !== undefined || options !== undefined))
      throw new TypeError(
        ".not.toPublishEvent takes the definition alone: with data it could mean that the event is not published, or that it is published with other data",
      );
    const { strict = false, passThrough = false } = checkKeys(
      options ?? {},
      ["strict", "passThrough"],
      "toPublishEvent",
    );
    const wish = published(checkDefinition(definition, "toPublishEvent"));
    const expectation = data === undefined ? wish : wish.with(data, { strict });
    return judge(readCheck(fn, [expectation, { passThrough }], "toPublishEvent"), `expected no ${type}`);
  },

  toPublishEvents(this: MatcherState, fn: unknown, ...expectations: readonly unknown[]): Promise<MatcherResult> {
    if (this?.isNot === true)
      throw new TypeError(".not.toPublishEvents is ambiguous: expect notPublished(…) for each event instead");
    return judge(readCheck(fn, expectations, "toPublishEvents"), "");
  },
};

async function judge(check: Parameters<typeof runCheck>[0], negated: string): Promise<MatcherResult> {
  const { unmet, events } = await runCheck(check);
  const pass = unmet.length === 0;
  return { pass, message: () => failureText(pass ? [negated] : unmet, events) };
}
