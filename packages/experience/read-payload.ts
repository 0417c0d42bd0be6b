/// <reference lib="es2024.string" />
import { canonicalCorrelationId, isUlid, ulidTimeMs } from "@signalbox/kernel";
import {
  checkpointCategoryPattern,
  experienceIdPattern,
  featureCategoryPattern,
  typePattern,
} from "./definition-schema.js";
import { cutText, readMeta } from "./meta.js";
import { type CheckpointKind, checkpointKinds, type Outcome, outcomes, type PayloadWarning } from "./payload.js";
import { parseTimestamp } from "./timestamp.js";
import { type Urgency, urgencies } from "./urgency.js";

export interface PayloadOptions {
  /** `relaxed` takes any 8 to 64 letters, digits, `_` and `-` as a correlation id. Default `ulid`. */
  readonly correlationFormat?: "ulid" | "relaxed";
  /** Names that are kept of `meta`. Default: all. */
  readonly metaKeys?: ReadonlySet<string> | undefined;
  /** Value of the header `Idempotency-Key`: another way to give the event id. */
  readonly idempotencyKey?: string | undefined;
}

/** A payload whose fields are what they should be. */
export interface ReadPayload {
  readonly correlationId: string;
  readonly experienceId: string;
  readonly kind: CheckpointKind;
  readonly category: string | undefined;
  readonly type: string;
  readonly featureCategory: string;
  readonly urgency: Urgency;
  readonly clientAtMs: number;
  readonly sentAtMs: number | undefined;
  /** Time in the correlation id, when it was sent as a ULID. */
  readonly ulidTimeMs: number | undefined;
  readonly eventId: string | undefined;
  readonly outcome: Outcome | undefined;
  readonly errorMessage: string | undefined;
  readonly discardReason: string | undefined;
  readonly run: string;
  readonly sequence: number | undefined;
  readonly meta: Readonly<Record<string, string>> | undefined;
  readonly warnings: readonly PayloadWarning[];
}

export type FieldCode =
  | "required"
  | "wrong_type"
  | "invalid_format"
  | "not_in_enum"
  | "too_long"
  | "invalid_timestamp"
  | "contradictory_outcome"
  | "idempotency_key_conflict";

/** What is wrong with one field. Holds nothing of the value. */
export interface FieldFault {
  /** JSON pointer into the payload. */
  readonly pointer: string;
  readonly code: FieldCode;
  readonly message: string;
}

export type PayloadReading =
  | { readonly kind: "valid"; readonly payload: ReadPayload }
  | { readonly kind: "invalid"; readonly faults: readonly FieldFault[] };

const patterns = {
  relaxedCorrelationId: /^[A-Za-z0-9_-]{8,64}$/,
  experienceId: new RegExp(experienceIdPattern),
  category: new RegExp(checkpointCategoryPattern),
  type: new RegExp(typePattern),
  featureCategory: new RegExp(featureCategoryPattern),
  name: /^[A-Za-z0-9_.:-]{1,64}$/,
  discardReason: /^[a-z][a-z0-9_]{0,63}$/,
};

const maxErrorMessage = 1_024;
const maxSequence = 2 ** 31 - 1;
const maxWarnings = 10;
const maxUnreadFaults = 10;

const readFields: ReadonlySet<string> = new Set([
  "correlation_id",
  "covered_experience_id",
  "user_experience_id",
  "checkpoint",
  "checkpoint_category",
  "type",
  "feature_category",
  "urgency",
  "client_timestamp",
  "meta",
  "event_id",
  "error",
  "error_message",
  "outcome",
  "discard_reason",
  "run",
  "sequence",
  "sent_timestamp",
]);

const endingFields = ["error", "error_message", "outcome", "discard_reason"] as const;
const notEnding = { outcome: undefined, errorMessage: undefined, discardReason: undefined };

/** Reads one checkpoint as a producer sent it. Never throws; all faults are told together, in the order of fields. */
export function readPayload(sent: unknown, options: PayloadOptions = {}): PayloadReading {
  if (typeof sent !== "object" || sent === null || Array.isArray(sent))
    return { kind: "invalid", faults: [{ pointer: "", code: "wrong_type", message: "A checkpoint is a JSON object" }] };
  return new Reader(sent, options).read();
}

