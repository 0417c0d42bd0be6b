import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { HttpProblem, type InflateInTurn, readBody } from "@signalbox/http";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** Deepest nesting of arrays and objects that is taken. */
const maxDepth = 16;
const encodings: ReadonlySet<string> = new Set(["", "identity", "gzip", "deflate"]);
const mediaType = /^application\/json\s*(?:;(.*))?$/i;

/**
 * Registers the parser of this API in place of the shared one: a name such as `__proto__` in `meta` is left out there
 * and no reason to refuse, nesting is bounded more tightly, and only the codings that producers use are taken.
 */
export function addCheckpointParser(app: FastifyInstance, inflateInTurn: InflateInTurn): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", async (request: FastifyRequest, payload: IncomingMessage): Promise<unknown> => {
    requireJson(request.headers["content-type"] ?? "");
    const encoding = (request.headers["content-encoding"] ?? "").trim().toLowerCase();
    if (!encodings.has(encoding))
      throw new HttpProblem("unsupported_encoding", { headers: { "accept-encoding": "gzip, deflate, identity" } });
    const { body } = request.routeOptions.config;
    const limits = { maxBytes: body?.maxBytes ?? 65_536, maxInflatedBytes: body?.maxInflatedBytes ?? 65_536 };
    const bytes = await readBody(payload, request.headers, limits, inflateInTurn);
    return isBatch(request) ? new BatchText(bytes) : parseCheckpointJson(bytes);
  });
}

export function isBatch(request: FastifyRequest): boolean {
  return request.routeOptions.url?.endsWith("/batch") ?? false;
}

/** The JSON of a batch, after decompression: it is parsed when the batch has its turn. */
export class BatchText {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

function requireJson(contentType: string): void {
  const parameters = mediaType.exec(contentType);
  if (!parameters) throw new HttpProblem("unsupported_media_type");
  const charset = /(?:^|;)\s*charset\s*=\s*"?([^";\s]*)/i.exec(parameters[1] ?? "")?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) throw new HttpProblem("unsupported_media_type");
}

/**
 * The value of a JSON text; a leading byte-order mark is skipped, of a repeated key the last wins.
 * @throws {HttpProblem} `empty_body`, `malformed_json`
 */
export function parseCheckpointJson(bytes: Uint8Array): unknown {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  if (bytes.length === start) throw new HttpProblem("empty_body");
  if (!isUtf8(bytes)) throw new HttpProblem("malformed_json", { detail: "The body is not UTF-8." });
  if (isTooDeep(bytes))
    throw new HttpProblem("malformed_json", { detail: `The body is nested deeper than ${maxDepth} levels.` });
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start).toString("utf8");
  if (text.trim() === "") throw new HttpProblem("empty_body");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HttpProblem("malformed_json", { detail: "The body is not JSON.", cause });
  }
}

/** Before it is parsed: a parser that recurses must not see hostile nesting. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === 0x22) {
      for (index++; index < bytes.length && bytes[index] !== 0x22; index++) if (bytes[index] === 0x5c) index++;
    } else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > maxDepth) return true;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return false;
}
