import { reservedNames } from "@signalbox/experience/payload";
import { ExperienceSdkError } from "./errors.js";
import { isRecord } from "./is-record.js";
import type { WarnOnce } from "./warn-once.js";

/** What an application adds to a checkpoint. Becomes members of `meta`. */
export type Extras = Readonly<Record<string, unknown>>;

export interface ExtrasOptions {
  /** Whether a reserved name is thrown rather than dropped. */
  readonly strict: boolean;
  readonly warn: WarnOnce;
}

const mostKeys = 64;
const longestValue = 1_024;
const longestMeta = 16_384;

/**
 * `meta` as JSON text, or the empty string when there is nothing in it. Takes a copy: later changes of the extras do not
 * show. What is too long is cut, what cannot be JSON is left out with a warning.
 * @throws {ExperienceSdkError} `EXPERIENCE_RESERVED_KEY`, only when `strict`.
 */
export function metaText(
  extras: Extras | undefined,
  ambient: Extras | undefined,
  { strict, warn }: ExtrasOptions,
): string {
  if (extras === undefined && ambient === undefined) return "";
  const members = new Map<string, string>();
  // The log context may name its feature category; an extra may not, since it would look like the experience's own.
  for (const [name, value] of readMembers(ambient, warn))
    if (!reservedNames.has(name) || name === "feature_category") addMember(members, name, value, warn);
  for (const [name, value] of readMembers(extras, warn)) {
    if (!reservedNames.has(name)) {
      addMember(members, name, value, warn);
      continue;
    }
    if (strict)
      throw new ExperienceSdkError("EXPERIENCE_RESERVED_KEY", {
        message: `The extra \`${name}\` has the name of a field that the tracker sets itself.`,
        details: { key: name },
      });
    warn(`reserved ${name}`, "an extra has a reserved name and is dropped", { key: name });
  }
  return joined(members);
}

function readMembers(extras: Extras | undefined, warn: WarnOnce): [string, unknown][] {
  if (!isRecord(extras)) return [];
  try {
    return Object.entries(extras);
  } catch (error) {
    warn("extras", "extras that cannot be read are dropped", { error });
    return [];
  }
}

function addMember(members: Map<string, string>, name: string, value: unknown, warn: WarnOnce): void {
  try {
    const text = valueText(value);
    if (text !== undefined) members.set(name, text);
  } catch (error) {
    warn(`extra ${name}`, "an extra that cannot become JSON is dropped", { key: name, error });
  }
}

function valueText(value: unknown): string | undefined {
  if (typeof value === "string") return JSON.stringify(cleanText(value, longestValue));
  const text: string | undefined = JSON.stringify(value, withoutNul);
  if (text === undefined || text.length <= longestValue) return text;
  // The tracker keeps objects as their JSON text and cuts it; so it is cut here before it travels.
  return JSON.stringify(text.slice(0, longestValue));
}

function withoutNul(_name: string, value: unknown): unknown {
  return typeof value === "string" ? value.replaceAll("\0", " ") : value;
}

/** Text that the tracker takes: it refuses U+0000, and nobody needs the rest of what is very long. */
export function cleanText(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replaceAll("\0", " ");
}

function joined(members: ReadonlyMap<string, string>): string {
  let text = "";
  let count = 0;
  for (const [name, value] of members) {
    if (count === mostKeys || text.length + value.length > longestMeta) break;
    text += `${count === 0 ? "" : ","}${JSON.stringify(name)}:${value}`;
    count++;
  }
  return text === "" ? "" : `{${text}}`;
}

/** What an error says, for people; never throws, whatever was thrown. */
export function errorText(error: unknown): string {
  try {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return cleanText(text, longestValue);
  } catch {
    return "an error that cannot be described";
  }
}
