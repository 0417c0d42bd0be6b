import type { Definition } from "@signalbox/experience";
import type { Figures } from "../sli.js";
import { budgetsOf } from "./budgets.js";
import { type BurnLevel, burnLevels, possibleBurnRates, thresholdOf, type Window } from "./windows.js";

/** How fast a budget is spent, by each pair of windows that an alert looks at. */
export interface BurnState {
  readonly budget: "error" | "apdex";
  /** The share that may be bad. */
  readonly allowed: number;
  /** The gravest level whose condition holds. An alert is raised once it has held for as long as the level says. */
  readonly burning: BurnLevel["severity"] | null;
  /** Those that no share could ever raise are left out, as they are in the rules. */
  readonly pairs: readonly BurnPair[];
}

export interface BurnPair {
  readonly severity: BurnLevel["severity"];
  /** How long it has to hold: `2m`. */
  readonly for: string;
  readonly factor: number;
  readonly long: BurnWindow;
  readonly short: BurnWindow;
  readonly isBurning: boolean;
}

export interface BurnWindow {
  readonly name: string;
  readonly events: number;
  readonly bad: number;
  /** How many times as fast as it may be; null when nothing happened. */
  readonly burnRate: number | null;
}

/**
 * Judges what the conditions of the generated burn alerts say, by counts instead of rates.
 * @param figuresOf what happened within a window until now
 */
export function burnStates(definition: Definition, figuresOf: (window: Window) => Figures): readonly BurnState[] {
  const { error, apdex } = budgetsOf(definition);
  return [
    burnState("error", error, definition, (window) => {
      const { operations, errors } = figuresOf(window);
      return { events: operations, bad: errors };
    }),
    burnState("apdex", apdex, definition, (window) => {
      const { apdexWeight, apdexSuccess } = figuresOf(window);
      return { events: apdexWeight, bad: apdexWeight - apdexSuccess };
    }),
  ];
}

function burnState(
  budget: BurnState["budget"],
  allowed: number,
  { alerts }: Definition,
  countsOf: (window: Window) => Pick<BurnWindow, "events" | "bad">,
): BurnState {
  const windowOf = (window: Window): BurnWindow => {
    const { events, bad } = countsOf(window);
    return { name: window.name, events, bad, burnRate: events === 0 ? null : bad / events / allowed };
  };
  const pairs = burnLevels.flatMap((level) =>
    possibleBurnRates(level, allowed).map((burnRate): BurnPair => {
      const { severity, for: duration } = level;
      const [long, short] = [windowOf(burnRate.long), windowOf(burnRate.short)];
      const threshold = thresholdOf(burnRate, allowed);
      const isBurning =
        [long, short].every(({ events, bad }) => events > 0 && bad / events > threshold) &&
        long.events >= alerts.minEvents &&
        long.bad >= alerts.minFailures;
      return { severity, for: duration, factor: burnRate.factor, long, short, isBurning };
    }),
  );
  return { budget, allowed, burning: pairs.find(({ isBurning }) => isBurning)?.severity ?? null, pairs };
}
