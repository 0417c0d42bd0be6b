import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  ProtocolError,
  parseJsonObject,
} from "@signalbox/sentry-protocol";
import type { EventAttachment } from "../store/attachments.js";
import { eventDepth } from "./ingest-limits.js";

/** Kinds of attachments that are the report of a crash: one that comes without an event makes one. */
const crashTypes: ReadonlyMap<string | undefined, Crash> = new Map([
  ["event.minidump", { type: "Minidump", platform: "native" }],
  ["event.applecrashreport", { type: "AppleCrashReport", platform: "cocoa" }],
]);

type Attachments = readonly Pick<EventAttachment, "attachment_type">[];
type Crash = { readonly type: string; readonly platform: string };

/** Undefined when none of the attachments reports a crash. */
export function crashEvent(attachments: Attachments): JsonObject | undefined {
  const crash = crashOf(attachments);
  return crash && fillCrash({}, crash);
}

/**
 * An event that came together with the report of a crash. Handlers outside of the crashed process send one that tells the
 * circumstances only; it becomes the crash then. Undefined when the event is to be taken as it came.
 */
export function eventOfCrash(payload: Uint8Array, attachments: Attachments): JsonObject | undefined {
  const crash = crashOf(attachments);
  if (crash === undefined) return undefined;
  const sent = readJson(payload);
  return sent === undefined || hasOwnAccount(sent) || hasMessage(sent) ? undefined : fillCrash(sent, crash);
}

function crashOf(attachments: Attachments): Crash | undefined {
  for (const { attachment_type: type } of attachments) {
    const crash = crashTypes.get(type);
    if (crash !== undefined) return crash;
  }
  return undefined;
}

/** Undefined for what is refused where events are read. */
function readJson(payload: Uint8Array): JsonObject | undefined {
  try {
    return parseJsonObject(payload, { maxDepth: eventDepth });
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/**
 * What is known of a crash, as an event. Nothing is read out of the report itself: it is grouped by what the client says of
 * the module or the reason, else by the release.
 */
export function minidumpEvent(sent: JsonObject): JsonObject {
  return fillCrash(sent, { type: "Minidump", platform: "native" });
}

function fillCrash(sent: JsonObject, { type, platform }: Crash): JsonObject {
  const event: JsonObject = { platform, level: "fatal", ...sent };
  if (hasOwnAccount(sent)) return event;
  return {
    ...event,
    exception: {
      values: [{ type, value: type, mechanism: { type: type.toLowerCase(), handled: false, synthetic: true } }],
    },
    fingerprint: fingerprintOf(sent, type.toLowerCase()),
  };
}

/** Whether the client describes the crash well enough to be grouped by that. */
function hasOwnAccount(sent: JsonObject): boolean {
  return isFilled(sent["exception"]) || isFilled(sent["stacktrace"]) || hasCrashedThread(sent["threads"]);
}

/** Threads of which none crashed are those of the process that sends the report. */
function hasCrashedThread(threads: JsonValue | undefined): boolean {
  const values = Array.isArray(threads) ? threads : isJsonObject(threads) ? threads["values"] : undefined;
  return Array.isArray(values) && values.some((thread) => isJsonObject(thread) && thread["crashed"] === true);
}

function hasMessage({ message, logentry }: JsonObject): boolean {
  return (typeof message === "string" && message.trim() !== "") || isFilled(logentry) || isFilled(message);
}

function isFilled(value: JsonValue | undefined): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

const reasonNames = ["crash_reason", "reason", "module", "crash_module"] as const;

function fingerprintOf(sent: JsonObject, kind: string): JsonValue[] {
  const { fingerprint, tags, extra } = sent;
  if (Array.isArray(fingerprint) && fingerprint.length > 0) return fingerprint;
  const told = reasonNames
    .flatMap((name) => [textAt(tags, name), textAt(extra, name)])
    .find((text) => text !== undefined);
  return [kind, told ?? "{{ release }}"];
}

/** Of an object, or of a list of pairs. */
function textAt(holder: JsonValue | undefined, name: string): string | undefined {
  const entries = Array.isArray(holder)
    ? holder
    : typeof holder === "object" && holder !== null
      ? Object.entries(holder)
      : [];
  for (const entry of entries) {
    const [key, value] = Array.isArray(entry) ? entry : [];
    if (key === name && typeof value === "string" && value.trim() !== "") return value.trim();
  }
  return undefined;
}
