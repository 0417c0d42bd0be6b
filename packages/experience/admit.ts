import { hash } from "node:crypto";
import type { Definition } from "./definition.js";
import type { ReadPayload } from "./read-payload.js";
import type { Registry } from "./registry.js";
import { type Anomaly, type Checkpoint, type RunTerms, unregistered } from "./run.js";
import { defaultTimeoutMs, type TimeoutOverrides, thresholdsMs, type Urgency } from "./urgency.js";

export interface AdmitOptions {
  readonly tenant: string;
  readonly producer?: string | undefined;
  /** What the producer sends is recorded and not counted. */
  readonly uncounted?: boolean;
  /** Values of `type` that are labels; others count as `other`. */
  readonly types: ReadonlySet<string>;
  /** Discard reasons that are labels; others count as `other`. */
  readonly discardReasons: ReadonlySet<string>;
  /** What happens to experiences without a definition. */
  readonly unknown: "reject" | "accept";
  readonly timeouts?: TimeoutOverrides;
}

export type Admission =
  | { readonly kind: "admitted"; readonly checkpoint: Checkpoint }
  | { readonly kind: "refused"; readonly code: "unknown_experience" };

/** Judges a payload by the registry: what counts is what the definition says, never what a producer says of it. */
export function admit(payload: ReadPayload, registry: Registry, options: AdmitOptions): Admission {
  const definition = registry.get(payload.experienceId);
  if (!definition && options.unknown === "reject") return { kind: "refused", code: "unknown_experience" };
  const terms = definition ? termsOf(definition) : termsOfUnknown(payload.urgency, options.timeouts);
  const known = options.types.has(payload.type) || (definition?.types.includes(payload.type) ?? false);
  const digest = digestOf(payload);
  const { experienceId, correlationId, run, type, discardReason } = payload;
  // Every field by its name, in the same order: at full rate spreading them would cost as much as the digest.
  const checkpoint: Checkpoint = {
    identity: { tenant: options.tenant, experienceId, correlationId, run },
    eventKey: digest.key,
    digest: digest.content,
    kind: payload.kind,
    category: payload.category,
    type,
    typeLabel: known ? type : "other",
    clientAtMs: payload.clientAtMs,
    sentAtMs: payload.sentAtMs,
    ulidTimeMs: payload.ulidTimeMs,
    sequence: payload.sequence,
    outcome: payload.outcome,
    errorMessage: payload.errorMessage,
    discardReason,
    discardLabel: discardReason && (options.discardReasons.has(discardReason) ? discardReason : "other"),
    meta: payload.meta,
    producer: options.producer,
    uncounted: options.uncounted ? true : undefined,
    anomalies: anomaliesOf(payload, definition, known),
    warnings: payload.warnings,
    terms,
  };
  return { kind: "admitted", checkpoint };
}

function anomaliesOf(payload: ReadPayload, definition: Definition | undefined, typeIsKnown: boolean): Anomaly[] {
  const anomalies: Anomaly[] = [];
  if (!definition) anomalies.push("unknown_experience");
  else if (definition.featureCategory !== payload.featureCategory || definition.urgency !== payload.urgency)
    anomalies.push("definition_mismatch");
  if (!typeIsKnown) anomalies.push("unknown_type");
  return anomalies;
}

const termsByDefinition = new WeakMap<Definition, RunTerms>();

/** What a run keeps of its definition. */
export function termsOf(definition: Definition): RunTerms {
  const kept = termsByDefinition.get(definition);
  if (kept) return kept;
  const { featureCategory, urgency, thresholdMs, timeoutMs, inactivityTimeoutMs, path } = definition;
  const terms: RunTerms = Object.freeze({
    definitionVersion: definition.version,
    experienceLabel: definition.id,
    ...{ featureCategory, urgency, thresholdMs, timeoutMs, inactivityTimeoutMs },
    path: path.length > 0 ? path : undefined,
  });
  termsByDefinition.set(definition, terms);
  return terms;
}

/** Nobody defined it, so the payload's urgency decides how long it may take; `custom` says nothing of that. */
function termsOfUnknown(sent: Urgency, timeouts: TimeoutOverrides = {}): RunTerms {
  const urgency = sent === "custom" ? "async_slow" : sent;
  const thresholdMs = thresholdsMs[urgency];
  return {
    definitionVersion: "",
    experienceLabel: unregistered,
    featureCategory: unregistered,
    urgency: unregistered,
    thresholdMs,
    timeoutMs: defaultTimeoutMs(urgency, thresholdMs, timeouts),
    inactivityTimeoutMs: undefined,
    path: undefined,
  };
}

interface Digest {
  /** Event key: the producer's id of the checkpoint, or one that follows from what it says. */
  readonly key: string;
  /** Short form of everything that two equal checkpoints have in common. */
  readonly content: string;
}

/** Sending times are left out: they differ between repetitions. */
function digestOf(payload: ReadPayload): Digest {
  const { correlationId, experienceId, run, kind, category, type, clientAtMs, outcome } = payload;
  const identity = [correlationId, experienceId, run, kind, category ?? "", type, clientAtMs, outcome ?? ""].join("|");
  if (payload.eventId === undefined) {
    // 128 bits: as many as a ULID has.
    const key = hash("sha256", identity, "base64url").slice(0, 22);
    return { key, content: key.slice(0, 11) };
  }
  const { errorMessage, discardReason, sequence, meta } = payload;
  const rest = JSON.stringify([identity, errorMessage, discardReason, sequence, meta]);
  return { key: payload.eventId, content: hash("sha256", rest, "base64url").slice(0, 11) };
}
