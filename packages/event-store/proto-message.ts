import { isExtensionValue } from "./create-options.js";
import { createCodec, type DefinitionLookup, defaultFormat, type EnvelopeFormat } from "./envelope.js";
import { InvalidEvent } from "./errors.js";
import type { DomainEvent } from "./event.js";

/** A point in time as protobuf's `Timestamp` has it. */
export interface ProtoTimestamp {
  /** Since the Unix epoch. */
  readonly seconds: number | bigint | string;
  readonly nanos: number;
}

/** A typed attribute: exactly one member. */
export interface ProtoAttribute {
  readonly ceBoolean?: boolean;
  /** 32 bits. */
  readonly ceInteger?: number;
  readonly ceString?: string;
  readonly ceUri?: string;
  readonly ceUriRef?: string;
  readonly ceTimestamp?: ProtoTimestamp;
  readonly ceBytes?: Uint8Array;
}

/** A plain object of the shape of `io.cloudevents.v1.CloudEvent`, with the member names of protobuf's JSON mapping. */
export interface ProtoMessage {
  readonly id: string;
  readonly source: string;
  readonly specVersion: string;
  readonly type: string;
  /** Everything else that is no payload. */
  readonly attributes: Readonly<Record<string, ProtoAttribute>>;
  /** The payload, JSON; empty for `{}`. */
  readonly textData?: string;
  readonly binaryData?: Uint8Array;
  readonly protoData?: object;
}

/** Attributes whose type is not that of their JSON form. */
const uriAttributes = new Set(["dataschema"]);
const timeAttributes = new Set(["time"]);
const explicitFields = new Set(["id", "source", "specversion", "type", "data"]);

/** The event as a protobuf library takes it. @throws {InvalidEvent} `EVT_NOT_AN_EVENT`. */
export function toProtoMessage(event: DomainEvent<unknown>, format: Partial<EnvelopeFormat> = {}): ProtoMessage {
  const codec = createCodec({ lookup: () => null }, { ...defaultFormat, ...format }, undefined);
  // Written by the codec just now: one JSON object.
  const wire = JSON.parse(codec.encode(event)) as Readonly<Record<string, string | number | boolean | object>>;
  const attributes = Object.entries(wire).filter(([name]) => !explicitFields.has(name));
  return {
    id: String(wire["id"]),
    source: String(wire["source"]),
    specVersion: String(wire["specversion"]),
    type: String(wire["type"]),
    attributes: Object.fromEntries(attributes.map(([name, value]) => [name, toAttribute(name, value)])),
    textData: JSON.stringify(wire["data"]),
  };
}

function toAttribute(name: string, value: unknown): ProtoAttribute {
  if (typeof value === "boolean") return { ceBoolean: value };
  if (typeof value === "number") return { ceInteger: value };
  const text = String(value);
  if (uriAttributes.has(name)) return { ceUri: text };
  return timeAttributes.has(name) ? { ceTimestamp: toTimestamp(text) } : { ceString: text };
}

function toTimestamp(time: string): ProtoTimestamp {
  const timeMs = Date.parse(time);
  const seconds = Math.floor(timeMs / 1_000);
  return { seconds, nanos: (timeMs - seconds * 1_000) * 1_000_000 };
}

/**
 * The event of such an object. The envelope is checked, older data brought up to the current version, the data checked.
 * @throws {InvalidEvent} `EVT_UNSUPPORTED_PAYLOAD` for a payload that is no text; `EVT_ENVELOPE_INVALID`,
 * `EVT_UNKNOWN_TYPE`, `EVT_DATA_INVALID`.
 */
export function fromProtoMessage(
  message: ProtoMessage,
  registry: DefinitionLookup,
  format: Partial<EnvelopeFormat> = {},
): DomainEvent<unknown> {
  if (typeof message !== "object" || message === null) throw invalid("envelope", "must be an object");
  const { id, source, specVersion, type, attributes = {} } = message;
  const typed = Object.entries(attributes)
    .filter(([name]) => !explicitFields.has(name))
    .map(([name, attribute]) => [name, fromAttribute(name, attribute)]);
  const data = payloadOf(message);
  const wire = {
    ...Object.fromEntries(typed),
    id,
    source,
    specversion: specVersion,
    type,
    ...(data !== undefined && { data }),
  };
  return createCodec(registry, { ...defaultFormat, ...format }, undefined).decode(wire);
}

function payloadOf({ textData, binaryData, protoData }: ProtoMessage): unknown {
  if (isGiven(binaryData) || isGiven(protoData)) throw new InvalidEvent("EVT_UNSUPPORTED_PAYLOAD");
  if (!isGiven(textData)) return undefined;
  if (typeof textData !== "string") throw invalid("data", "must be text");
  if (textData === "") return {};
  try {
    return JSON.parse(textData);
  } catch (error) {
    throw invalid("data", "is not JSON", error);
  }
}

/** Protobuf libraries write `null` or `undefined` for the variants that are not chosen. */
function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function fromAttribute(name: string, attribute: ProtoAttribute): unknown {
  const variants = Object.entries(attribute ?? {}).filter(([, value]) => isGiven(value));
  const [variant] = variants;
  if (!variant || variants.length > 1) throw invalid(name, "must have exactly one value");
  const [kind, value] = variant;
  switch (kind) {
    case "ceTimestamp":
      return fromTimestamp(name, value);
    case "ceBoolean":
    case "ceInteger":
    case "ceString":
    case "ceUri":
    case "ceUriRef":
      if (isExtensionValue(value) && typeof value === jsonTypes[kind]) return value;
      break;
    default:
  }
  throw invalid(name, "has a value of a kind that is not supported");
}

const jsonTypes = {
  ceBoolean: "boolean",
  ceInteger: "number",
  ceString: "string",
  ceUri: "string",
  ceUriRef: "string",
} as const;

function fromTimestamp(name: string, value: unknown): string {
  const { seconds, nanos = 0 } = (typeof value === "object" && value !== null ? value : {}) as Partial<ProtoTimestamp>;
  const timeMs = Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000);
  const time = new Date(timeMs);
  if (seconds === undefined || Number.isNaN(time.getTime())) throw invalid(name, "is no time");
  return time.toISOString();
}

function invalid(attribute: string, problem: string, cause?: unknown): InvalidEvent {
  return new InvalidEvent("EVT_ENVELOPE_INVALID", {
    message: `Envelope attribute \`${attribute}\` ${problem}`,
    cause,
    details: { attribute },
  });
}
