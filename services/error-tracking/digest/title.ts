import { leadingException } from "../grouping/v1/exceptions.js";
import { crashFrame, framesOf } from "../grouping/v1/fingerprint.js";
import { framesToCrashSite } from "../grouping/v1/stacktrace.js";
import { trimText } from "../normalise/trim.js";
import { summariseSecurity } from "../security/security-kinds.js";
import type { ErrorEvent, Exception, Frame } from "./error-event.js";

const maxTitle = 256;
const maxCulprit = 200;

/** How an issue is called in lists. `name` and `description` are the two halves of an exception's title. */
export interface Title {
  readonly title: string;
  /** Exception type, or the level of a plain message. */
  readonly name: string;
  readonly description: string;
}

/** Never empty, one line, at most 256 characters. */
export function titleOf(event: ErrorEvent): Title {
  const report = summariseSecurity(event);
  if (report !== undefined) {
    const title = trimText(firstLine(report.title), maxTitle);
    return { title, name: title, description: "" };
  }
  const exception = leadingException(event);
  if (exception !== undefined) {
    const ofException = exceptionTitle(exception, event);
    if (ofException !== undefined) return ofException;
  }
  const message = firstLine(event.logentry?.formatted);
  if (message === "") return { title: unlabeled, name: unlabeled, description: "" };
  return { title: trimText(message, maxTitle), name: event.level, description: trimText(message, maxTitle) };
}

const unlabeled = "<unlabeled event>";

function exceptionTitle(exception: Exception, event: ErrorEvent): Title | undefined {
  const value = firstLine(exception.value);
  const description = trimText(value, maxTitle);
  const type = firstLine(exception.type);
  if (type !== "" && exception.mechanism?.synthetic !== true) {
    return { title: trimText(value === "" ? type : `${type}: ${value}`, maxTitle), name: type, description };
  }
  const name = firstLine(crashFrame(event)?.function) || value || type;
  return name === "" ? undefined : { title: trimText(name, maxTitle), name: trimText(name, maxTitle), description };
}

/** Where it happened, for people: the transaction, the last function of the application, or what the client says. */
export function culpritOf(event: ErrorEvent): string {
  if (event.transaction !== undefined) return event.transaction;
  const frame = framesToCrashSite(framesOf(event), event).findLast((candidate) => candidate.in_app === true);
  const ofFrame = frame && describeFrame(frame);
  return trimText(ofFrame ?? event.culprit ?? "", maxCulprit);
}

/** File and function of the frame that an issue is shown with: the last one of the application, else the last one. */
export interface Place {
  readonly file: string;
  readonly function: string;
}

export function placeOf(event: ErrorEvent): Place {
  const frames = framesToCrashSite(framesOf(event), event);
  const frame = frames.findLast((candidate) => candidate.in_app === true) ?? frames.at(-1);
  return {
    file: trimText(frame?.filename ?? frame?.abs_path ?? frame?.module ?? "", maxCulprit),
    function: trimText(frame?.function ?? "", maxCulprit),
  };
}

function describeFrame(frame: Frame): string | undefined {
  const place = frame.module ?? frame.filename;
  if (frame.function === undefined) return place;
  return place === undefined ? frame.function : `${frame.function}(${place})`;
}

function firstLine(text: string | undefined): string {
  const trimmed = text?.trim() ?? "";
  const end = trimmed.search(/[\r\n]/);
  return end < 0 ? trimmed : trimmed.slice(0, end).trimEnd();
}
