import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import { at, note, type Place } from "./notes.js";
import { type Budget, fitted, fittedField, object, type Sent, setOwn, text } from "./values.js";

const contextBytes = 8 * 1024;
const oneExtraBytes = 16 * 1024;
const allExtraBytes = 256 * 1024;
const debugMetaBytes = 256 * 1024;
const modulesBytes = 64 * 1024;

/** Named groups of facts; entries that are no objects are dropped. */
export function normaliseContexts(raw: Sent, root: Place): Record<string, JsonObject> | undefined {
  const sent = object(raw, root, "contexts");
  if (sent === undefined) return undefined;
  const place = at(root, "contexts");
  const contexts: Record<string, JsonObject> = {};
  for (const [name, value] of Object.entries(sent)) {
    const context = object(value, place, name);
    const kept = context && fittedField(context, contextBytes, place, name);
    if (isJsonObject(kept)) setOwn(contexts, name, kept);
  }
  return nonEmpty(contexts);
}

/** Free data of the application: bounded one by one and together. */
export function normaliseExtra(raw: Sent, root: Place): JsonObject | undefined {
  const sent = object(raw, root, "extra");
  if (sent === undefined) return undefined;
  const place = at(root, "extra");
  const extra: JsonObject = {};
  const all: Budget = { leftBytes: allExtraBytes };
  for (const [name, value] of Object.entries(sent)) {
    if (value === null) continue;
    const allowance = Math.min(oneExtraBytes, all.leftBytes);
    if (allowance <= 0) {
      note(root, "too_many", "extra", `everything from ${name}`);
      break;
    }
    const one: Budget = { leftBytes: allowance };
    const { value: kept, cut } = fitted(value, one);
    if (cut) note(place, "value_too_long", name, value);
    all.leftBytes -= allowance - one.leftBytes + name.length;
    setOwn(extra, name, kept);
  }
  return nonEmpty(extra);
}

export function normaliseModules(raw: Sent, root: Place): Record<string, string> | undefined {
  const sent = object(raw, root, "modules");
  if (sent === undefined) return undefined;
  const place = at(root, "modules");
  const modules: Record<string, string> = {};
  let leftBytes = modulesBytes;
  for (const [name, value] of Object.entries(sent)) {
    const version = text(value, place, name, 256);
    leftBytes -= name.length + (version?.length ?? 0);
    if (leftBytes < 0) {
      note(root, "too_many", "modules", `everything from ${name}`);
      break;
    }
    if (version !== undefined) setOwn(modules, name, version);
  }
  return nonEmpty(modules);
}

export function normaliseDebugMeta(raw: Sent, root: Place): JsonObject | undefined {
  const sent = object(raw, root, "debug_meta");
  const kept = sent && fittedField(sent, debugMetaBytes, root, "debug_meta");
  if (!isJsonObject(kept)) return undefined;
  const images = kept["images"];
  if (Array.isArray(images)) kept["images"] = images.filter(isJsonObject);
  return nonEmpty(kept);
}

function nonEmpty<T extends object>(value: T): T | undefined {
  return Object.keys(value).length > 0 ? value : undefined;
}
