/// <reference lib="es2024.string" />
import { InvalidEvent } from "./errors.js";

/** Deeper data is refused; a cycle is found by the same limit. */
export const maxDataDepth = 64;

/** Thrown inside the walk only: the place and the reason are found by a second walk, so the first one stays fast. */
const refused = Symbol("refused");

/**
 * A deep copy of plain JSON data, frozen at every depth, made in one pass. Members that are `undefined` are left out;
 * `toJSON` is not called.
 * @throws {InvalidEvent} `EVT_DATA_NOT_OBJECT`; `EVT_DATA_NOT_JSON` with the JSON Pointer of the first bad value.
 */
export function copyData<D>(data: D): D {
  return Object.freeze(copyOpenData(data));
}

/**
 * As `copyData`, with the outermost object still to be frozen: checking a frozen object takes ten times as long.
 * @throws {InvalidEvent} `EVT_DATA_NOT_OBJECT`, `EVT_DATA_NOT_JSON`
 */
export function copyOpenData<D>(data: D): D {
  if (typeof data !== "object" || data === null || Array.isArray(data)) throw new InvalidEvent("EVT_DATA_NOT_OBJECT");
  try {
    // The copy has the type of what was copied.
    return openCopy(data, 1) as D;
  } catch (error) {
    const fault = findFault(data, "", 1);
    throw new InvalidEvent("EVT_DATA_NOT_JSON", {
      message: `Event data cannot be written as JSON: ${fault?.reason ?? "a property could not be read"} at ${fault?.pointer || "the root"}`,
      details: { pointer: fault?.pointer ?? "" },
      ...(error === refused ? {} : { cause: error }),
    });
  }
}

function copyValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      if (!value.isWellFormed()) throw refused;
      return value;
    case "number":
      if (!Number.isFinite(value)) throw refused;
      // JSON has no negative zero, so subscribers would see another value than the publisher.
      return value === 0 ? 0 : value;
    case "boolean":
      return value;
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return copyArray(value, depth + 1);
      return copyObject(value, depth + 1);
    default:
      throw refused;
  }
}

function copyArray(array: readonly unknown[], depth: number): readonly unknown[] {
  if (depth > maxDataDepth) throw refused;
  const copy: unknown[] = [];
  for (let index = 0; index < array.length; index++) copy.push(copyValue(array[index], depth));
  return Object.freeze(copy);
}

function copyObject(object: object, depth: number): object {
  return Object.freeze(openCopy(object, depth));
}

/** What is inside of it is frozen. */
function openCopy(object: object, depth: number): object {
  if (depth > maxDataDepth || !isPlain(object)) throw refused;
  return copyWhole(object, depth) ?? copyMembers(object, depth);
}

/**
 * A copy of the same shape, for an object whose members all count: one that is put together name by name becomes, beyond
 * a dozen names, a table that takes several times as long to check and to write.
 */
function copyWhole(object: object, depth: number): object | undefined {
  if (Object.getOwnPropertySymbols(object).length > 0) return undefined;
  const copy: Record<string, unknown> = { ...object };
  const keys = Object.keys(copy);
  for (const key of keys) {
    const value = copy[key];
    if (value === undefined || key === "__proto__") return undefined;
  }
  for (const key of keys) {
    if (!key.isWellFormed()) throw refused;
    const value = copy[key];
    const own = copyValue(value, depth);
    if (!Object.is(own, value)) copy[key] = own;
  }
  return copy;
}

function copyMembers(object: object, depth: number): object {
  const source: Record<string, unknown> = object as Record<string, unknown>;
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(source)) {
    const value = source[key];
    if (value === undefined) continue;
    if (key === "__proto__") {
      // An assignment would change the prototype.
      Object.defineProperty(copy, key, { value: copyValue(value, depth), enumerable: true });
      continue;
    }
    if (!key.isWellFormed()) throw refused;
    copy[key] = copyValue(value, depth);
  }
  return copy;
}

/** Made by a literal, `JSON.parse` or `Object.create(null)`, in this realm or another. */
function isPlain(object: object): boolean {
  const prototype: object | null = Object.getPrototypeOf(object);
  if (prototype === Object.prototype || prototype === null) return true;
  // A class without a parent has a prototype without one too, but not the methods of every object.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

interface Fault {
  readonly pointer: string;
  readonly reason: string;
}

function findFault(value: unknown, pointer: string, depth: number): Fault | undefined {
  try {
    if (typeof value !== "object" || value === null) return scalarFault(value, pointer);
    if (depth > maxDataDepth) return { pointer, reason: `more than ${maxDataDepth} levels, or a cycle,` };
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        const fault = findFault(value[index], `${pointer}/${index}`, depth + 1);
        if (fault) return fault;
      }
      return undefined;
    }
    if (!isPlain(value)) return { pointer, reason: `an instance of ${value.constructor?.name ?? "a class"}` };
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined) continue;
      const place = `${pointer}/${escapePointer(key)}`;
      if (!key.isWellFormed()) return { pointer: place.toWellFormed(), reason: "a lone surrogate" };
      const fault = findFault(member, place, depth + 1);
      if (fault) return fault;
    }
    return undefined;
  } catch {
    return { pointer, reason: "a property that throws when it is read" };
  }
}

function scalarFault(value: unknown, pointer: string): Fault | undefined {
  if (typeof value === "string") return value.isWellFormed() ? undefined : { pointer, reason: "a lone surrogate" };
  if (typeof value === "number")
    return Number.isFinite(value) ? undefined : { pointer, reason: `the number ${String(value)}` };
  if (value === null || typeof value === "boolean") return undefined;
  return { pointer, reason: value === undefined ? "undefined" : `a ${typeof value}` };
}

/** One reference token of a JSON Pointer. */
export function escapePointer(key: string): string {
  return key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Freezes what `JSON.parse` made. @returns false when it is nested too deeply. */
export function freezeParsed(value: unknown, depth = 1): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth > maxDataDepth) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      if (typeof item === "object" && !freezeParsed(item, depth + 1)) return false;
    }
  } else {
    const object = value as Record<string, unknown>;
    for (const key in object) {
      const member = object[key];
      if (typeof member === "object" && !freezeParsed(member, depth + 1)) return false;
    }
  }
  Object.freeze(value);
  return true;
}
