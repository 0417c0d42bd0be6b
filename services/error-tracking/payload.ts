import { isUtf8 } from "node:buffer";
import { promisify } from "node:util";
import { gunzipSync, gzip } from "node:zlib";

/** An event's bytes inside a queued message. Whatever the encoding, unpacking gives exactly the bytes received. */
export interface PackedPayload {
  /** `text`: UTF-8 without NUL, as it stands; `base64`: everything else; `gzip`: compressed, then base64. */
  readonly encoding: "text" | "base64" | "gzip";
  readonly content: string;
  /** Length of the unpacked bytes. */
  readonly bytes: number;
}

/**
 * Larger payloads are compressed: an eighth of the space in the queue is worth more than the time, and the
 * limit of the broker's messages is not reached.
 */
const compressAboveBytes = 64 * 1024;

const compress = promisify(gzip);

/** Resolves at once for payloads of usual size. Leaves `bytes` alone and keeps no view of it. */
export async function packPayload(bytes: Uint8Array): Promise<PackedPayload> {
  if (bytes.length > compressAboveBytes) {
    const compressed = await compress(bytes, { level: 1 });
    return { encoding: "gzip", content: compressed.toString("base64"), bytes: bytes.length };
  }
  // PostgreSQL takes no NUL in text.
  const encoding = isUtf8(bytes) && !bytes.includes(0) ? "text" : "base64";
  const content = asBuffer(bytes).toString(encoding === "text" ? "utf8" : "base64");
  return { encoding, content, bytes: bytes.length };
}

/** The bytes that were packed. Reserves no more memory than the payload says it needs. */
export function unpackPayload(payload: PackedPayload): Uint8Array {
  switch (payload.encoding) {
    case "text":
      return Buffer.from(payload.content, "utf8");
    case "base64":
      return Buffer.from(payload.content, "base64");
    case "gzip":
      return gunzipSync(Buffer.from(payload.content, "base64"), { maxOutputLength: Math.max(1, payload.bytes) });
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
