import type { Definition } from "@signalbox/experience";
import { stringify } from "yaml";
import { type Budgets, budgetsOf } from "./budgets.js";
import { fitsLabel, objectName } from "./openslo-names.js";
import { yamlStyle } from "./rule.js";
import { measured, type SeriesNames, seriesNames } from "./series.js";
import type { RuleSettings } from "./settings.js";
import { oneLine, plainNumber, rounded } from "./text.js";
import { type BurnLevel, type BurnRate, budgetDays, burnLevels } from "./windows.js";

/** An object of OpenSLO, version 1. */
export interface OpenSloObject {
  readonly apiVersion: "openslo/v1";
  readonly kind: "Service" | "SLO" | "AlertPolicy" | "AlertCondition" | "AlertNotificationTarget";
  readonly metadata: { readonly name: string; readonly displayName?: string; readonly labels?: Labels };
  readonly spec: object;
}

type Labels = Readonly<Record<string, string>>;

/** The objectives as OpenSLO, a document for each object, in pieces that together are the text. */
export function* openSlo(definitions: readonly Definition[], settings: RuleSettings): Generator<string> {
  const names = seriesNames(settings.metricPrefix);
  yield "# Objectives of covered experiences, generated from their definitions: change those, not this file.\n";
  for (const { severity } of burnLevels) yield documentText(notificationTarget(severity));
  for (const definition of measured(definitions))
    for (const object of objectsOf(names, definition)) yield documentText(object);
}

function documentText(object: OpenSloObject): string {
  return `---\n${stringify(object, yamlStyle)}`;
}

function targetName(severity: BurnLevel["severity"]): string {
  return `signalbox-${severity}`;
}

/** Who is told is not for the definitions to say; tools that send alerts replace these. */
function notificationTarget(severity: BurnLevel["severity"]): OpenSloObject {
  return {
    apiVersion: "openslo/v1",
    kind: "AlertNotificationTarget",
    metadata: { name: targetName(severity) },
    spec: {
      description:
        severity === "page" ? "Whoever is on call, at once." : "Whoever owns the experience, by working day.",
      target: severity,
    },
  };
}

function objectsOf(names: SeriesNames, definition: Definition): OpenSloObject[] {
  const { id, featureCategory, urgency } = definition;
  const labels: Labels = {
    ...(fitsLabel(id) ? { [names.idLabel]: id } : {}),
    ...(fitsLabel(featureCategory) ? { feature_category: featureCategory } : {}),
    urgency,
  };
  const service: OpenSloObject = {
    apiVersion: "openslo/v1",
    kind: "Service",
    metadata: { name: objectName(id), displayName: oneLine(id, 63), labels },
    spec: { description: oneLine(definition.description) },
  };
  return [service, ...objectives(names, definition).flatMap((objective) => withAlerts(definition, objective, labels))];
}

interface Objective {
  /** Part of the names of everything that belongs to it. */
  readonly kind: "errors" | "apdex";
  readonly title: string;
  readonly description: string;
  readonly budget: number;
  readonly good: string;
  readonly total: string;
}

function objectives({ idLabel, total, apdex }: SeriesNames, definition: Definition): Objective[] {
  const budgets: Budgets = budgetsOf(definition);
  const { id, thresholdMs } = definition;
  const sum = (counter: string, ...more: string[]): string =>
    `sum(${counter}{${[`${idLabel}="${id}"`, ...more].join(",")}})`;
  return [
    {
      kind: "errors",
      title: "runs without an error",
      description: `Runs of ${id} that end without an error, of all that end or time out.`,
      budget: budgets.error,
      good: sum(total, 'error="false"'),
      total: sum(total),
    },
    {
      kind: "apdex",
      title: "runs in time",
      description: `Runs of ${id} that take at most ${plainNumber(thresholdMs / 1000)} s, of all that succeed.`,
      budget: budgets.apdex,
      good: sum(apdex, 'success="true"'),
      total: sum(apdex),
    },
  ];
}

function withAlerts({ id, alerts }: Definition, objective: Objective, labels: Labels): OpenSloObject[] {
  const { kind, title, description, budget, good, total } = objective;
  const prometheus = (query: string) => ({ metricSource: { type: "Prometheus", spec: { query } } });
  const policies = alerts.enabled ? alertObjects(id, objective, labels) : [];
  const slo: OpenSloObject = {
    apiVersion: "openslo/v1",
    kind: "SLO",
    metadata: { name: objectName(id, kind), displayName: oneLine(`${id}: ${title}`, 63), labels },
    spec: {
      description,
      service: objectName(id),
      indicator: {
        metadata: { name: objectName(id, `${kind}-ratio`), labels },
        spec: { description, ratioMetric: { counter: true, good: prometheus(good), total: prometheus(total) } },
      },
      timeWindow: [{ duration: `${budgetDays}d`, isRolling: true }],
      budgetingMethod: "Occurrences",
      objectives: [{ displayName: title, target: Math.min(maxTarget, rounded(1 - budget)) }],
      ...(policies.length === 0
        ? {}
        : {
            alertPolicies: policies
              .filter((object) => object.kind === "AlertPolicy")
              .map(({ metadata }) => ({ alertPolicyRef: metadata.name })),
          }),
    },
  };
  return [slo, ...policies];
}

/** A target of 1 allows nothing and is refused. */
const maxTarget = 0.999999999999;

/** A policy has one condition, and a condition one window: the long one, since the short one only ends alerts sooner. */
function alertObjects(id: string, objective: Objective, labels: Labels): OpenSloObject[] {
  return burnLevels.flatMap((level) =>
    level.burnRates
      .filter(({ factor }) => factor * objective.budget < 1)
      .flatMap((burnRate) => [
        alertPolicy(id, objective, level, burnRate, labels),
        alertCondition(id, objective, level, burnRate, labels),
      ]),
  );
}

function conditionName(id: string, { kind }: Objective, { severity }: BurnLevel, { long }: BurnRate): string {
  return objectName(id, `${kind}-${severity}-${long.name}`);
}

function alertPolicy(id: string, objective: Objective, level: BurnLevel, burnRate: BurnRate, labels: Labels) {
  return {
    apiVersion: "openslo/v1",
    kind: "AlertPolicy",
    metadata: { name: conditionName(id, objective, level, burnRate), labels },
    spec: {
      description: `${level.severity === "page" ? "Calls somebody" : "Opens a ticket"} when the budget for ${objective.title} of ${id} is spent too fast, or nothing is known.`,
      alertWhenNoData: true,
      alertWhenBreaching: true,
      alertWhenResolved: false,
      conditions: [{ conditionRef: conditionName(id, objective, level, burnRate) }],
      notificationTargets: [{ targetRef: targetName(level.severity) }],
    },
  } satisfies OpenSloObject;
}

function alertCondition(id: string, objective: Objective, level: BurnLevel, burnRate: BurnRate, labels: Labels) {
  const { factor, long } = burnRate;
  return {
    apiVersion: "openslo/v1",
    kind: "AlertCondition",
    metadata: { name: conditionName(id, objective, level, burnRate), labels },
    spec: {
      description: `The budget for ${objective.title} of ${id} is spent more than ${plainNumber(factor)} times as fast as it may be.`,
      severity: level.severity,
      condition: {
        kind: "burnrate",
        op: "gt",
        threshold: factor,
        lookbackWindow: long.name,
        alertAfter: level.for,
      },
    },
  } satisfies OpenSloObject;
}
