import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import type { Pair } from "../digest/error-event.js";
import { at, note, type Place } from "./notes.js";
import { trimText, trimTextToBytes } from "./trim.js";

/** What a field of parsed JSON may hold, absence included. */
export type Sent = JsonValue | undefined;

const maxStringLength = 16_384;
/** Deeper nesting than the edge accepts; a guard for values that came another way. */
const maxDepth = 256;

/** Text of a string, number or boolean, trimmed at both ends of its allowance; empty text counts as absent. */
export function text(raw: Sent, place: Place, key: string | number, maxLength = maxStringLength): string | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (typeof raw === "number" || typeof raw === "boolean") return String(raw);
  if (typeof raw !== "string") {
    note(place, "invalid_data", key, raw);
    return undefined;
  }
  if (raw === "") return undefined;
  if (raw.length <= maxLength) return raw;
  note(place, "value_too_long", key, `${raw.length} characters`);
  return trimText(raw, maxLength);
}

/** A whole number of at least 0, also written as text. */
export function count(raw: Sent, place: Place, key: string): number | undefined {
  if (raw === undefined || raw === null || raw === "") return undefined;
  const value = typeof raw === "string" && /^\d{1,15}$/.test(raw) ? Number(raw) : raw;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  note(place, "invalid_data", key, raw);
  return undefined;
}

export function flag(raw: Sent, place: Place, key: string): boolean | undefined {
  if (typeof raw === "boolean") return raw;
  if (raw !== undefined && raw !== null) note(place, "invalid_data", key, raw);
  return undefined;
}

/** An id that clients send as number or text. */
export function numberOrText(raw: Sent, place: Place, key: string): string | number | undefined {
  return typeof raw === "number" ? raw : text(raw, place, key, 256);
}

/** An empty list counts as nothing: PHP and Lua write a map without entries so. */
export function object(raw: Sent, place: Place, key: string | number): JsonObject | undefined {
  if (isJsonObject(raw)) return raw;
  const isNothing = raw === undefined || raw === null || (Array.isArray(raw) && raw.length === 0);
  if (!isNothing) note(place, "invalid_data", key, raw);
  return undefined;
}

/** The items of `{ values: […] }`, of a bare list, or of a single object; nulls are left out without a word. */
export function valueList(raw: Sent, place: Place, key: string): JsonObject[] {
  if (raw === undefined || raw === null) return [];
  const list = isJsonObject(raw) && "values" in raw ? raw["values"] : raw;
  if (list === undefined || list === null) return [];
  return objectList(Array.isArray(list) ? list : [list], place, key);
}

export function objectList(list: readonly JsonValue[], place: Place, key: string): JsonObject[] {
  const objects: JsonObject[] = [];
  for (const [index, item] of list.entries()) {
    if (isJsonObject(item)) objects.push(item);
    else if (item !== null) note(at(place, key), "invalid_data", index, item);
  }
  return objects;
}

/** Lines of source code: nulls become empty lines, so that line numbers stay right. */
export function lines(raw: Sent, place: Place, key: string): string[] | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (!Array.isArray(raw)) {
    note(place, "invalid_data", key, raw);
    return undefined;
  }
  return raw.map((line) => (typeof line === "string" ? trimText(line, maxStringLength) : ""));
}

/** Pairs from a map, a list of pairs or a list of `{ key, value }`; text is left to `parseText`. */
export function pairs(
  raw: Sent,
  place: Place,
  key: string,
  parseText: (text: string) => Pair[] = () => [],
): Pair[] | undefined {
  if (raw === undefined || raw === null || raw === "") return undefined;
  const found: Pair[] = [];
  const take = (name: JsonValue | undefined, value: JsonValue | undefined): void => {
    const nameText = text(name, place, key);
    const valueText =
      value === "" ? "" : Array.isArray(value) ? joined(value) : text(value, at(place, key), nameText ?? "");
    if (nameText !== undefined && valueText !== undefined) found.push([nameText, valueText]);
  };
  if (typeof raw === "string") found.push(...parseText(trimText(raw, maxStringLength)).filter(([name]) => name !== ""));
  else if (isJsonObject(raw)) for (const [name, value] of Object.entries(raw)) take(name, value);
  else if (Array.isArray(raw)) {
    for (const [index, item] of raw.entries()) {
      if (Array.isArray(item)) take(item[0], item[1]);
      else if (isJsonObject(item)) take(item["key"], item["value"]);
      else if (item !== null) note(at(place, key), "invalid_data", index, item);
    }
  } else note(place, "invalid_data", key, raw);
  return found.length > 0 ? found : undefined;
}

