import { isUtf8 } from "node:buffer";
import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";

/** An event's bytes inside a queued message. Whatever the encoding, unpacking gives exactly the bytes received. */
export interface PackedPayload {
  /** `text`: UTF-8 without NUL, as it stands; `base64`: everything else; `gzip`: compressed, then base64. */
  readonly encoding: "text" | "base64" | "gzip";
  readonly content: string;
  /** Length of the payload. */
  readonly bytes: number;
  /** `gzip`: where the payload begins in what comes out. Default 0. */
  readonly offset?: number;
}

/** A payload of which the client sent a compressed form, maybe with a little around it. */
export interface CompressedForm {
  readonly gzip: Uint8Array;
  /** Where the payload begins in what comes out. */
  readonly offset: number;
}

/** Larger payloads are compressed: the space in the queue is worth more than the time. */
const compressAboveBytes = 64 * 1024;

/** Smaller ones stay text even when a compressed form is at hand: unpacking it would cost more than it saves. */
const keepTextBelowBytes = 1024;

const compress = promisify(gzip);

/**
 * Packs a payload; what the client compressed is taken as it came, as that is a fifth of the bytes to write. A promise only
 * where a large payload has to be compressed. Keeps no view of its arguments.
 */
export function packPayload(bytes: Uint8Array, compressed?: CompressedForm): PackedPayload | Promise<PackedPayload> {
  if (compressed && bytes.length >= keepTextBelowBytes)
    return {
      encoding: "gzip",
      content: toText(compressed.gzip, "base64"),
      bytes: bytes.length,
      offset: compressed.offset,
    };
  if (bytes.length > compressAboveBytes) return compressPayload(bytes);
  // PostgreSQL takes no NUL in text.
  const isText = isUtf8(bytes) && !bytes.includes(0);
  return isText
    ? { encoding: "text", content: toText(bytes, "utf8"), bytes: bytes.length }
    : { encoding: "base64", content: toText(bytes, "base64"), bytes: bytes.length };
}

async function compressPayload(bytes: Uint8Array): Promise<PackedPayload> {
  const compressed = await compress(bytes, { level: 1 });
  return { encoding: "gzip", content: compressed.toString("base64"), bytes: bytes.length };
}

/** The bytes that were packed. */
export function unpackPayload({ encoding, content, bytes, offset = 0 }: PackedPayload): Uint8Array {
  if (encoding === "text") return Buffer.from(content, "utf8");
  const decoded = Buffer.from(content, "base64");
  return encoding === "base64" ? decoded : gunzipSync(decoded).subarray(offset, offset + bytes);
}

function toText(bytes: Uint8Array, encoding: "utf8" | "base64"): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding);
}
