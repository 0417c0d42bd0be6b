import type { JsonObject } from "@signalbox/sentry-protocol";
import type { Thread } from "../digest/error-event.js";
import { at, note, type Place } from "./notes.js";
import { normaliseStacktrace } from "./stacktrace.js";
import { trimMiddle } from "./trim.js";
import { flag, keepUnknown, numberOrText, type Sent, text, valueList } from "./values.js";

const maxThreads = 256;

export function normaliseThreads(raw: Sent, root: Place): { values: Thread[] } | undefined {
  const { kept, omitted } = trimMiddle(valueList(raw, root, "threads"), maxThreads);
  if (omitted) note(root, "too_many", "threads", `${omitted[0]} to ${omitted[1] - 1}`);
  if (kept.length === 0) return undefined;
  const values = at(at(root, "threads"), "values");
  return { values: kept.map((thread, index) => normaliseThread(thread, at(values, index))) };
}

function normaliseThread(raw: JsonObject, place: Place): Thread {
  const thread: Thread = {
    id: numberOrText(raw["id"], place, "id"),
    name: text(raw["name"], place, "name", 256),
    crashed: flag(raw["crashed"], place, "crashed"),
    current: flag(raw["current"], place, "current"),
    main: flag(raw["main"], place, "main"),
    stacktrace: normaliseStacktrace(raw["stacktrace"], place, "stacktrace"),
    raw_stacktrace: normaliseStacktrace(raw["raw_stacktrace"], place, "raw_stacktrace"),
  };
  return keepUnknown(thread, raw, threadKeys);
}

const threadKeys = new Set(["id", "name", "crashed", "current", "main", "stacktrace", "raw_stacktrace"]);
