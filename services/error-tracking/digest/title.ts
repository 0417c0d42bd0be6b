import { leadingException } from "../grouping/v1/exceptions.js";
import { familyOf } from "../grouping/v1/family.js";
import { crashFrame, framesOf } from "../grouping/v1/fingerprint.js";
import { functionName } from "../grouping/v1/frame.js";
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
  const ofType = exception && typedTitle(exception);
  if (ofType !== undefined) return ofType;
  // Also where the SDK packed the stack of a message into an exception without type.
  const message = trimText(firstLine(event.logentry?.formatted), maxTitle);
  if (message !== "") return { title: message, name: event.level, description: message };
  const value = trimText(firstLine(exception?.value), maxTitle);
  const name = trimText(nameOfCrash(event) || value || firstLine(exception?.type) || unlabeled, maxTitle);
  return { title: name, name, description: value };
}

const unlabeled = "<unlabeled event>";

/** Of an exception that the application threw as such; a synthetic one has its type from the SDK. */
function typedTitle(exception: Exception): Title | undefined {
  const type = firstLine(exception.type);
  if (type === "" || exception.mechanism?.synthetic === true) return undefined;
  const value = firstLine(exception.value);
  const title = trimText(value === "" ? type : `${type}: ${value}`, maxTitle);
  return { title, name: type, description: trimText(value, maxTitle) };
}

/** The function that crashed, unless it has none of the names that people give: `?`, `<anonymous>`. */
function nameOfCrash(event: ErrorEvent): string {
  const frame = hasCrashStack(event) ? crashFrame(event) : undefined;
  const isNamed = frame !== undefined && functionName(frame, familyOf(frame.platform ?? event.platform)) !== undefined;
  return isNamed ? firstLine(frame.function) : "";
}

/** A thread tells of the crash only when it is the one that crashed. */
function hasCrashStack({ exception, threads, stacktrace }: ErrorEvent): boolean {
  if (exception === undefined) return false;
  const crashed = threads?.values.some((thread) => thread.crashed === true) === true;
  return crashed || stacktrace !== undefined || exception.values.some((one) => one.stacktrace !== undefined);
}

/** Where it happened, for people: the transaction, the last function of the application, or what the client says. */
export function culpritOf(event: ErrorEvent): string {
  if (event.transaction !== undefined) return event.transaction;
  const frame = lastOfApplication(framesToCrashSite(framesOf(event), event));
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
  const frame = lastOfApplication(frames) ?? frames.at(-1);
  return {
    file: trimText(frame?.filename ?? frame?.abs_path ?? frame?.module ?? "", maxCulprit),
    function: trimText(frame?.function ?? "", maxCulprit),
  };
}

/**
 * Functions of Rust's own libraries, and of C++'s. The SDK for Rust takes methods that compilers write in brackets
 * (`<core::option::Option<T>>::unwrap`) for the application's.
 */
const ofLanguage = /^<?(?:core|std|alloc)::/;

/** The innermost frame of the application. */
function lastOfApplication(frames: readonly Frame[]): Frame | undefined {
  const own = frames.filter((frame) => frame.in_app === true);
  return own.findLast((frame) => !ofLanguage.test(frame.function ?? "")) ?? own.at(-1);
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
