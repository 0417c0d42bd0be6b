import { Ajv, type ValidateFunction } from "ajv";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { define, ruleSettings } from "../testing/rule-settings.js";
import { generateText } from "./index.js";
import type { OpenSloObject } from "./openslo.js";
import { objectName } from "./openslo-names.js";

function objectsOf(...definitions: Parameters<typeof define>[]): OpenSloObject[] {
  const text = generateText(
    "openslo",
    definitions.map((each) => define(...each)),
    ruleSettings,
  );
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter((content) => content !== null);
}

/** What version 1 of OpenSLO asks of the objects that are generated. */
const name = { type: "string", pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$" } as const;
const description = { type: "string", maxLength: 1050 } as const;
const span = { type: "string", pattern: "^[1-9][0-9]*[mhdwMQY]$" } as const;
const metadata = {
  type: "object",
  required: ["name"],
  additionalProperties: false,
  properties: {
    name,
    displayName: { type: "string", minLength: 1, maxLength: 63 },
    labels: {
      type: "object",
      additionalProperties: { type: "string", pattern: "^[a-z0-9A-Z][a-z0-9A-Z._-]*$", minLength: 1, maxLength: 63 },
    },
  },
} as const;
const query = {
  type: "object",
  required: ["metricSource"],
  properties: {
    metricSource: {
      type: "object",
      required: ["type", "spec"],
      properties: {
        type: { const: "Prometheus" },
        spec: { type: "object", required: ["query"], properties: { query: { type: "string", minLength: 1 } } },
      },
    },
  },
} as const;
const reference = (field: string) =>
  ({
    type: "array",
    minItems: 1,
    items: { type: "object", required: [field], additionalProperties: false, properties: { [field]: name } },
  }) as const;
const specs = {
  Service: { type: "object", additionalProperties: false, properties: { description } },
  SLO: {
    type: "object",
    required: ["service", "indicator", "budgetingMethod", "timeWindow", "objectives"],
    additionalProperties: false,
    properties: {
      description,
      service: name,
      indicator: {
        type: "object",
        required: ["metadata", "spec"],
        additionalProperties: false,
        properties: {
          metadata,
          spec: {
            type: "object",
            required: ["ratioMetric"],
            properties: {
              description,
              ratioMetric: {
                type: "object",
                required: ["counter", "good", "total"],
                additionalProperties: false,
                properties: { counter: { const: true }, good: query, total: query },
              },
            },
          },
        },
      },
      timeWindow: {
        type: "array",
        minItems: 1,
        maxItems: 1,
        items: {
          type: "object",
          required: ["duration", "isRolling"],
          properties: { duration: { const: "28d" }, isRolling: { const: true } },
        },
      },
      budgetingMethod: { const: "Occurrences" },
      objectives: {
        type: "array",
        minItems: 1,
        maxItems: 1,
        items: {
          type: "object",
          required: ["target"],
          properties: {
            displayName: { type: "string", minLength: 1 },
            target: { type: "number", minimum: 0, exclusiveMaximum: 1 },
          },
          additionalProperties: false,
        },
      },
      alertPolicies: reference("alertPolicyRef"),
    },
  },
  AlertPolicy: {
    type: "object",
    required: ["alertWhenNoData", "alertWhenBreaching", "alertWhenResolved", "conditions", "notificationTargets"],
    additionalProperties: false,
    properties: {
      description,
      alertWhenNoData: { const: true },
      alertWhenBreaching: { type: "boolean" },
      alertWhenResolved: { type: "boolean" },
      conditions: { ...reference("conditionRef"), maxItems: 1 },
      notificationTargets: reference("targetRef"),
    },
  },
  AlertCondition: {
    type: "object",
    required: ["severity", "condition"],
    additionalProperties: false,
    properties: {
      description,
      severity: { type: "string" },
      condition: {
        type: "object",
        required: ["kind", "op", "threshold", "lookbackWindow", "alertAfter"],
        additionalProperties: false,
        properties: {
          kind: { const: "burnrate" },
          op: { enum: ["gt", "gte"] },
          threshold: { type: "number" },
          lookbackWindow: span,
          alertAfter: span,
        },
      },
    },
  },
  AlertNotificationTarget: {
    type: "object",
    required: ["target"],
    additionalProperties: false,
    properties: { description, target: { type: "string" } },
  },
} as const;

const ajv = new Ajv({ allErrors: true, strict: false });
const validators = new Map<string, ValidateFunction>();

function validatorOf(kind: OpenSloObject["kind"]): ValidateFunction {
  const known = validators.get(kind);
  if (known) return known;
  const made = ajv.compile({
    type: "object",
    required: ["apiVersion", "kind", "metadata", "spec"],
    additionalProperties: false,
    properties: { apiVersion: { const: "openslo/v1" }, kind: { const: kind }, metadata, spec: specs[kind] },
  });
  validators.set(kind, made);
  return made;
}

function faultsOf(object: OpenSloObject): unknown[] {
  const validate = validatorOf(object.kind);
  return validate(object) ? [] : [object, validate.errors];
}

test("XP-657 each definition is a service with two objectives and an alert policy for each burn rate", () => {
  const objects = objectsOf(["pay", { slo: { error_pct: 0.5, apdex_pct: 99 } }]);
  const named = (kind: OpenSloObject["kind"]): string[] =>
    objects.flatMap((object) => (object.kind === kind ? [object.metadata.name] : []));
  expect(named("Service")).toEqual(["pay"]);
  expect(named("SLO")).toEqual(["pay-errors", "pay-apdex"]);
  const alerts = ["page-1h", "page-6h", "ticket-1d", "ticket-3d"];
  const policies = ["errors", "apdex"].flatMap((kind) => alerts.map((alert) => `pay-${kind}-${alert}`));
  expect(named("AlertPolicy")).toEqual(policies);
  expect(named("AlertCondition")).toEqual(policies);
  const find = (wanted: string) => objects.find(({ metadata: { name } }) => name === wanted);
  expect(find("pay-errors")).toMatchObject({
    metadata: { labels: { covered_experience_id: "pay", feature_category: "code_review", urgency: "sync_fast" } },
    spec: {
      service: "pay",
      objectives: [{ target: 0.995 }],
      indicator: {
        spec: {
          ratioMetric: {
            good: {
              metricSource: {
                spec: { query: 'sum(gitlab_covered_experience_total{covered_experience_id="pay",error="false"})' },
              },
            },
          },
        },
      },
    },
  });
  expect(find("pay-apdex")).toMatchObject({ spec: { objectives: [{ target: 0.99 }] } });
  const conditions = objects.filter(({ kind }) => kind === "AlertCondition").slice(0, 4);
  expect(conditions.map(({ spec }) => Object(spec).condition)).toEqual([
    { kind: "burnrate", op: "gt", threshold: 13.44, lookbackWindow: "1h", alertAfter: "2m" },
    { kind: "burnrate", op: "gt", threshold: 5.6, lookbackWindow: "6h", alertAfter: "2m" },
    { kind: "burnrate", op: "gt", threshold: 2.8, lookbackWindow: "1d", alertAfter: "15m" },
    { kind: "burnrate", op: "gt", threshold: 0.9333, lookbackWindow: "3d", alertAfter: "15m" },
  ]);
});

test("XP-657 every object has the form of OpenSLO, whatever the definitions are called and say", () => {
  const objects = objectsOf(
    ["pay"],
    ["create_merge_request_"],
    ["z".repeat(64), { description: "x".repeat(1000), feature_category: "f".repeat(64) }],
    ["yes", { description: "--- # not: a document\n...\u0000 {{ }}", slo: { error_pct: 1e-15, apdex_pct: 1e-9 } }],
    ["quiet", { alerts: { enabled: false }, slo: { error_pct: 99.99 } }],
  );
  expect(objects.length).toBeGreaterThan(50);
  expect(objects.flatMap(faultsOf)).toEqual([]);
  expect(objects.filter(({ metadata: { name } }) => name.startsWith("quiet")).map(({ kind }) => kind)).toEqual([
    "Service",
    "SLO",
    "SLO",
  ]);
});

test("XP-657 every name is given once, and every reference leads to an object", () => {
  const objects = objectsOf(["pay"], ["pay_errors"], ["a_b"], ["a__b"], ["x".repeat(64)], [`${"x".repeat(63)}_`]);
  const keys = objects.map(({ kind, metadata: { name } }) => `${kind} ${name}`);
  expect(new Set(keys).size).toBe(keys.length);
  const known = new Set(keys);
  const lead = (kind: string, names: readonly unknown[]) => names.map((each) => `${kind} ${each}`);
  for (const { kind, spec } of objects) {
    const { service, alertPolicies = [], conditions = [], notificationTargets = [] } = Object(spec);
    const references = [
      ...(kind === "SLO" ? lead("Service", [service]) : []),
      ...lead(
        "AlertPolicy",
        alertPolicies.map((each: { alertPolicyRef: string }) => each.alertPolicyRef),
      ),
      ...lead(
        "AlertCondition",
        conditions.map((each: { conditionRef: string }) => each.conditionRef),
      ),
      ...lead(
        "AlertNotificationTarget",
        notificationTargets.map((each: { targetRef: string }) => each.targetRef),
      ),
    ];
    expect(references.filter((each) => !known.has(each))).toEqual([]);
  }
});

test("XP-657 a name leads back to its id, or has a hash where it cannot", () => {
  const id = fc.stringMatching(/^[a-z][a-z0-9_]{0,63}$/);
  fc.assert(
    fc.property(id, fc.constantFrom(undefined, "errors", "apdex-ticket-3d"), (experience, kind) => {
      const made = objectName(experience, kind);
      expect(made).toMatch(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/);
      const suffix = kind === undefined ? "" : `-${kind}`;
      expect(made.endsWith(suffix)).toBe(true);
      const back = made.slice(0, made.length - suffix.length).replaceAll("-", "_");
      const fits = experience.length + suffix.length <= 63 && (kind !== undefined || !experience.endsWith("_"));
      expect(back === experience).toBe(fits);
    }),
  );
});
