import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { definitionSchema, experienceIdPattern } from "./definition-schema.js";
import { definitionVersion } from "./definition-version.js";
import { defaultTimeoutMs, type TimeoutOverrides, thresholdsMs, type Urgency } from "./urgency.js";

/** What one kind of journey promises. Immutable; everything optional is filled in. */
export interface Definition {
  readonly id: string;
  /** First 12 hex digits of SHA-256 over the canonical content; changes exactly when the content does. */
  readonly version: string;
  readonly description: string;
  readonly featureCategory: string;
  readonly urgency: Urgency;
  /** A successful run up to this long satisfies. */
  readonly thresholdMs: number;
  /** A run older than this has failed. */
  readonly timeoutMs: number;
  /** A run without a checkpoint for this long has failed. */
  readonly inactivityTimeoutMs: number | undefined;
  readonly slo: { readonly apdexPct: number; readonly errorPct: number };
  /** Values of `type` that take part; empty: all that are configured. */
  readonly types: readonly string[];
  readonly checkpointCategories: readonly string[];
  readonly alerts: DefinitionAlerts;
  readonly path: readonly PathStep[];
}

export interface DefinitionAlerts {
  readonly enabled: boolean;
  readonly minEvents: number;
  readonly minFailures: number;
  readonly expectTrafficWithinS: number | undefined;
}

export interface PathStep {
  readonly category: string;
  readonly optional: boolean;
  readonly maxGapMs: number | undefined;
}

/** What is wrong with a definition, or odd about it. `field` is empty when it concerns the whole file. */
export interface DefinitionFault {
  readonly field: string;
  readonly message: string;
}

export type DefinitionReading =
  | { readonly kind: "valid"; readonly definition: Definition; readonly warnings: readonly DefinitionFault[] }
  | {
      readonly kind: "invalid";
      readonly errors: readonly DefinitionFault[];
      readonly warnings: readonly DefinitionFault[];
    };

export interface DefinitionOptions {
  /** Timeouts for definitions that have none of their own. */
  readonly timeouts?: TimeoutOverrides;
  /** When given, a category outside of it is an error. */
  readonly featureCategories?: ReadonlySet<string> | undefined;
  /** Whether an unknown top-level key is an error. Default: a warning. */
  readonly strict?: boolean;
}

/** Ids that begin like this are the product's own. */
export const reservedIdPrefix = "signalbox_";

export function isExperienceId(text: string): boolean {
  return idPattern.test(text);
}

const idPattern = new RegExp(experienceIdPattern);

/** Reads the content of one definition. Never throws, whatever `content` is. */
export function parseDefinition(id: string, content: unknown, options: DefinitionOptions = {}): DefinitionReading {
  const warnings = unknownKeys(content);
  const errors = [
    ...idFaults(id),
    ...schemaFaults(content),
    ...(options.strict ? warnings.map(({ field }) => ({ field, message: "is not a known key" })) : []),
  ];
  if (errors.length > 0 || !isContent(content)) return { kind: "invalid", errors, warnings };
  const definition = definitionOf(id, content, options);
  const contradictions = contradictionsIn(definition, options);
  if (contradictions.length > 0) return { kind: "invalid", errors: contradictions, warnings };
  return { kind: "valid", definition, warnings };
}

/** A definition file's content after the schema accepted it. */
interface DefinitionContent {
  readonly description: string;
  readonly feature_category: string;
  readonly urgency: Urgency;
  readonly apdex_threshold_s?: number;
  readonly timeout_s?: number;
  readonly inactivity_timeout_s?: number;
  readonly slo?: { readonly apdex_pct?: number; readonly error_pct?: number };
  readonly types?: readonly string[];
  readonly checkpoint_categories?: readonly string[];
  readonly alerts?: {
    readonly enabled?: boolean;
    readonly min_events?: number;
    readonly min_failures?: number;
    readonly expect_traffic_within_s?: number;
  };
  readonly path?: readonly { readonly category: string; readonly optional?: boolean; readonly max_gap_s?: number }[];
}

let validator: ValidateFunction<DefinitionContent> | undefined;

function isContent(content: unknown): content is DefinitionContent {
  // Compiled at the first use: an application that never reads a definition pays nothing.
  validator ??= new Ajv({ allErrors: true, strictTypes: false, strictRequired: false }).compile<DefinitionContent>(
    definitionSchema,
  );
  return validator(content);
}

