import { type Dsn, parseDsn } from "./dsn.js";
import { ProtocolError } from "./errors.js";
import { normalizeEventId } from "./event-id.js";
import { decodeUtf8, parseText } from "./json.js";
import { isJsonObject, type JsonObject, type JsonValue } from "./json-value.js";
import { parseLeniently } from "./lenient-json.js";

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
  const headerEnd = lineEnd(bytes, 0, limits.maxHeaderBytes);
  const header = readEnvelopeHeader(decodeUtf8(bytes, 0, headerEnd));
  const items: EnvelopeItem[] = [];
  try {
    for (let at = headerEnd + 1; at < bytes.length; ) {
      if (items.length === limits.maxItems) throw tooManyItems(limits);
      const itemHeaderEnd = lineEnd(bytes, at, limits.maxHeaderBytes);
      const { type, length, attributes } = readItemHeader(decodeUtf8(bytes, at, itemHeaderEnd));
      const start = Math.min(itemHeaderEnd + 1, bytes.length);
      const end = payloadEnd(bytes, start, length);
      items.push({ type, length, attributes, payload: bytes.subarray(start, end) });
      at = end + 1;
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return { header, items, error };
  }
  return { header, items };
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
  const fields = parseHeaderLine(text);
  refuseSecondSentAt(text);
  const { event_id: id, dsn, sent_at: sentAt, sdk, trace } = fields;
  const eventId = id === undefined ? undefined : normalizeEventId(id);
  const sentAtMs = sentAt === undefined ? undefined : readTimeMs(sentAt);
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

function readTimeMs(value: JsonValue): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined;
  if (typeof value !== "string") return undefined;
  const timeMs = Date.parse(value);
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
