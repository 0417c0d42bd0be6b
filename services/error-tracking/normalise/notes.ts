import type { ProcessingError, ProcessingErrorType } from "../digest/error-event.js";
import { trimText } from "./trim.js";

const maxNotes = 50;
const maxValueLength = 200;

/** Place of a value inside an event. The text is only made when something is noted. */
export interface Place {
  readonly notes: Notes;
  readonly parent: Place | undefined;
  readonly key: string | number;
}

/** Collects what was wrong with one event. */
export class Notes {
  readonly list: ProcessingError[] = [];
  readonly root: Place = { notes: this, parent: undefined, key: "" };

  add(type: ProcessingErrorType, name: string, value?: unknown): void {
    if (this.list.length >= maxNotes) return;
    this.list.push({ type, name, value: value === undefined ? undefined : trimText(describe(value), maxValueLength) });
  }
}

export function at(parent: Place, key: string | number): Place {
  return { notes: parent.notes, parent, key };
}

/** Notes something about the field `key` of `place`. */
export function note(place: Place, type: ProcessingErrorType, key: string | number, value?: unknown): void {
  place.notes.add(type, pathOf(place, key), value);
}

function pathOf(place: Place, key: string | number): string {
  const path = [key];
  for (let current: Place | undefined = place; current?.parent; current = current.parent) path.unshift(current.key);
  return path.join(".");
}

/** A short text of any JSON value: enough to recognise what was sent, without writing a large value out in full. */
function describe(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "object" && value !== null) return `an object with ${Object.keys(value).length} keys`;
  return String(value);
}
