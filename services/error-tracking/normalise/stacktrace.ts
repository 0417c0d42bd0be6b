import { isJsonObject, type JsonObject, type JsonValue } from "@signalbox/sentry-protocol";
import type { Frame, Stacktrace } from "../digest/error-event.js";
import { at, note, type Place } from "./notes.js";
import { trimMiddle } from "./trim.js";
import { count, fittedField, flag, keepUnknown, lines, object, objectList, type Sent, setOwn, text } from "./values.js";

const maxFrames = 250;
const maxVars = 50;
const varsBytes = 64 * 1024;
const dataBytes = 8 * 1024;

/** A stack of frames, also sent as a bare list; undefined when there is no frame at all. */
export function normaliseStacktrace(raw: Sent, parent: Place, key: string): Stacktrace | undefined {
  if (raw === undefined || raw === null) return undefined;
  const place = at(parent, key);
  const sent: JsonObject | undefined = Array.isArray(raw) ? { frames: raw } : object(raw, parent, key);
  if (sent === undefined) return undefined;
  const frames = normaliseFrames(sent["frames"], place);
  if (frames === undefined) return undefined;
  return keepUnknown({ frames: frames.kept, frames_omitted: frames.omitted }, sent, stacktraceKeys);
}

function normaliseFrames(raw: Sent, place: Place): ReturnType<typeof trimMiddle<Frame>> | undefined {
  if (raw === undefined || raw === null) return undefined;
  const list = isJsonObject(raw) ? [raw] : raw;
  if (!Array.isArray(list)) {
    note(place, "invalid_data", "frames", raw);
    return undefined;
  }
  const framesPlace = at(place, "frames");
  const { kept, omitted } = trimMiddle(objectList(list, place, "frames"), maxFrames);
  if (omitted) note(place, "too_many", "frames", `${omitted[0]} to ${omitted[1] - 1}`);
  if (kept.length === 0) return undefined;
  const frames = kept.map((frame, index) => normaliseFrame(frame, at(framesPlace, index)));
  return omitted ? { kept: frames, omitted } : { kept: frames };
}

function normaliseFrame(raw: JsonObject, place: Place): Frame {
  const frame: Frame = {
    function: text(raw["function"], place, "function", 1024),
    module: text(raw["module"], place, "module", 1024),
    filename: text(raw["filename"], place, "filename", 2048),
    abs_path: text(raw["abs_path"], place, "abs_path", 2048),
    package: text(raw["package"], place, "package", 1024),
    platform: text(raw["platform"], place, "platform", 64),
    lineno: count(raw["lineno"], place, "lineno"),
    colno: count(raw["colno"], place, "colno"),
    in_app: flag(raw["in_app"], place, "in_app"),
    context_line: text(raw["context_line"], place, "context_line"),
    pre_context: lines(raw["pre_context"], place, "pre_context"),
    post_context: lines(raw["post_context"], place, "post_context"),
    vars: normaliseVars(raw["vars"], place),
    data: normaliseData(raw["data"], place),
  };
  return keepUnknown(frame, raw, frameKeys);
}

function normaliseVars(raw: Sent, place: Place): JsonObject | undefined {
  const sent = Array.isArray(raw) ? Object.fromEntries(raw.entries()) : object(raw, place, "vars");
  if (sent === undefined) return undefined;
  const names = Object.keys(sent);
  if (names.length <= maxVars) return asObject(fittedField(sent, varsBytes, place, "vars"));
  note(place, "too_many", "vars", `${names.length} variables`);
  const kept: JsonObject = {};
  for (const name of names.slice(0, maxVars)) setOwn(kept, name, sent[name]);
  return asObject(fittedField(kept, varsBytes, place, "vars"));
}

function normaliseData(raw: Sent, place: Place): JsonObject | undefined {
  const sent = object(raw, place, "data");
  return sent === undefined ? undefined : asObject(fittedField(sent, dataBytes, place, "data"));
}

function asObject(value: JsonValue): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined;
}

const stacktraceKeys = new Set(["frames", "frames_omitted"]);

const frameKeys = new Set([
  "function",
  "module",
  "filename",
  "abs_path",
  "package",
  "platform",
  "lineno",
  "colno",
  "in_app",
  "context_line",
  "pre_context",
  "post_context",
  "vars",
  "data",
]);
