import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { readBody } from "./body.js";
import { HttpProblem } from "./problems.js";
import { routeOf } from "./route.js";

/** Deepest nesting of arrays and objects that `parseJson` takes unless told otherwise. */
export const defaultMaxJsonDepth = 200;

/** Registers the parser of `application/json` and `application/*+json`. Encapsulated plugins can register their own. */
export function addJsonParser(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    /^application\/(?:[a-z0-9!#$&^_.+-]+\+)?json *(?:;|$)/i,
    async (request: FastifyRequest, payload: IncomingMessage): Promise<unknown> => {
      requireUtf8(request.headers["content-type"] ?? "");
      const route = routeOf(request);
      const bytes = await readBody(payload, request.headers, route.body);
      // Clients that always send a content type do so with an empty DELETE or POST too.
      if (bytes.length === 0 && !route.takesBody) return undefined;
      return parseJson(bytes);
    },
  );
}

function requireUtf8(contentType: string): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(contentType)?.[1];
  if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset)) throw new HttpProblem("unsupported_media_type");
}

/**
 * The value of a JSON text. Refused beside bad syntax: invalid UTF-8, nesting deeper than `maxDepth`, and every key that
 * could reach a prototype when the value is merged into another object: `__proto__` anywhere, `prototype` inside
 * `constructor`, escaped, repeated or not. A leading byte-order mark is skipped; of a repeated key the last wins.
 * @throws {HttpProblem} `empty_body` or `malformed_json`.
 */
export function parseJson(bytes: Uint8Array, maxDepth = defaultMaxJsonDepth): unknown {
  const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  if (bytes.length === start) throw new HttpProblem("empty_body");
  if (!isUtf8(bytes)) throw malformed("The body is not UTF-8.");
  const fault = findFault(bytes, start, maxDepth);
  if (fault !== undefined) throw malformed(fault);
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start).toString("utf8"));
  } catch (cause) {
    throw malformed("The body is not JSON.", cause);
  }
}

function malformed(detail: string, cause?: unknown): HttpProblem {
  return new HttpProblem("malformed_json", cause === undefined ? { detail } : { detail, cause });
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * One pass over the text, before it is parsed: a parser that recurses must not see hostile nesting, and keys that
 * repeat are gone afterwards. Syntax is left to the parser.
 */
function findFault(bytes: Uint8Array, start: number, maxDepth: number): string | undefined {
  // 1 at the depths of objects that are the value of a key `constructor`.
  const insideConstructor = new Uint8Array(maxDepth + 2);
  let depth = 0;
  let constructorIsNext = false;
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === quote) {
      const textStart = index + 1;
      let escaped = false;
      for (index = textStart; index < bytes.length && bytes[index] !== quote; index++) {
        if (bytes[index] !== backslash) continue;
        escaped = true;
        index++;
      }
      if (!isFollowedByColon(bytes, index + 1)) continue;
      const key = specialKey(bytes, textStart, index, escaped);
      if (key === "__proto__" || (key === "prototype" && insideConstructor[depth] === 1))
        return `The body has a key "${key}", which is not accepted here.`;
      constructorIsNext = key === "constructor";
    } else if (byte === openBrace || byte === openBracket) {
      if (++depth > maxDepth) return `The body is nested deeper than ${maxDepth} levels.`;
      insideConstructor[depth] = byte === openBrace && constructorIsNext ? 1 : 0;
      constructorIsNext = false;
    } else if (byte === closeBrace || byte === closeBracket) {
      if (depth > 0) depth--;
      constructorIsNext = false;
    } else if (byte === comma) {
      constructorIsNext = false;
    }
  }
  return undefined;
}

function isFollowedByColon(bytes: Uint8Array, from: number): boolean {
  for (let index = from; ; index++) {
    const byte = bytes[index];
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) continue;
    return byte === colon;
  }
}

/** The key, decoded, when it can be one of the special ones; most keys are told apart by length alone. */
function specialKey(bytes: Uint8Array, start: number, end: number, escaped: boolean): string | undefined {
  const length = end - start;
  if (!escaped && length !== 9 && length !== 11) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("utf8");
  if (!escaped) return text;
  try {
    const decoded: unknown = JSON.parse(`"${text}"`);
    return typeof decoded === "string" ? decoded : undefined;
  } catch {
    return undefined;
  }
}