/** Reads field after field and collects what is wrong. */
class Reader {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #options: PayloadOptions;
  readonly #faults: FieldFault[] = [];
  readonly #warnings: PayloadWarning[] = [];

  constructor(sent: object, options: PayloadOptions) {
    // It is an object of JSON; only its own members are looked at.
    this.#fields = sent as Readonly<Record<string, unknown>>;
    this.#options = options;
  }

  read(): PayloadReading {
    const correlation = this.#correlationId();
    const experienceId = this.#experienceId();
    const kind = this.#choice("checkpoint", checkpointKinds, true);
    const category = this.#text("checkpoint_category", patterns.category);
    const type = this.#text("type", patterns.type, true);
    const featureCategory = this.#text("feature_category", patterns.featureCategory, true);
    const urgency = this.#choice("urgency", urgencies, true);
    const clientAtMs = this.#time("client_timestamp", true);
    const meta = this.#meta();
    const eventId = this.#eventId();
    const ending = this.#ending(kind);
    const run = this.#text("run", patterns.name);
    const sequence = this.#sequence();
    const sentAtMs = this.#time("sent_timestamp");
    this.#unread();
    if (
      this.#faults.length > 0 ||
      correlation === undefined ||
      experienceId === undefined ||
      kind === undefined ||
      type === undefined ||
      featureCategory === undefined ||
      urgency === undefined ||
      clientAtMs === undefined
    )
      return { kind: "invalid", faults: this.#faults };
    // Every field by its name, in one order: spreading parts together takes longer than all the rest.
    const payload: ReadPayload = {
      correlationId: correlation.id,
      experienceId,
      kind,
      category,
      type,
      featureCategory,
      urgency,
      clientAtMs,
      sentAtMs,
      ulidTimeMs: correlation.timeMs,
      eventId,
      outcome: ending.outcome,
      errorMessage: ending.errorMessage,
      discardReason: ending.discardReason,
      run: run ?? "1",
      sequence,
      meta,
      warnings: this.#warnings,
    };
    return { kind: "valid", payload };
  }

  #correlationId(): { readonly id: string; readonly timeMs: number | undefined } | undefined {
    const text = this.#string("correlation_id", true);
    if (text === undefined) return undefined;
    const relaxed = this.#options.correlationFormat === "relaxed";
    const id = canonicalCorrelationId(text);
    if (isUlid(id)) return { id, timeMs: relaxed || text.length !== id.length ? undefined : ulidTimeMs(id) };
    if (relaxed && patterns.relaxedCorrelationId.test(text)) return { id: text, timeMs: undefined };
    return this.#fault("correlation_id", "invalid_format", relaxed ? "is no correlation id" : "is no ULID");
  }

