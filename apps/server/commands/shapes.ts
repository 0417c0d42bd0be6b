import { oneLine } from "../printable.js";
import { isRecord } from "./api.js";

// What the API answers is read here like anything from outside: by looking.

/** A value as a part of a line. */
export function text(value: unknown, ...path: readonly (string | number)[]): string {
  return oneLine(paragraph(value, ...path));
}

/** A value that may have lines of its own. */
export function paragraph(value: unknown, ...path: readonly (string | number)[]): string {
  const found = at(value, ...path);
  return found === null || found === undefined ? "" : String(found);
}

/** The values of a list, each as a part of a line. */
export function texts(value: unknown, ...path: readonly (string | number)[]): readonly string[] {
  return items(value, ...path).map((item) => text(item));
}

export function count(value: unknown, ...path: readonly (string | number)[]): number {
  return Number(at(value, ...path) ?? 0);
}

export function items(value: unknown, ...path: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
}

export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value;
  for (const step of path) {
    if (Array.isArray(current)) current = current[Number(step)];
    else if (isRecord(current)) current = current[String(step)];
    else return undefined;
  }
  return current;
}
