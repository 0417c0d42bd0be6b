/// <reference lib="es2024.string" />
import { reservedNames } from "./payload.js";

/** Names of GitLab's logging context, which are kept first when there is not room for all. */
const wellKnown: ReadonlySet<string> = new Set([
  "user",
  "user_id",
  "project",
  "root_namespace",
  "client_id",
  "caller_id",
  "remote_ip",
  "job_id",
  "pipeline_id",
  "related_class",
  "feature_category",
  "root_caller_id",
  "organization_id",
  "subscription_plan",
  "artifact_size",
]);

const keyPattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
const unsafeKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

const limits = { keys: 64, bytes: 8_192, valueLength: 1_024 };

export interface MetaReading {
  /** `undefined` when nothing is left. */
  readonly meta: Readonly<Record<string, string>> | undefined;
  /** Whether something was cut or left out for its size. */
  readonly truncated: boolean;
}

/** Turns what a producer sent into a flat, bounded map of strings. `allowed`: names that are kept; default all. */
export function readMeta(sent: object, allowed?: ReadonlySet<string>): MetaReading {
  const entries: [string, string][] = [];
  let truncated = false;
  for (const [name, value] of Object.entries(sent)) {
    const key = name.startsWith("meta.") ? name.slice("meta.".length) : name;
    if (!isAllowed(key, allowed)) continue;
    const text = textOf(value);
    if (text === undefined) continue;
    const cut = cutText(text, limits.valueLength);
    truncated ||= cut.length < text.length;
    entries.push([key, cut]);
  }
  const kept = fitting(entries);
  truncated ||= kept.length < entries.length;
  return { meta: kept.length === 0 ? undefined : Object.fromEntries(kept), truncated };
}

function isAllowed(key: string, allowed: ReadonlySet<string> | undefined): boolean {
  if (!keyPattern.test(key) || unsafeKeys.has(key)) return false;
  if (reservedNames.has(key) && key !== "feature_category") return false;
  return allowed?.has(key) ?? true;
}

function textOf(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return (typeof value === "object" ? JSON.stringify(value) : String(value)).toWellFormed();
}

/** Without splitting a character that takes two units. */
export function cutText(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const last = text.charCodeAt(maxLength - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxLength - 1 : maxLength);
}

/** As many as there is room for: the well-known ones first, the rest in order; the order itself stays. */
function fitting(entries: readonly [string, string][]): [string, string][] {
  const sizes = entries.map(([key, value]) => Buffer.byteLength(key) + Buffer.byteLength(value));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (entries.length <= limits.keys && total <= limits.bytes) return [...entries];
  const kept = new Set<number>();
  let bytes = 0;
  const keep = (wanted: boolean): void => {
    for (const [index, [key]] of entries.entries()) {
      const size = sizes[index] ?? 0;
      if (wellKnown.has(key) !== wanted || kept.size >= limits.keys || bytes + size > limits.bytes) continue;
      kept.add(index);
      bytes += size;
    }
  };
  keep(true);
  keep(false);
  return entries.filter((_, index) => kept.has(index));
}
