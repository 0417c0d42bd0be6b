import type { IncomingHttpHeaders } from "node:http";
import type { Readable, Transform } from "node:stream";
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
} from "node:zlib";
import { HttpProblem } from "./problems.js";

export interface BodyLimits {
  /** Bytes as sent. */
  readonly maxBytes: number;
  /** Bytes after decompression. */
  readonly maxInflatedBytes: number;
}

/**
 * Calls `inflate` when there is room for it, and gives back what it does. The body of `sentBytes` is whole by then: no
 * slow client keeps others waiting.
 */
export type InflateInTurn = (sentBytes: number, inflate: () => Promise<Buffer>) => Promise<Buffer>;

/** Content codings that API routes take; named in the answer to any other. */
export const acceptedEncodings = "gzip, deflate, br, identity";

/**
 * The whole body, decompressed. Both limits are counted while bytes arrive: beyond a limit reading and decompressing
 * stop at once. What takes long to decompress does so `inTurn`, by default at once.
 * @throws {HttpProblem} `body_too_large` naming the limit, `unsupported_encoding`, `malformed_json` when the coding is
 * corrupt, `malformed_request` when the client goes away in the middle.
 */
export async function readBody(
  source: Readable,
  headers: IncomingHttpHeaders,
  limits: BodyLimits,
  inTurn: InflateInTurn = (_, inflate) => inflate(),
): Promise<Buffer> {
  const encoding = (headers["content-encoding"] ?? "").trim().toLowerCase();
  if (!isAcceptedEncoding(encoding)) throw unsupportedEncoding();
  if (Number(headers["content-length"]) > limits.maxBytes) throw tooLarge(limits.maxBytes, "");
  const sent = await collect(source, limits.maxBytes);
  if (encoding === "" || encoding === "identity" || sent.length === 0) return sent;
  const inflation = inflationOf(encoding, sent);
  const { maxInflatedBytes } = limits;
  return (
    inflateSmall(sent, inflation, maxInflatedBytes) ??
    inTurn(sent.length, () => inflate(sent, inflation.gradual(), maxInflatedBytes))
  );
}

type Encoding = "" | "identity" | "gzip" | "x-gzip" | "deflate" | "br";

const encodings: ReadonlySet<string> = new Set<Encoding>(["", "identity", "gzip", "x-gzip", "deflate", "br"]);

function isAcceptedEncoding(text: string): text is Encoding {
  return encodings.has(text);
}

/** Events rather than async iteration: it is half the cost for the small bodies that most requests carry. */
function collect(source: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stop = (): void => {
      source.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      stop();
      reject(tooLarge(maxBytes, ""));
    };
    const onEnd = (): void => {
      stop();
      resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, bytes));
    };
    const onError = (cause: unknown): void => {
      stop();
      reject(new HttpProblem("malformed_request", { detail: "The body ended early.", cause }));
    };
    const onClose = (): void => onError(undefined);
    source.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  });
}

/** What decompresses a coding: in one go, and bit by bit. */
interface Inflation {
  readonly atOnce: (sent: Buffer, options: { readonly maxOutputLength: number }) => Buffer;
  readonly gradual: () => Transform;
}

/** Each chunk is handed to another thread and back, and waits for the event loop twice. */
const chunks = { chunkSize: 131_072 } as const;

const gzip: Inflation = { atOnce: gunzipSync, gradual: () => createGunzip(chunks) };
const brotli: Inflation = { atOnce: brotliDecompressSync, gradual: () => createBrotliDecompress(chunks) };
const wrapped: Inflation = { atOnce: inflateSync, gradual: () => createInflate(chunks) };
const raw: Inflation = { atOnce: inflateRawSync, gradual: () => createInflateRaw(chunks) };

function inflationOf(encoding: Exclude<Encoding, "" | "identity">, sent: Buffer): Inflation {
  if (encoding === "br") return brotli;
  if (encoding !== "deflate") return gzip;
  // "deflate" means zlib-wrapped, yet some clients send the raw stream; the first two bytes tell.
  const [first = 0, second = 0] = sent;
  return (first & 0x0f) === 8 && (first * 256 + second) % 31 === 0 ? wrapped : raw;
}

/** So little is decompressed in less time than it takes to hand it to another thread and back. */
const smallBytes = { sent: 16_384, inflated: 131_072 } as const;

/** `undefined` for what is not small, or not well: then the other way tells. */
function inflateSmall(sent: Buffer, { atOnce }: Inflation, maxBytes: number): Buffer | undefined {
  if (sent.length > smallBytes.sent) return undefined;
  try {
    return atOnce(sent, { maxOutputLength: Math.min(maxBytes, smallBytes.inflated) });
  } catch {
    return undefined;
  }
}

function inflate(sent: Buffer, inflater: Transform, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    inflater.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) {
        chunks.push(chunk);
        return;
      }
      inflater.destroy();
      reject(tooLarge(maxBytes, " after decompression"));
    });
    inflater.on("end", () => resolve(Buffer.concat(chunks, bytes)));
    inflater.on("error", (cause) =>
      reject(new HttpProblem("malformed_json", { detail: "The body's content coding is corrupt.", cause })),
    );
    inflater.end(sent);
  });
}

function tooLarge(maxBytes: number, when: string): HttpProblem {
  return new HttpProblem("body_too_large", { detail: `The body may have at most ${maxBytes} bytes${when}.` });
}

function unsupportedEncoding(): HttpProblem {
  return new HttpProblem("unsupported_encoding", {
    detail: `The body may be encoded as one of ${acceptedEncodings}.`,
    headers: { "accept-encoding": acceptedEncodings },
  });
}
