import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock, Pace } from "@signalbox/kernel";
import type { EventDefinition } from "./define-event.js";
import { type Accepted, GroupSlices, judge, type Verdict } from "./dispatch.js";
import type { EventInstance } from "./event.js";
import type { PublishLog } from "./publish-log.js";
import { type Outcome, outcomeOf } from "./publish-outcome.js";
import type { FrozenRegistry, Subscription } from "./registry.js";

export interface DeciderOptions {
  readonly registry: FrozenRegistry;
  readonly isEnabled: (flag: string) => boolean;
  readonly clock: Clock;
  /** Somebody counts how long conditions take. */
  readonly timeConditions: boolean;
}

/** One event that a subscription accepted of a group. */
export interface GroupMember extends Accepted {
  readonly outcome: Outcome;
}

/** What a subscription gets of a group: each slice is one delivery. */
export interface GroupPlan {
  readonly subscription: Subscription;
  readonly slices: (readonly GroupMember[])[];
}

/** Conditions run before the event loop gets a turn, however fast they are. */
const judgedAtOnce = 2_000;

/** Which subscriptions get an event. */
export class Decider {
  readonly #options: DeciderOptions;
  readonly #log: PublishLog;

  constructor(options: DeciderOptions, log: PublishLog) {
    this.#options = options;
    this.#log = log;
  }

  /** Outcomes for an event that no subscription is asked about. */
  undecided(definition: EventDefinition<unknown>, event: EventInstance<unknown>): Outcome[] | undefined {
    const subscriptions = this.#options.registry.subscribersFor(definition.type);
    if (subscriptions.length === 0) return [outcomeOf(event, null, "no_subscribers")];
    if (definition.flag === undefined || this.#options.isEnabled(definition.flag)) return undefined;
    return subscriptions.map((subscription) => outcomeOf(event, subscription, "flag_off"));
  }

  /** Asks the subscription's condition; what it says of one event is nobody else's affair. Never throws. */
  judge(
    subscription: Subscription,
    event: EventInstance<unknown>,
  ): { readonly verdict: Verdict; readonly outcome: Outcome } {
    let conditionUs = 0;
    let verdict: Verdict;
    if (this.#options.timeConditions && subscription.condition) {
      const { clock } = this.#options;
      const startedMs = clock.monotonicMs();
      verdict = judge(subscription, event);
      const elapsedMs = clock.monotonicMs() - startedMs;
      conditionUs = elapsedMs * 1_000;
      this.#log.conditionTimed(subscription.id, elapsedMs);
    } else verdict = judge(subscription, event);
    if (verdict.kind === "fail")
      return { verdict, outcome: outcomeOf(event, subscription, "condition_error", conditionUs, verdict.error) };
    // What is accepted is dispatched unless the transport says otherwise.
    const decision =
      verdict.kind === "refuse" ? "condition_false" : subscription.options.delayMs > 0 ? "scheduled" : "dispatched";
    return { verdict, outcome: outcomeOf(event, subscription, decision, conditionUs) };
  }

  /** Judges all events of a group and adds their outcomes to `outcomes`. Gives way between the events. */
  async planGroup(
    events: readonly EventInstance<unknown>[],
    subscription: Subscription,
    outcomes: Outcome[],
    pace: Pace,
  ): Promise<GroupPlan> {
    const accepted = new GroupSlices<GroupMember>(subscription.options.groupSize);
    for (const [place, event] of events.entries()) {
      const { verdict, outcome } = this.judge(subscription, event);
      outcomes.push(outcome);
      if (verdict.kind === "accept") {
        const { key, dedup } = verdict;
        accepted.add({ event: outcome.delivered, place, key, dedup, outcome });
      }
      const pause = outcomes.length % judgedAtOnce === 0 ? nextTurn() : pace();
      if (pause) await pause;
    }
    return { subscription, slices: accepted.slices };
  }
}
