import { canonicalCorrelationId } from "@signalbox/kernel";
import { attributeInvalid, envelopeAttributes, isExtensionValue, isRfc3339 } from "./create-options.js";
import type { JsonObject } from "./data-type.js";
import { Definition, type EventDefinition } from "./define-event.js";
import { InvalidEvent } from "./errors.js";
import {
  type DomainEvent,
  type EventHome,
  EventInstance,
  type ExtensionValue,
  type HiddenAttributes,
  noExtensions,
  type TraceContext,
} from "./event.js";
import { copyData, freezeParsed } from "./json-copy.js";

/** How the attributes that differ between installations are written. */
export interface EnvelopeFormat {
  /** Reverse domain name in front of every type. */
  readonly typePrefix: string;
  schemaUri(type: string, version: number): string;
}

export const defaultFormat: EnvelopeFormat = Object.freeze({
  typePrefix: "dev.signalbox",
  schemaUri: (type: string, version: number) => `urn:signalbox:schema:${type}:v${version}`,
});

/** What decoding needs to know: which definition a type stands for. */
export interface DefinitionLookup {
  lookup(type: string): EventDefinition<unknown> | null;
}

/** An envelope whose attributes are checked; its data may still be elsewhere. */
export interface Envelope {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly definition: Definition<unknown>;
  readonly version: number;
  /** Absent when `dataRef` is given. */
  readonly data: JsonObject | undefined;
  readonly dataRef: string | undefined;
}

export interface EncodeOptions {
  /** Stands in for the event's own key. */
  readonly key?: string | null;
  /** Stands in for the event's own sequence, if it has none. */
  readonly sequence?: string | undefined;
  /** Written instead of the data. */
  readonly dataRef?: string;
}

export interface Codec {
  /** The event as one CloudEvents 1.0 JSON object. The data is written once for each event, however often it is encoded. */
  encode(event: DomainEvent<unknown>, options?: EncodeOptions): string;
  /**
   * Checks a parsed envelope that nobody else holds; its data is frozen in place.
   * @throws {InvalidEvent} `EVT_ENVELOPE_INVALID`, `EVT_UNSUPPORTED_PAYLOAD`, `EVT_UNKNOWN_TYPE`.
   */
  readEnvelope(parsed: unknown): Envelope;
  /** Brings the data up to the current version and checks it. @throws {InvalidEvent} `EVT_DATA_INVALID`, … */
  toEvent(envelope: Envelope, data: JsonObject): EventInstance<unknown>;
  /** Both for text, bytes or an object of the caller, with the data inside. */
  decode(wire: unknown): EventInstance<unknown>;
}

/** The parts of an envelope that are the same for every event of a definition. */
interface FixedParts {
  readonly version: number;
  readonly schemaUri: string;
  /** Up to the value of `source`. */
  readonly json: string;
  /** Up to the value of `id`, with the store's own source. */
  readonly jsonWithSource: string;
}

