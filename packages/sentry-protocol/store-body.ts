import { inflateSync } from "node:zlib";
import { errorCode } from "@signalbox/kernel";
import { ProtocolError } from "./errors.js";

const openingBrace = 0x7b;

/**
 * The JSON bytes of a `store` request: the body itself when it begins with `{` (behind a byte-order mark or white
 * space), else what its base64 text holds, JSON or JSON compressed by zlib. No more than `maxBytes` are ever made.
 * @throws {ProtocolError} `ET_BODY_EMPTY`, `ET_BODY_CORRUPT`, `ET_BODY_TOO_LARGE`
 */
export function readStoreBody(body: Uint8Array, maxBytes: number): Uint8Array {
  const json = beginsWithBrace(body) ? body : decodeBase64(body, maxBytes);
  if (json.length > maxBytes) throw new ProtocolError("ET_BODY_TOO_LARGE", { details: { maxBytes } });
  return json;
}

function beginsWithBrace(bytes: Uint8Array): boolean {
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  while (at < bytes.length && (bytes[at] ?? 0) <= 0x20) at++;
  if (at >= bytes.length) throw new ProtocolError("ET_BODY_EMPTY");
  return bytes[at] === openingBrace;
}

/** Both alphabets, white space anywhere, padding or not. */
const base64Pattern = /^[A-Za-z0-9+/_\s-]*={0,2}\s*$/;

function decodeBase64(body: Uint8Array, maxBytes: number): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1");
  if (!base64Pattern.test(text)) throw new ProtocolError("ET_BODY_CORRUPT");
  const decoded = Buffer.from(text, "base64");
  if (decoded.length > 0 && beginsWithBrace(decoded)) return decoded;
  try {
    return inflateSync(decoded, { maxOutputLength: maxBytes });
  } catch (cause) {
    const tooLarge = errorCode(cause) === "ERR_BUFFER_TOO_LARGE";
    throw new ProtocolError(tooLarge ? "ET_BODY_TOO_LARGE" : "ET_BODY_CORRUPT", { cause, details: { maxBytes } });
  }
}
