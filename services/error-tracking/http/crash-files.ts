import { isJsonObject, type JsonObject, type JsonValue, parseMessagePack } from "@signalbox/sentry-protocol";
import { eventDepth } from "../edge/ingest-limits.js";

/** Files in which native SDKs leave what the program was doing when it crashed, for the handler to send along. */
const crashFiles: ReadonlyMap<string | undefined, "event" | "breadcrumbs"> = new Map([
  ["__sentry-event", "event"],
  ["__sentry-breadcrumb1", "breadcrumbs"],
  ["__sentry-breadcrumb2", "breadcrumbs"],
]);

export interface CrashFile {
  readonly kind: "event" | "breadcrumbs";
  readonly bytes: Uint8Array;
}

/** What a part of a form is, by its name or that of its file; undefined: a file like any other. */
export function crashFileKind(name: string, filename: string | undefined): CrashFile["kind"] | undefined {
  return crashFiles.get(name) ?? crashFiles.get(filename);
}

/** The event that the files tell of; `fields` of the form go before it. What cannot be read counts for nothing. */
export function withCrashFiles(fields: JsonObject, files: readonly CrashFile[]): JsonObject {
  const told = files.filter(({ kind }) => kind === "event").flatMap(valuesOf);
  const event: JsonObject = Object.assign({}, ...told, fields);
  const breadcrumbs = files.filter(({ kind }) => kind === "breadcrumbs").flatMap(valuesOf);
  if (breadcrumbs.length > 0)
    event["breadcrumbs"] = { values: [...listOf(event["breadcrumbs"]), ...inOrder(breadcrumbs)] };
  return event;
}

function valuesOf({ bytes }: CrashFile): JsonObject[] {
  try {
    return parseMessagePack(bytes, { maxDepth: eventDepth }).filter(isJsonObject);
  } catch {
    return [];
  }
}

function listOf(breadcrumbs: JsonValue | undefined): readonly JsonValue[] {
  if (Array.isArray(breadcrumbs)) return breadcrumbs;
  const values = isJsonObject(breadcrumbs) ? breadcrumbs["values"] : undefined;
  return Array.isArray(values) ? values : [];
}

/** The two files are written in turns, so the second is not always the newer one. */
function inOrder(breadcrumbs: readonly JsonObject[]): JsonObject[] {
  const timeOf = ({ timestamp }: JsonObject): string => (typeof timestamp === "string" ? timestamp : "");
  return [...breadcrumbs].sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : timeOf(a) > timeOf(b) ? 1 : 0));
}