export function createCodec(registry: DefinitionLookup, format: EnvelopeFormat, home: EventHome | undefined): Codec {
  const fixedParts = new Map<string, FixedParts>();
  const prefix = `${format.typePrefix}.`;
  const ownSource = JSON.stringify(home?.source ?? "");

  const partsOf = (type: string, version: number): FixedParts => {
    const cached = fixedParts.get(type);
    if (cached?.version === version) return cached;
    const schemaUri = format.schemaUri(type, version);
    const deprecated = registry.lookup(type)?.deprecated === undefined ? "" : ',"deprecated":true';
    const json = `{"specversion":"1.0","type":${JSON.stringify(prefix + type)},"datacontenttype":"application/json","dataschema":${JSON.stringify(schemaUri)}${deprecated},"source":`;
    const parts = { version, schemaUri, json, jsonWithSource: `${json}${ownSource},"id":` };
    fixedParts.set(type, parts);
    return parts;
  };

  const encode = (event: DomainEvent<unknown>, options?: EncodeOptions): string => {
    const instance = asInstance(event);
    const hidden = EventInstance.hidden(instance);
    const parts = partsOf(event.type, event.version);
    const head =
      hidden.source === undefined && home
        ? parts.jsonWithSource
        : `${parts.json}${JSON.stringify(sourceOf(instance))},"id":`;
    const id = JSON.stringify(event.id);
    const subject = event.subject === event.id ? id : JSON.stringify(event.subject);
    const correlationId = event.correlationId === event.id ? id : JSON.stringify(event.correlationId);
    const key = options?.key === undefined ? event.key : options.key;
    const rare = rareMembers(
      event,
      hidden,
      EventInstance.publishTrace(instance),
      key,
      event.sequence ?? options?.sequence ?? null,
    );
    const data =
      options?.dataRef === undefined
        ? `"data":${EventInstance.dataJson(instance)}`
        : `"dataref":${JSON.stringify(options.dataRef)}`;
    return `${head}${id},"subject":${subject},"time":"${event.time}","correlationid":${correlationId}${rare},${data}}`;
  };

  const readEnvelope = (parsed: unknown): Envelope => {
    if (!isRecord(parsed)) throw envelopeInvalid("envelope", "must be a JSON object");
    const attributes = parsed;
    checkAttributes(attributes);
    const wireType = textOf(attributes["type"]);
    const type = wireType.startsWith(prefix) ? wireType.slice(prefix.length) : undefined;
    const definition = type === undefined ? null : registry.lookup(type);
    if (!definition || !Definition.is(definition))
      throw new InvalidEvent("EVT_UNKNOWN_TYPE", {
        message: `No definition is registered for event type ${wireType.slice(0, 200)}`,
        details: { type: wireType.slice(0, 200) },
      });
    const dataRef = attributes["dataref"];
    return {
      attributes,
      definition,
      version: versionOf(textOf(attributes["dataschema"]), definition),
      data: dataOf(attributes),
      dataRef: typeof dataRef === "string" ? dataRef : undefined,
    };
  };

  const versionOf = (schemaUri: string, definition: Definition<unknown>): number => {
    if (schemaUri === partsOf(definition.type, definition.version).schemaUri) return definition.version;
    for (let version = definition.version - 1; version >= 1; version--) {
      if (schemaUri === format.schemaUri(definition.type, version)) return version;
    }
    // Written by another installation or a newer program: by convention the version stands at the end.
    const suffix = /v(\d{1,9})$/.exec(schemaUri)?.[1];
    if (suffix === undefined) throw envelopeInvalid("dataschema", "does not name a version");
    return Number(suffix);
  };

  const toEvent = (envelope: Envelope, data: JsonObject): EventInstance<unknown> => {
    const { attributes, definition } = envelope;
    const id = textOf(attributes["id"]);
    const extensions = extensionsOf(attributes);
    const meta = metaOf(attributes);
    return new EventInstance<unknown>(
      {
        id,
        source: textOf(attributes["source"]),
        type: definition.type,
        version: definition.version,
        subject: textOf(attributes["subject"]),
        time: normalTime(textOf(attributes["time"])),
        data: Definition.accept(definition, envelope.version, data),
        correlationId: canonicalCorrelationId(optionalText(attributes["correlationid"]) ?? id),
        causationId: optionalText(attributes["causationid"]) ?? null,
        rootCaller: optionalText(attributes["rootcaller"]) ?? null,
        traceparent: optionalText(attributes["traceparent"]) ?? null,
        tracestate: optionalText(attributes["tracestate"]) ?? null,
        key: optionalText(attributes["partitionkey"]) ?? null,
        sequence: optionalText(attributes["sequence"]) ?? null,
        extensions,
        meta,
        userId: optionalText(attributes["userid"]),
        userName: optionalText(attributes["username"]),
        actorId: optionalText(attributes["actorid"]),
        organizationId: optionalText(attributes["organizationid"]),
      },
      definition,
      home,
    );
  };

  return {
    encode,
    readEnvelope,
    toEvent,
    decode(wire) {
      const envelope = readEnvelope(parseWire(wire));
      if (envelope.data === undefined)
        throw envelopeInvalid("data", "is kept in a blob; only the event store's runner can fetch it");
      return toEvent(envelope, envelope.data);
    },
  };
}

/**
 * The wire form of an event: one CloudEvents 1.0 JSON object with the extension attributes of this store.
 * @throws {InvalidEvent} `EVT_NOT_AN_EVENT`.
 */
export function encodeEvent(event: DomainEvent<unknown>, format: Partial<EnvelopeFormat> = {}): string {
  return createCodec({ lookup: () => null }, { ...defaultFormat, ...format }, undefined).encode(event);
}