  #experienceId(): string | undefined {
    const hasAlias = this.#given("user_experience_id") !== undefined;
    const id = this.#text("covered_experience_id", patterns.experienceId, !hasAlias);
    const alias = this.#text("user_experience_id", patterns.experienceId);
    if (id !== undefined && alias !== undefined && id !== alias)
      return this.#fault("user_experience_id", "invalid_format", "differs from covered_experience_id");
    return id ?? alias;
  }

  #eventId(): string | undefined {
    const id = this.#text("event_id", patterns.name);
    const header = this.#options.idempotencyKey;
    if (header === undefined) return id;
    if (!patterns.name.test(header))
      return this.#fault("event_id", "invalid_format", "Idempotency-Key has no valid form");
    if (id !== undefined && id !== header)
      return this.#fault("event_id", "idempotency_key_conflict", "differs from the header Idempotency-Key");
    return header;
  }

  /** What only an end says. */
  #ending(kind: CheckpointKind | undefined): Pick<ReadPayload, "outcome" | "errorMessage" | "discardReason"> {
    if (kind !== "end") {
      for (const field of endingFields) this.#ignore(field);
      return notEnding;
    }
    const error = this.#boolean("error");
    const errorMessage = this.#errorMessage();
    const sent = this.#choice("outcome", outcomes);
    const outcome = sent ?? (error ? "error" : "success");
    if (sent !== undefined && error !== undefined && error !== (sent === "error"))
      this.#fault("outcome", "contradictory_outcome", "contradicts error");
    if (outcome !== "discarded") {
      this.#ignore("discard_reason");
      return { outcome, errorMessage, discardReason: undefined };
    }
    return {
      outcome,
      errorMessage,
      discardReason: this.#text("discard_reason", patterns.discardReason) ?? "unspecified",
    };
  }

  #errorMessage(): string | undefined {
    const text = this.#string("error_message");
    if (text === undefined) return undefined;
    const cut = cutText(text, maxErrorMessage);
    if (cut.length < text.length) this.#warnings.push({ code: "error_message_truncated", field: "error_message" });
    return cut.toWellFormed().replace(/\p{Cc}/gu, " ");
  }

  #meta(): Readonly<Record<string, string>> | undefined {
    const value = this.#given("meta");
    if (value === undefined) return undefined;
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return this.#fault("meta", "wrong_type", "must be an object");
    if (hasNul(value)) return this.#fault("meta", "invalid_format", "holds the character U+0000");
    const { meta, truncated } = readMeta(value, this.#options.metaKeys);
    if (truncated) this.#warnings.push({ code: "meta_truncated", field: "meta" });
    return meta;
  }

  #sequence(): number | undefined {
    const value = this.#given("sequence");
    if (value === undefined) return undefined;
    if (typeof value !== "number") return this.#fault("sequence", "wrong_type", "must be an integer");
    if (!Number.isInteger(value) || value < 0 || value > maxSequence)
      return this.#fault("sequence", "invalid_format", `must be an integer from 0 to ${maxSequence}`);
    return value;
  }

  /** What nothing is made of: members that nobody knows, and the time that only the answer has. */
  #unread(): void {
    let faults = 0;
    for (const field of Object.keys(this.#fields)) {
      if (readFields.has(field)) continue;
      if (field.includes("\0") || hasNul(this.#fields[field])) {
        // There may be thousands of them, and the answer stays short.
        if (faults++ < maxUnreadFaults) this.#fault(field, "invalid_format", "holds the character U+0000");
      } else if (field !== "server_timestamp" && this.#warnings.length < maxWarnings)
        this.#warnings.push({ code: "unknown_field", field: cutText(field, 64).toWellFormed() });
    }
  }

  #time(field: string, required = false): number | undefined {
    const text = this.#string(field, required);
    if (text === undefined) return undefined;
    return (
      parseTimestamp(text) ?? this.#fault(field, "invalid_timestamp", "is no RFC 3339 time with seconds and a zone")
    );
  }

  #boolean(field: string): boolean | undefined {
    const value = this.#given(field);
    if (value === undefined || typeof value === "boolean") return value;
    return this.#fault(field, "wrong_type", "must be true or false");
  }

  #choice<Value extends string>(field: string, values: readonly Value[], required = false): Value | undefined {
    const text = this.#string(field, required);
    if (text === undefined) return undefined;
    return (
      values.find((value) => value === text) ?? this.#fault(field, "not_in_enum", `is one of ${values.join(", ")}`)
    );
  }

  #text(field: string, pattern: RegExp, required = false): string | undefined {
    const text = this.#string(field, required);
    if (text === undefined || pattern.test(text)) return text;
    return this.#fault(field, text.length > 64 ? "too_long" : "invalid_format", `must match ${pattern.source}`);
  }

  #string(field: string, required = false): string | undefined {
    const value = this.#given(field);
    if (value === undefined) return required ? this.#fault(field, "required", "is required") : undefined;
    if (typeof value !== "string") return this.#fault(field, "wrong_type", "must be a string");
    if (value.includes("\0")) return this.#fault(field, "invalid_format", "holds the character U+0000");
    return value;
  }

  /** A null is no value. */
  #given(field: string): unknown {
    return Object.hasOwn(this.#fields, field) ? (this.#fields[field] ?? undefined) : undefined;
  }

  #ignore(field: string): void {
    const value = this.#given(field);
    if (value === undefined) return;
    if (hasNul(value)) this.#fault(field, "invalid_format", "holds the character U+0000");
    else this.#warnings.push({ code: "ignored_field", field });
  }

  #fault(field: string, code: FieldCode, message: string): undefined {
    const name = cutText(field, 64).replaceAll("~", "~0").replaceAll("/", "~1");
    this.#faults.push({ pointer: `/${name}`, code, message });
    return undefined;
  }
}

/** Whether any text inside holds U+0000. */
function hasNul(value: unknown): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => key.includes("\0") || hasNul(inner));
}
