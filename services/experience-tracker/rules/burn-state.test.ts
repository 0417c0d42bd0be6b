import type { Definition } from "@signalbox/experience";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { type Figures, noFigures } from "../sli.js";
import { define, ruleSettings } from "../testing/rule-settings.js";
import { burnStates } from "./burn-state.js";
import { generateTextOf } from "./generate.js";

/** The same in every window, unless another is given by its name. */
function stateOf(definition: Definition, usual: Partial<Figures>, others: Record<string, Partial<Figures>> = {}) {
  const [error, apdex] = burnStates(definition, ({ name }) => ({ ...noFigures, ...usual, ...others[name] }));
  if (!error || !apdex) throw new Error("There are two budgets.");
  return { error, apdex };
}

const onePercent = define("pay", { slo: { error_pct: 1, apdex_pct: 99 } });

test("UI-041 pairs, factors and limits are those of the generated alerts", () => {
  for (const errorPct of [0.1, 1, 10, 40]) {
    const definition = define("pay", { slo: { error_pct: errorPct } });
    const { groups }: { groups: { rules: { alert?: string; expr: string; for: string }[] }[] } = parse(
      generateTextOf("pay", [definition], ruleSettings) ?? "",
    );
    const alerts = groups.flatMap(({ rules }) => rules);
    const { error } = stateOf(definition, {});
    const generated = ["Page", "Ticket"].flatMap((level) => {
      const rule = alerts.find(({ alert }) => alert === `CoveredExperienceErrorBudgetBurn${level}`);
      const conditions = [...(rule?.expr ?? "").matchAll(/error:ratio_(\w+)\{[^}]*\} > ([\d.e-]+)/g)];
      return conditions.map(([, window, limit]) => [level.toLowerCase(), rule?.for, window, Number(limit)]);
    });
    const judged = error.pairs.flatMap(({ severity, for: lasting, factor, long, short }) =>
      [long, short].map(({ name }) => [severity, lasting, name, Number((factor * (errorPct / 100)).toPrecision(12))]),
    );
    expect(judged).toEqual(generated);
  }
});

test("UI-041 a budget burns when both windows are beyond the limit, with enough runs and enough bad ones", () => {
  const fast = { operations: 100, errors: 20 };
  expect(stateOf(onePercent, fast).error.burning).toBe("page");
  expect(stateOf(onePercent, {}).error.burning).toBeNull();
  // It was so, and is over.
  expect(stateOf(onePercent, fast, { "5m": { errors: 0 }, "30m": { errors: 0 } }).error.burning).toBe("ticket");
  // 13.44 % is not more than 13.44 %.
  const limit = { operations: 10_000, errors: 1_344 };
  const slower = { operations: 10_000, errors: 0 };
  const others = { "30m": slower, "2h": slower, "6h": slower, "1d": slower, "3d": slower };
  expect(stateOf(onePercent, limit, others).error.burning).toBeNull();
  expect(stateOf(onePercent, { ...limit, errors: 1_345 }, others).error.burning).toBe("page");
  // Ten runs and three bad ones, unless the definition says otherwise.
  expect(stateOf(onePercent, { operations: 9, errors: 9 }).error.burning).toBeNull();
  expect(stateOf(onePercent, { operations: 10, errors: 2 }).error.burning).toBeNull();
  expect(stateOf(onePercent, { operations: 10, errors: 3 }).error.burning).toBe("page");
});

test("UI-041 slow runs burn the other budget, and a window without traffic has no rate", () => {
  const slow = { operations: 100, errors: 0, apdexWeight: 100, apdexSuccess: 50 };
  const { error, apdex } = stateOf(onePercent, slow, { "5m": noFigures });
  expect([error.burning, apdex.burning]).toEqual([null, "page"]);
  expect(apdex.pairs[0]).toMatchObject({
    isBurning: false,
    long: { name: "1h", events: 100, bad: 50, burnRate: 50 },
    short: { name: "5m", events: 0, bad: 0, burnRate: null },
  });
  expect(apdex.pairs[1]).toMatchObject({ isBurning: true, factor: 5.6 });
});