/**
 * The event of a wire form, given as text, bytes or parsed JSON. First the envelope is checked, then older data is
 * brought up to the current version, then the data is checked.
 * @throws {InvalidEvent} `EVT_ENVELOPE_INVALID`, `EVT_UNKNOWN_TYPE`, `EVT_UNSUPPORTED_PAYLOAD`, `EVT_DATA_INVALID`.
 */
export function decodeEvent(
  wire: string | Uint8Array | object,
  registry: DefinitionLookup,
  format: Partial<EnvelopeFormat> = {},
): DomainEvent<unknown> {
  return createCodec(registry, { ...defaultFormat, ...format }, undefined).decode(wire);
}

export function asInstance(event: unknown): EventInstance<unknown> {
  if (EventInstance.is(event)) return event;
  throw new InvalidEvent("EVT_NOT_AN_EVENT");
}

/** Without a store of its own to name, an event is encoded as from the store that it belongs to. */
function sourceOf({ source }: EventInstance<unknown>): string {
  if (source === "") throw attributeInvalid("source", "is missing: give one, or register the definition with a store");
  return source;
}

/** The attributes that most events lack. */
function rareMembers(
  event: DomainEvent<unknown>,
  hidden: HiddenAttributes,
  trace: TraceContext | undefined,
  key: string | null,
  sequence: string | null,
): string {
  let json = "";
  if (event.causationId !== null) json += member("causationid", event.causationId);
  const { traceparent, tracestate } = trace ?? { traceparent: event.traceparent, tracestate: hidden.tracestate };
  if (traceparent !== null) json += member("traceparent", traceparent);
  if (tracestate !== null) json += member("tracestate", tracestate);
  if (key !== null) json += member("partitionkey", key);
  if (sequence !== null) json += member("sequence", sequence);
  if (event.rootCaller !== null) json += member("rootcaller", event.rootCaller);
  if (hidden.meta !== undefined) json += member("logmeta", JSON.stringify(hidden.meta));
  if (hidden.userId !== undefined) json += member("userid", hidden.userId);
  if (hidden.userName !== undefined) json += member("username", hidden.userName);
  if (hidden.actorId !== undefined) json += member("actorid", hidden.actorId);
  if (hidden.organizationId !== undefined) json += member("organizationid", hidden.organizationId);
  if (event.extensions === noExtensions) return json;
  for (const name in event.extensions) json += `,"${name}":${JSON.stringify(event.extensions[name])}`;
  return json;
}

/** An empty text, as a context may hold, is an absent value. */
function member(name: string, value: string): string {
  return value === "" ? "" : `,"${name}":${JSON.stringify(value)}`;
}

type Attributes = Readonly<Record<string, unknown>>;

function parseWire(wire: unknown): unknown {
  if (isRecord(wire) && !(wire instanceof Uint8Array)) return copyWire(wire);
  if (typeof wire !== "string" && !(wire instanceof Uint8Array)) return wire;
  try {
    return JSON.parse(typeof wire === "string" ? wire : new TextDecoder("utf-8", { fatal: true }).decode(wire));
  } catch (error) {
    throw envelopeInvalid("envelope", "is not JSON", error);
  }
}

/** The data may be as deep as it could be by itself. */
function copyWire({ data, ...attributes }: Attributes): Attributes {
  if (data === undefined) return copyData(attributes);
  return { ...copyData(attributes), data: isRecord(data) ? copyData(data) : data };
}

