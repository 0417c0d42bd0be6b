import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";
import type { EventAttachment } from "../store/attachments.js";

/** Kinds of attachments that are the report of a crash: one that comes without an event makes one. */
const crashTypes: ReadonlyMap<string | undefined, { readonly type: string; readonly platform: string }> = new Map([
  ["event.minidump", { type: "Minidump", platform: "native" }],
  ["event.applecrashreport", { type: "AppleCrashReport", platform: "cocoa" }],
]);

/** Undefined when none of the attachments reports a crash. */
export function crashEvent(attachments: readonly Pick<EventAttachment, "attachment_type">[]): JsonObject | undefined {
  for (const { attachment_type: type } of attachments) {
    const crash = crashTypes.get(type);
    if (crash !== undefined) return fillCrash({}, crash);
  }
  return undefined;
}

/**
 * What is known of a crash, as an event. Nothing is read out of the report itself: it is grouped by what the client says of
 * the module or the reason, else by the release.
 */
export function minidumpEvent(sent: JsonObject): JsonObject {
  return fillCrash(sent, { type: "Minidump", platform: "native" });
}

function fillCrash(
  sent: JsonObject,
  { type, platform }: { readonly type: string; readonly platform: string },
): JsonObject {
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
  return ["exception", "threads", "stacktrace"].some((key) => isFilled(sent[key]));
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