/** A header that was sent several times arrives as a list. */
function joined(values: readonly JsonValue[]): string | undefined {
  const texts = values.filter((value) => typeof value === "string" || typeof value === "number");
  return texts.length > 0 ? trimText(texts.join(", "), maxStringLength) : undefined;
}

/** How many bytes of JSON may still be kept. */
export interface Budget {
  leftBytes: number;
}

/**
 * A copy of `raw` that fits the budget: strings are cut, members that do not fit any more are left out. The second
 * result says whether something was lost.
 */
export function fitted(raw: JsonValue, budget: Budget): { value: JsonValue; cut: boolean } {
  const state = { budget, cut: false };
  return { value: fit(raw, state, 0) ?? null, cut: state.cut };
}

/** As `fitted`, with a note when something was lost. */
export function fittedField(raw: JsonValue, maxBytes: number, place: Place, key: string): JsonValue {
  const { value, cut } = fitted(raw, { leftBytes: maxBytes });
  if (cut) note(place, "value_too_long", key, raw);
  return value;
}

interface FitState {
  readonly budget: Budget;
  cut: boolean;
}

function fit(raw: JsonValue, state: FitState, depth: number): JsonValue | undefined {
  const { budget } = state;
  if (typeof raw === "string") return fitText(raw, state);
  if (typeof raw !== "object" || raw === null) {
    budget.leftBytes -= 5;
    return raw;
  }
  if (depth >= maxDepth) {
    state.cut = true;
    return undefined;
  }
  budget.leftBytes -= 2;
  return Array.isArray(raw) ? fitList(raw, state, depth) : fitObject(raw, state, depth);
}

function fitText(raw: string, state: FitState): string {
  const { budget } = state;
  const allowance = Math.min(maxStringLength, Math.max(0, budget.leftBytes));
  const kept = trimTextToBytes(raw, allowance);
  if (kept !== raw) state.cut = true;
  budget.leftBytes -= Buffer.byteLength(kept) + 2;
  return kept;
}

function fitList(raw: readonly JsonValue[], state: FitState, depth: number): JsonValue[] {
  const kept: JsonValue[] = [];
  for (const item of raw) {
    if (state.budget.leftBytes <= 0) {
      state.cut = true;
      break;
    }
    const value = fit(item, state, depth + 1);
    if (value !== undefined) kept.push(value);
  }
  return kept;
}

function fitObject(raw: JsonObject, state: FitState, depth: number): JsonObject {
  const kept: JsonObject = {};
  for (const key in raw) {
    if (state.budget.leftBytes <= 0) {
      state.cut = true;
      break;
    }
    const member = raw[key];
    if (member === undefined || key.length > 1024) continue;
    state.budget.leftBytes -= key.length + 3;
    const value = fit(member, state, depth + 1);
    if (value !== undefined) setOwn(kept, key, value);
  }
  return kept;
}

/** Plain assignment of the key `__proto__` would change the object's prototype. */
export function setOwn(target: object, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
  } else (target as Record<string, unknown>)[key] = value;
}

/** Budget for everything that we do not know in one object. */
const unknownBytes = 64 * 1024;

/** Adds the members of `raw` that `target` does not have a place for, bounded; `null` members are left out. */
export function keepUnknown<T extends object>(target: T, raw: JsonObject, known: ReadonlySet<string>): T {
  let budget: Budget | undefined;
  for (const key in raw) {
    if (known.has(key)) continue;
    const value = raw[key];
    if (value === undefined || value === null) continue;
    budget ??= { leftBytes: unknownBytes };
    if (budget.leftBytes <= 0) break;
    setOwn(target, key, fitted(value, budget).value);
  }
  return target;
}