function isRecord(value: unknown): value is Attributes {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const requiredAttributes = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"];
const textAttributes = [
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
];
const uriPattern = /^[a-z][a-z0-9+.-]*:\S+$/i;
const jsonContentType = /^application\/json\s*(;.*)?$/i;

/** Spelled out: a name that stands in the code is looked up several times as fast as one from a list. */
function checkAttributes(attributes: Attributes): void {
  const required =
    isText(attributes["specversion"]) &&
    isText(attributes["id"]) &&
    isText(attributes["source"]) &&
    isText(attributes["type"]) &&
    isText(attributes["subject"]) &&
    isText(attributes["time"]) &&
    isText(attributes["datacontenttype"]) &&
    isText(attributes["dataschema"]);
  if (!required) throw notText(attributes, requiredAttributes);
  if (attributes["specversion"] !== "1.0") throw envelopeInvalid("specversion", "must be 1.0");
  const contentType = textOf(attributes["datacontenttype"]);
  if (contentType !== "application/json" && !jsonContentType.test(contentType))
    throw new InvalidEvent("EVT_UNSUPPORTED_PAYLOAD", { details: { datacontenttype: contentType.slice(0, 200) } });
  if (Object.hasOwn(attributes, "data_base64")) throw new InvalidEvent("EVT_UNSUPPORTED_PAYLOAD");
  const optional =
    isTextOrAbsent(attributes["correlationid"]) &&
    isTextOrAbsent(attributes["causationid"]) &&
    isTextOrAbsent(attributes["traceparent"]) &&
    isTextOrAbsent(attributes["tracestate"]) &&
    isTextOrAbsent(attributes["partitionkey"]) &&
    isTextOrAbsent(attributes["sequence"]) &&
    isTextOrAbsent(attributes["rootcaller"]) &&
    isTextOrAbsent(attributes["logmeta"]) &&
    isTextOrAbsent(attributes["userid"]) &&
    isTextOrAbsent(attributes["username"]) &&
    isTextOrAbsent(attributes["actorid"]) &&
    isTextOrAbsent(attributes["organizationid"]) &&
    isTextOrAbsent(attributes["dataref"]);
  if (!optional) throw notText(attributes, textAttributes);
  const deprecated = attributes["deprecated"];
  if (deprecated !== undefined && typeof deprecated !== "boolean")
    throw envelopeInvalid("deprecated", "must be true or false");
  if (!isRfc3339(textOf(attributes["time"]))) throw envelopeInvalid("time", "must be an RFC 3339 time");
  if (!uriPattern.test(textOf(attributes["dataschema"]))) throw envelopeInvalid("dataschema", "must be a URI");
}

/** Names the first one that is at fault. */
function notText(attributes: Attributes, names: readonly string[]): InvalidEvent {
  const isAllowed = names === requiredAttributes ? isText : isTextOrAbsent;
  const name = names.find((candidate) => !isAllowed(attributes[candidate]));
  return envelopeInvalid(name ?? "envelope", "must be a text that is not empty");
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || isText(value);
}

function dataOf(attributes: Attributes): JsonObject | undefined {
  if (!Object.hasOwn(attributes, "data")) {
    if (attributes["dataref"] !== undefined) return undefined;
    throw envelopeInvalid("data", "is missing");
  }
  return checkedData(attributes["data"]);
}

/** Freezes parsed data. @throws {InvalidEvent} `EVT_ENVELOPE_INVALID` when it is no object or too deep. */
export function checkedData(data: unknown): JsonObject {
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw envelopeInvalid("data", "must be an object");
  if (!Object.isFrozen(data) && !freezeParsed(data)) throw envelopeInvalid("data", "is nested too deeply");
  return data as JsonObject;
}

function extensionsOf(attributes: Attributes): Readonly<Record<string, ExtensionValue>> {
  let extensions: Record<string, ExtensionValue> | undefined;
  for (const name in attributes) {
    if (envelopeAttributes.has(name)) continue;
    const value = attributes[name];
    if (!/^[a-z0-9]{1,20}$/.test(name)) throw envelopeInvalid(name.slice(0, 40), "is not an attribute name");
    if (!isExtensionValue(value)) throw envelopeInvalid(name, "must be text, true or false, or a 32-bit integer");
    extensions ??= {};
    extensions[name] = value;
  }
  return extensions ? Object.freeze(extensions) : noExtensions;
}

function metaOf(attributes: Attributes): Readonly<Record<string, string>> | undefined {
  const json = optionalText(attributes["logmeta"]);
  if (json === undefined) return undefined;
  try {
    const meta: unknown = JSON.parse(json);
    if (isRecord(meta) && Object.values(meta).every((value) => typeof value === "string"))
      return meta as Record<string, string>;
  } catch {
    // Told below together with JSON of another shape.
  }
  throw envelopeInvalid("logmeta", "must be a JSON object of texts");
}

/** Ours are written in this form already; only foreign ones need to be parsed. */
function normalTime(time: string): string {
  return time.length === 24 && time[10] === "T" && time.endsWith("Z") ? time : new Date(time).toISOString();
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function optionalText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function envelopeInvalid(attribute: string, problem: string, cause?: unknown): InvalidEvent {
  return new InvalidEvent("EVT_ENVELOPE_INVALID", {
    message: `Envelope attribute \`${attribute}\` ${problem}`,
    cause,
    details: { attribute },
  });
}
