import { type Dsn, parseDsn } from "./dsn.js";
import { ProtocolError } from "./errors.js";
import { nilId, normalizeEventId } from "./event-id.js";
import { itemTypes } from "./item-types.js";
import { asBuffer, decodeUtf8, parseText } from "./json.js";
import { isJsonObject, type JsonObject, type JsonValue } from "./json-value.js";
import { parseLeniently } from "./lenient-json.js";
import { PlainFields } from "./plain-fields.js";

export interface EnvelopeLimits {
  /** Longest header line, of the envelope and of an item. */
  readonly maxHeaderBytes: number;
  readonly maxItems: number;
}

export const defaultEnvelopeLimits: EnvelopeLimits = { maxHeaderBytes: 8192, maxItems: 1000 };

export interface EnvelopeHeader {
  /** Normalised; undefined when missing or invalid. */
  readonly eventId: string | undefined;
  readonly dsn: Dsn | undefined;
  /** When the client sent it by its own clock. */
  readonly sentAtMs: number | undefined;
  readonly sdk: JsonObject | undefined;
  readonly trace: JsonObject | undefined;
  /** Names of optional fields that were there but unusable, and are left out above. */
  readonly dropped: readonly string[];
}

export interface ItemHeader {
  /** As sent; empty when the header has no usable type. */
  readonly type: string;
  /** Announced payload bytes; undefined: the payload ends at the next line feed. */
  readonly length: number | undefined;
  /** Everything the client wrote, unknown attributes included. */
  readonly attributes: JsonObject;
}

export interface EnvelopeItem extends ItemHeader {
  /** A view into the envelope's bytes, not a copy. */
  readonly payload: Uint8Array;
}

export interface Envelope {
  readonly header: EnvelopeHeader;
  /** The items that arrived whole, in order. */
  readonly items: readonly EnvelopeItem[];
  /** Set when something behind the last of `items` is broken; that rest is not read. */
  readonly error?: ProtocolError;
}

const lineFeed = 0x0a;

/**
 * Splits an envelope into header and items. Copies no payload and does not look into it.
 * @throws {ProtocolError} when there is no usable envelope header: `ET_BODY_EMPTY`, `ET_ENVELOPE_MALFORMED`, and what
 *   `parseDsn` throws for its DSN. Later damage is reported in `error`.
 */