function schemaFaults(content: unknown): DefinitionFault[] {
  if (isContent(content)) return [];
  // `if` only says that `then` or `else` failed, which have their own entries.
  return (validator?.errors ?? []).filter(({ keyword }) => keyword !== "if").map(toFault);
}

function toFault(error: ErrorObject): DefinitionFault {
  const place = error.instancePath.slice(1).replaceAll("/", ".");
  const within = (name: unknown): string => (place === "" ? String(name) : `${place}.${String(name)}`);
  switch (error.keyword) {
    case "required":
      return { field: within(error.params["missingProperty"]), message: "is required" };
    case "additionalProperties":
      return { field: within(error.params["additionalProperty"]), message: "is not a known key" };
    case "enum":
      return { field: place, message: `is not one of ${String(error.params["allowedValues"])}` };
    case "false schema":
      return { field: place, message: "is only allowed with urgency custom" };
    default:
      return { field: place, message: error.message ?? "is invalid" };
  }
}

function idFaults(id: string): DefinitionFault[] {
  if (!isExperienceId(id))
    return [{ field: "", message: `The file's base name must match ${experienceIdPattern} to be an id` }];
  return [];
}

function unknownKeys(content: unknown): DefinitionFault[] {
  if (typeof content !== "object" || content === null || Array.isArray(content)) return [];
  return Object.keys(content)
    .filter((key) => !Object.hasOwn(definitionSchema.properties, key))
    .map((field) => ({ field, message: "is not a known key and is ignored" }));
}

function definitionOf(id: string, content: DefinitionContent, options: DefinitionOptions): Definition {
  const thresholdMs =
    content.urgency === "custom" ? toMs(content.apdex_threshold_s ?? 0) : thresholdsMs[content.urgency];
  const definition = {
    id,
    description: content.description,
    featureCategory: content.feature_category,
    urgency: content.urgency,
    thresholdMs,
    timeoutMs:
      content.timeout_s === undefined
        ? defaultTimeoutMs(content.urgency, thresholdMs, options.timeouts)
        : toMs(content.timeout_s),
    inactivityTimeoutMs: content.inactivity_timeout_s === undefined ? undefined : toMs(content.inactivity_timeout_s),
    slo: { apdexPct: content.slo?.apdex_pct ?? 99.95, errorPct: content.slo?.error_pct ?? 0.05 },
    types: content.types ?? [],
    checkpointCategories: content.checkpoint_categories ?? [],
    alerts: {
      enabled: content.alerts?.enabled ?? true,
      minEvents: content.alerts?.min_events ?? 10,
      minFailures: content.alerts?.min_failures ?? 3,
      expectTrafficWithinS: content.alerts?.expect_traffic_within_s,
    },
    path: (content.path ?? []).map((step) => ({
      category: step.category,
      optional: step.optional ?? false,
      maxGapMs: step.max_gap_s === undefined ? undefined : toMs(step.max_gap_s),
    })),
  };
  return deepFreeze({ ...definition, version: definitionVersion(definition) });
}

/** What no schema can say: one value against another. */
function contradictionsIn(definition: Definition, options: DefinitionOptions): DefinitionFault[] {
  const faults: DefinitionFault[] = [];
  const { thresholdMs, timeoutMs, inactivityTimeoutMs, featureCategory } = definition;
  if (timeoutMs < thresholdMs)
    faults.push({ field: "timeout_s", message: `must be at least the threshold, ${thresholdMs / 1000} s` });
  if (inactivityTimeoutMs !== undefined && inactivityTimeoutMs > timeoutMs)
    faults.push({ field: "inactivity_timeout_s", message: `must be at most the timeout, ${timeoutMs / 1000} s` });
  if (options.featureCategories && !options.featureCategories.has(featureCategory))
    faults.push({ field: "feature_category", message: "is not in the list of feature categories" });
  const categories = definition.path.map(({ category }) => category);
  for (const [index, category] of categories.entries())
    if (categories.indexOf(category) < index)
      faults.push({ field: `path.${index}.category`, message: "is a step of the path already" });
  return faults;
}

/** Microseconds are kept: 1.005 s are 1,005 ms and not a little less. */
function toMs(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e3;
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === "object" && inner !== null) deepFreeze(inner);
  return Object.freeze(value);
}
