import { isCorrelationId } from "@signalbox/kernel";
import { checkKeys, checkObject, checkText, type Refuse, readGuarded } from "./check-options.js";
import { InvalidEvent } from "./errors.js";
import type { ExtensionValue } from "./event.js";

/** Attributes of one event; what is left out comes from the current context or has a default. */
export interface CreateOptions {
  /** 1 to 128 printable ASCII characters; default: a monotonic ULID. */
  readonly id?: string;
  readonly source?: string;
  readonly subject?: string;
  /** RFC 3339; default: now. */
  readonly time?: string;
  readonly key?: string;
  readonly sequence?: string;
  /** Names of 1 to 20 lower-case letters and digits; values are text, true or false, or 32-bit integers. */
  readonly extensions?: Readonly<Record<string, ExtensionValue>>;
  readonly userId?: string;
  readonly userName?: string;
  readonly actorId?: string;
  readonly organizationId?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
}

export function isKey(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= 256;
}

/** Attributes that the envelope itself defines; extensions may not use their names. */
export const envelopeAttributes: ReadonlySet<string> = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "datacontenttype",
  "dataschema",
  "data",
  "correlationid",
  "causationid",
  "traceparent",
  "tracestate",
  "partitionkey",
  "sequence",
  "rootcaller",
  "logmeta",
  "userid",
  "username",
  "actorid",
  "organizationid",
  "dataref",
  "deprecated",
]);

const createKeys: readonly (keyof CreateOptions)[] = [
  "id",
  "source",
  "subject",
  "time",
  "key",
  "sequence",
  "extensions",
  "userId",
  "userName",
  "actorId",
  "organizationId",
  "correlationId",
  "causationId",
];

const printableAscii = /^[\x21-\x7e]{1,128}$/;
const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;
/** In UTC, years have four digits. */
const firstTimeMs = Date.parse("0000-01-01T00:00:00.000Z");
const lastTimeMs = Date.parse("9999-12-31T23:59:59.999Z");
const extensionName = /^[a-z0-9]{1,20}$/;

const ownTime = /^\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;
/** The last day that was found to exist: nearly every event that is read is of the same one. */
let knownDay = "";

export function isRfc3339(text: string): boolean {
  if (text.startsWith(knownDay) && knownDay !== "" && ownTime.test(text)) return true;
  if (!rfc3339.test(text)) return false;
  const timeMs = Date.parse(text);
  const day = text.slice(0, 10);
  const exists = timeMs >= firstTimeMs && timeMs <= lastTimeMs && isDay(day) && text.slice(11, 13) !== "24";
  if (exists) knownDay = day;
  return exists;
}

/** `Date.parse` takes 30 February for a day in March. */
function isDay(date: string): boolean {
  const day = Number(date.slice(8));
  return day <= 28 || new Date(date).getUTCDate() === day;
}

export function isExtensionValue(value: unknown): value is ExtensionValue {
  if (typeof value === "number") return Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31;
  return typeof value === "string" || typeof value === "boolean";
}

/** A copy: what an attribute says now holds. @throws {InvalidEvent} `EVT_ATTRIBUTE_INVALID`. */
export function readCreateOptions(options: CreateOptions): CreateOptions {
  return readGuarded("options", refuse, () => {
    checkCreateOptions(options);
    const { extensions } = options;
    return extensions ? { ...options, extensions: Object.freeze({ ...extensions }) } : { ...options };
  });
}

function refuse(attribute: string, message: string, cause?: unknown): never {
  throw attributeInvalid(attribute, message, cause);
}

function checkCreateOptions(options: CreateOptions): void {
  checkObject(options, "options", refuse);
  checkKeys(options, createKeys, "", refuse);
  for (const name of createKeys) {
    if (name !== "extensions") checkText(options[name], name, refuse);
  }
  if (options.id !== undefined && !printableAscii.test(options.id))
    refuse("id", "must be 1 to 128 printable ASCII characters");
  if (options.causationId !== undefined && !printableAscii.test(options.causationId))
    refuse("causationId", "must be 1 to 128 printable ASCII characters");
  if (options.correlationId !== undefined && !isCorrelationId(options.correlationId))
    refuse("correlationId", "must be 1 to 64 printable ASCII characters");
  if (options.time !== undefined && !isRfc3339(options.time)) refuse("time", "must be an RFC 3339 time");
  if (options.key !== undefined && !isKey(options.key)) refuse("key", "must be 1 to 256 characters");
  if (options.extensions !== undefined) checkExtensions(options.extensions, refuse);
}

function checkExtensions(extensions: object, refuse: Refuse): void {
  checkObject(extensions, "extensions", refuse);
  for (const [name, value] of Object.entries(extensions)) {
    if (!extensionName.test(name)) refuse(name, "must be a name of 1 to 20 lower-case letters and digits");
    if (envelopeAttributes.has(name)) refuse(name, "is an attribute of the envelope itself");
    if (!isExtensionValue(value)) refuse(name, "must be text, true or false, or a 32-bit integer");
  }
}

export function attributeInvalid(attribute: string, message: string, cause?: unknown): InvalidEvent {
  const text = message.includes("`") ? message : `Event attribute \`${attribute}\` ${message}`;
  return new InvalidEvent("EVT_ATTRIBUTE_INVALID", { message: text, cause, details: { attribute } });
}