export function parseEnvelope(bytes: Uint8Array, limits: EnvelopeLimits = defaultEnvelopeLimits): Envelope {
  if (bytes.length === 0) throw new ProtocolError("ET_BODY_EMPTY");
  const buffer = asBuffer(bytes);
  const line = new PlainFields(buffer, limits.maxHeaderBytes);
  let header = readPlainHeader(line);
  let headerEnd = line.lineEnd;
  if (!header) {
    headerEnd = lineEnd(buffer, 0, limits.maxHeaderBytes);
    header = readEnvelopeHeader(decodeUtf8(buffer, 0, headerEnd));
  }
  const items: EnvelopeItem[] = [];
  try {
    for (let at = headerEnd + 1; at < buffer.length; ) {
      if (items.length === limits.maxItems) throw tooManyItems(limits);
      const item = itemAt(buffer, line, at, limits.maxHeaderBytes);
      items.push(item);
      at = item.end + 1;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { header, items, error };
  }
  return { header, items };
}

/** The header when its line is plain; undefined when the full parser has to look at it. */
function readPlainHeader(line: PlainFields): EnvelopeHeader | undefined {
  line.begin(0);
  const fields: HeaderFields = {
    event_id: undefined,
    dsn: undefined,
    sent_at: undefined,
    sdk: undefined,
    trace: undefined,
  };
  let eventId: string | undefined;
  let sentAtMs: number | undefined;
  while (line.next()) {
    if (line.isKey("event_id")) {
      fields.event_id = line.value();
      eventId =
        line.isLowerHex(32) && !line.isValue(nilId) ? String(fields.event_id) : normalizeEventId(fields.event_id);
    } else if (line.isKey("sent_at")) {
      if (fields.sent_at !== undefined) return undefined;
      sentAtMs = line.timeMs();
      fields.sent_at = sentAtMs ?? line.value();
    } else if (line.isKey("dsn")) {
      fields.dsn = line.value();
    } else if (line.isKey("sdk")) {
      fields.sdk = line.value();
    } else if (line.isKey("trace")) {
      fields.trace = line.value();
    }
  }
  if (line.lineEnd < 0) return undefined;
  return toEnvelopeHeader(fields, eventId, sentAtMs ?? readTimeMs(fields.sent_at));
}

function itemAt(buffer: Buffer, line: PlainFields, start: number, maxBytes: number): ItemView {
  line.begin(start);
  let type = "";
  let length: number | undefined;
  let isPlain = true;
  while (line.next()) {
    if (line.isKey("type")) {
      type = line.kind === "text" ? typeAt(line) : "";
    } else if (line.isKey("length")) {
      isPlain = line.kind === "number";
      length = isPlain ? line.number() : undefined;
    }
  }
  if (isPlain && line.lineEnd >= 0) return new ItemView(buffer, start, line.lineEnd, type, length, undefined);
  const end = lineEnd(buffer, start, maxBytes);
  const header = readItemHeader(decodeUtf8(buffer, start, end));
  return new ItemView(buffer, start, end, header.type, header.length, header.attributes);
}

/** Most types are known, and a name that is there already needs no text of its own. */
function typeAt(line: PlainFields): string {
  for (const type of itemTypes) if (line.isValue(type)) return type;
  return String(line.value());
}

/** An item where it stands in its envelope. Most attributes are never asked for, so they are read when they are. */
class ItemView implements EnvelopeItem {
  readonly type: string;
  readonly length: number | undefined;
  readonly payload: Uint8Array;
  /** Where its payload ends. */
  readonly end: number;
  readonly #buffer: Buffer;
  readonly #start: number;
  readonly #headerEnd: number;
  #attributes: JsonObject | undefined;

  /** @throws {ProtocolError} `ET_ENVELOPE_MALFORMED` when its payload does not end where the header says */
  constructor(
    buffer: Buffer,
    start: number,
    headerEnd: number,
    type: string,
    length: number | undefined,
    attributes: JsonObject | undefined,
  ) {
    const payloadStart = Math.min(headerEnd + 1, buffer.length);
    this.type = type;
    this.length = length;
    this.end = payloadEnd(buffer, payloadStart, length);
    this.payload = buffer.subarray(payloadStart, this.end);
    this.#buffer = buffer;
    this.#start = start;
    this.#headerEnd = headerEnd;
    this.#attributes = attributes;
  }

  get attributes(): JsonObject {
    this.#attributes ??= parseHeaderLine(decodeUtf8(this.#buffer, this.#start, this.#headerEnd));
    return this.#attributes;
  }
}

function lineEnd(bytes: Uint8Array, start: number, maxBytes: number): number {
  const found = bytes.indexOf(lineFeed, start);
  const end = found < 0 ? bytes.length : found;
  if (end - start > maxBytes) throw headerTooLong(maxBytes);
  return end;
}

function payloadEnd(bytes: Uint8Array, start: number, length: number | undefined): number {
  if (length === undefined) {
    const found = bytes.indexOf(lineFeed, start);
    return found < 0 ? bytes.length : found;
  }
  const end = start + length;
  if (end > bytes.length) throw truncatedPayload();
  if (end < bytes.length && bytes[end] !== lineFeed) throw missingTerminator();
  return end;
}

export const headerTooLong = (maxBytes: number): ProtocolError =>
  malformed("A header line is longer than allowed.", { maxBytes });
export const truncatedPayload = (): ProtocolError =>
  malformed("The envelope ends before the payload of its last item does.");
export const missingTerminator = (): ProtocolError =>
  malformed("The payload of an item is longer than its header says.");
export const tooManyItems = ({ maxItems }: EnvelopeLimits): ProtocolError =>
  new ProtocolError("ET_ITEMS_TOO_MANY", { details: { maxItems } });

function malformed(message: string, details: Readonly<Record<string, unknown>> = {}, cause?: unknown): ProtocolError {
  return new ProtocolError("ET_ENVELOPE_MALFORMED", { message, details, cause });
}

/** @throws {ProtocolError} `ET_ENVELOPE_MALFORMED`, and what `parseDsn` throws */
export function parseEnvelopeHeader(line: Uint8Array): EnvelopeHeader {
  return readEnvelopeHeader(decodeUtf8(line));
}

function readEnvelopeHeader(text: string): EnvelopeHeader {
  refuseSecondSentAt(text);
  const { event_id, dsn, sent_at, sdk, trace } = parseHeaderLine(text);
  return toEnvelopeHeader({ event_id, dsn, sent_at, sdk, trace }, normalizeEventId(event_id), readTimeMs(sent_at));
}

/** What is read of an envelope header, as it was sent. */
interface HeaderFields {
  event_id: JsonValue | undefined;
  dsn: JsonValue | undefined;
  sent_at: JsonValue | undefined;
  sdk: JsonValue | undefined;
  trace: JsonValue | undefined;
}

function toEnvelopeHeader(
  fields: HeaderFields,
  eventId: string | undefined,
  sentAtMs: number | undefined,
): EnvelopeHeader {
  const { event_id: id, dsn, sent_at: sentAt, sdk, trace } = fields;
  const usableSdk = isJsonObject(sdk) ? sdk : undefined;
  const usableTrace = isJsonObject(trace) ? trace : undefined;
  const dropped: string[] = [];
  if (eventId === undefined && isThere(id)) dropped.push("event_id");
  if (sentAtMs === undefined && isThere(sentAt)) dropped.push("sent_at");
  if (usableSdk === undefined && isThere(sdk)) dropped.push("sdk");
  if (usableTrace === undefined && isThere(trace)) dropped.push("trace");
  return {
    eventId,
    dsn: isThere(dsn) && dsn !== "" ? parseDsn(String(dsn)) : undefined,
    sentAtMs,
    sdk: usableSdk,
    trace: usableTrace,
    dropped,
  };
}

function isThere(value: JsonValue | undefined): boolean {
  return value !== undefined && value !== null;
}

/** @throws {ProtocolError} `ET_ENVELOPE_MALFORMED` */
export function parseItemHeader(line: Uint8Array): ItemHeader {
  return readItemHeader(decodeUtf8(line));
}

function readItemHeader(line: string): ItemHeader {
  const attributes = parseHeaderLine(line);
  const { type, length } = attributes;
  if (length !== undefined && (typeof length !== "number" || length < 0 || !Number.isSafeInteger(length)))
    throw malformed("The length of an item is not a whole number of bytes.");
  return { type: typeof type === "string" ? type : "", length, attributes };
}

function parseHeaderLine(line: string): JsonObject {
  let cause: unknown;
  try {
    const value = parseText(line);
    if (isJsonObject(value)) return value;
  } catch (error) {
    cause = error;
  }
  throw malformed("A header line is not a JSON object.", {}, cause);
}

const sentAtKey = '"sent_at"';

/** Two send times leave open by how much the client's clock is off, so neither is believed. */
function refuseSecondSentAt(text: string): void {
  const first = text.indexOf(sentAtKey);
  // One plain spelling and no escape that could hide a second one: the normal case.
  if (text.lastIndexOf(sentAtKey) === first && !text.includes("\\u")) return;
  parseLeniently(text, {
    maxDepth: 200,
    onDuplicateKey(key, depth) {
      if (key === "sent_at" && depth === 1) throw malformed("The envelope header has two send times.");
    },
  });
}

function readTimeMs(value: JsonValue | undefined): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined;
  if (typeof value !== "string") return undefined;
  const timeMs = Date.parse(value);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
