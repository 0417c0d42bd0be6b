import { decodeUtf8, isJsonObject, type JsonObject, type JsonValue, parseJson } from "@signalbox/sentry-protocol";
import { eventDepth } from "../edge/ingest-limits.js";

/** The fields of a form that are no files, as they came. */
export interface FormFields {
  readonly entries: (readonly [name: string, value: Uint8Array])[];
  bytes: number;
}

/**
 * What crash handlers know of a program: `sentry` holds it as JSON, maybe cut into `sentry__1`, `sentry__2`, …;
 * `sentry[tags][os]` is one value of it; all other fields are extra data.
 */
export function readFormFields({ entries }: FormFields): JsonObject {
  const pieces: [place: number, text: string][] = [];
  const paths: [path: readonly string[], text: string][] = [];
  const extra: JsonObject = Object.create(null);
  for (const [name, bytes] of entries) {
    const value = decodeUtf8(bytes).replaceAll("\0", "");
    const [, piece] = /^sentry(?:__(\d{1,3}))?$/.exec(name) ?? [];
    if (name === "sentry" || piece !== undefined) pieces.push([Number(piece ?? 0), value]);
    else if (name.startsWith("sentry[")) paths.push([pathOf(name.slice("sentry".length)), value]);
    else extra[name.slice(0, 200)] = value;
  }
  const text = pieces
    .sort(([a], [b]) => a - b)
    .map(([, piece]) => piece)
    .join("");
  const event = parsed(text);
  for (const [path, value] of paths) place(event, path, value);
  if (Object.keys(extra).length > 0) event["extra"] = { ...objectOf(event["extra"]), ...extra };
  return event;
}

/** What is no JSON object counts for nothing: the crash itself is worth more. */
function parsed(text: string): JsonObject {
  try {
    const value = parseJson(Buffer.from(text), { maxDepth: eventDepth });
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

const maxPath = 10;

function pathOf(brackets: string): string[] {
  return [...brackets.matchAll(/\[([^\][]{1,200})\]/g)].map(([, name = ""]) => name).slice(0, maxPath);
}

function place(event: JsonObject, path: readonly string[], value: string): void {
  let holder = event;
  for (const name of path.slice(0, -1)) {
    const inner = Object.hasOwn(holder, name) ? holder[name] : undefined;
    const next: JsonObject = isJsonObject(inner) ? inner : {};
    setOwn(holder, name, next);
    holder = next;
  }
  const last = path.at(-1);
  if (last !== undefined) setOwn(holder, last, value);
}

/** `__proto__` is a name like any other. */
function setOwn(holder: JsonObject, name: string, value: JsonValue): void {
  Object.defineProperty(holder, name, { value, enumerable: true, writable: true, configurable: true });
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}
