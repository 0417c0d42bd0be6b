import { errorCode, errorMessage, SignalboxError } from "./errors.js";
import { maskCredentials } from "./mask-credentials.js";

/** What belongs to the line itself; a field of that name is written as `data.<name>`. */
const lineFields = new Set(["time", "level", "msg", "component"]);

const alwaysRedacted = [
  ...["password", "passphrase", "passwd", "secret", "token", "authorization", "cookie", "credentials", "dsn"],
  ...["api_key", "access_key", "private_key", "signing_key", "sentry_key", "sentry_auth"],
];

const redacted = "[redacted]";
const deepestLevel = 6;
const longestText = 8192;
const mostItems = 100;
const mostCauses = 5;
/** Names of fields come from the code, so their number is small; the bound guards against one that does not. */
const mostNames = 2000;

type JsonType = "string" | "number" | "boolean" | "list" | "map";

/** Adds to a log line what the caller passed, as it may be written. */
export type FieldPreparer = (fields: Readonly<Record<string, unknown>>, line: Record<string, unknown>) => void;

/** What follows from the name of a field alone. */
interface NameRule {
  readonly plainName: string;
  readonly isRedacted: boolean;
  readonly type: JsonType | undefined;
}

/**
 * Redacts by name at any depth, shortens what is too long, serialises errors, and keeps each field at one JSON type:
 * by its ending (`_id` text; `_s`, `_ms`, `_bytes` numbers), else by the first value seen. A value of another type is
 * written under the name with its type appended, so that log stores never see a clash.
 */
export function createFieldPreparer(redact: readonly string[]): FieldPreparer {
  const isRedacted = createNameTest([...alwaysRedacted, ...redact]);
  const knownTypes = new Map<string, JsonType>();

  const clean = (value: unknown, depth: number): unknown => {
    if (typeof value === "string") return cleanText(value);
    if (typeof value === "bigint") return value.toString();
    // Nothing that JSON has; as `toJSON` of a line, it would even be called.
    if (typeof value === "function" || typeof value === "symbol") return undefined;
    if (typeof value !== "object" || value === null) return value;
    if (depth >= deepestLevel) return "[too deep]";
    if (Array.isArray(value)) return value.slice(0, mostItems).map((item: unknown) => clean(item, depth + 1));
    if (value instanceof Error) return describeError(value, depth);
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if ("toJSON" in value && typeof value.toJSON === "function") return clean(value.toJSON(), depth + 1);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor.name}]`;
    return cleanEntries(value, depth + 1);
  };

  const cleanEntries = (value: object, depth: number): Record<string, unknown> => {
    const entries = Object.entries(value).map(([name, inner]) => [
      name,
      isRedacted(name) && inner !== undefined && inner !== null ? redacted : clean(inner, depth),
    ]);
    return Object.fromEntries(entries);
  };

  const describeError = (error: unknown, depth: number, causes = 0): Record<string, unknown> => {
    if (!(error instanceof Error)) return { class: typeof error, message: cleanText(errorMessage(error)) };
    const inner: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
    const below = causes < mostCauses;
    return {
      class: error.name,
      code: errorCode(error),
      message: cleanText(error.message),
      stack: error.stack === undefined ? undefined : cleanText(error.stack),
      details: hasDetails(error) ? cleanEntries(error.details, depth + 1) : undefined,
      cause: error.cause === undefined || !below ? undefined : describeError(error.cause, depth, causes + 1),
      errors:
        inner.length === 0 || !below ? undefined : inner.slice(0, 10).map((e) => describeError(e, depth, causes + 1)),
    };
  };

  const typedName = (name: string, value: unknown, byEnding: JsonType | undefined): string => {
    const type = jsonTypeOf(value);
    const known = byEnding ?? knownTypes.get(name);
    if (known === undefined && knownTypes.size < mostNames) knownTypes.set(name, type);
    return known === undefined || known === type ? name : `${name}_${type}`;
  };

  const rules = new Map<string, NameRule>();
  const ruleOf = (name: string): NameRule => {
    const known = rules.get(name);
    if (known) return known;
    const plainName = lineFields.has(name) ? `data.${name}` : name;
    const rule = { plainName, isRedacted: isRedacted(name), type: typeByEnding(name) };
    if (rules.size < mostNames) rules.set(name, rule);
    return rule;
  };

  return (fields, line) => {
    for (const name of Object.keys(fields)) {
      const raw = fields[name];
      if (raw === undefined || raw === null) continue;
      const rule = ruleOf(name);
      let value = name === "error" ? describeError(raw, 0) : rule.isRedacted ? redacted : clean(raw, 0);
      if (typeof value === "number" && rule.type === "string") value = String(value);
      if (value !== undefined && value !== null)
        line[value === redacted ? rule.plainName : typedName(rule.plainName, value, rule.type)] = value;
    }
  };
}

function hasDetails(error: Error): error is SignalboxError {
  return error instanceof SignalboxError && Object.keys(error.details).length > 0;
}

function typeByEnding(name: string): JsonType | undefined {
  if (name.endsWith("_id")) return "string";
  return /_(s|ms|bytes)$/.test(name) ? "number" : undefined;
}

function jsonTypeOf(value: unknown): JsonType {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return typeof value as JsonType;
  }
  return Array.isArray(value) ? "list" : "map";
}

function cleanText(text: string): string {
  const short = text.length > longestText ? `${text.slice(0, longestText)}…` : text;
  return short.includes("://") ? maskCredentials(short) : short;
}

/** Whether a field's name is, or ends with, one of `names`; `clientSecret` and `Client-Secret` are `client_secret`. */
function createNameTest(names: readonly string[]): (name: string) => boolean {
  const normal = (name: string): string =>
    name
      .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
      .replaceAll(/[-.]/g, "_")
      .toLowerCase();
  const wanted = [...new Set(names.map(normal))];
  const answers = new Map<string, boolean>();
  return (name) => {
    const known = answers.get(name);
    if (known !== undefined) return known;
    const asked = normal(name);
    const answer = wanted.some((word) => asked === word || asked.endsWith(`_${word}`));
    if (answers.size < mostNames) answers.set(name, answer);
    return answer;
  };
}
