import { IngestError } from "./ingest-errors.js";

/** One field or file of a form. */
export interface FormPart {
  readonly name: string;
  /** As the client calls the file; undefined for fields. Nothing to be used as a path. */
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  /** The content in pieces, to be read before the next part is asked for; what is left unread is skipped then. */
  readonly body: AsyncIterable<Uint8Array>;
}

const maxHeaderBytes = 8 * 1024;
const maxParts = 1000;
const maxBoundaryLength = 200;

/** The boundary that a media type names. @throws {IngestError} `ET_MULTIPART_INVALID` */
export function boundaryOf(mediaType: string): string {
  const [, quoted, plain] =
    /^multipart\/form-data\b.*;\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(mediaType) ?? ([] as readonly string[]);
  const boundary = quoted ?? plain;
  if (boundary === undefined || boundary.length > maxBoundaryLength) throw invalid("boundary");
  return boundary;
}

/**
 * Reads a form while it arrives, holding no more than the headers of a part and one piece.
 * @throws {IngestError} `ET_MULTIPART_INVALID`; and what `pieces` throws
 */
export async function* readMultipart(
  pieces: AsyncIterable<Uint8Array>,
  boundary: string,
): AsyncGenerator<FormPart, void, undefined> {
  const scanner = createScanner(pieces, Buffer.from(`\r\n--${boundary}`, "latin1"));
  try {
    await scanner.skipToDelimiter();
    for (let parts = 0; await scanner.opensPart(); parts++) {
      if (parts === maxParts) throw invalid("parts");
      const headers = await scanner.headers();
      yield { ...describe(headers), body: scanner.body() };
      await scanner.skipToDelimiter();
    }
  } finally {
    await scanner.close();
  }
}

interface Scanner {
  /** Moves behind the next delimiter, if it is not there yet. */
  skipToDelimiter(): Promise<void>;
  /** Behind a delimiter: whether a part follows, and not the end. */
  opensPart(): Promise<boolean>;
  headers(): Promise<string>;
  body(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

function createScanner(pieces: AsyncIterable<Uint8Array>, delimiter: Buffer): Scanner {
  const iterator = pieces[Symbol.asyncIterator]();
  // The first delimiter may stand at the very beginning, without a line before it.
  let held: Buffer = Buffer.from("\r\n");
  let isBehindDelimiter = false;

  const more = async (): Promise<void> => {
    const next = await iterator.next();
    if (next.done) throw invalid("end");
    held = held.length === 0 ? Buffer.from(next.value) : Buffer.concat([held, next.value]);
  };
  const atLeast = async (bytes: number): Promise<void> => {
    while (held.length < bytes) await more();
  };

  /** What is there of the content; undefined behind the delimiter that ends it. */
  const nextPiece = async (): Promise<Buffer | undefined> => {
    for (;;) {
      if (isBehindDelimiter) return undefined;
      const at = held.indexOf(delimiter);
      if (at >= 0) {
        const piece = held.subarray(0, at);
        held = held.subarray(at + delimiter.length);
        isBehindDelimiter = true;
        return piece.length > 0 ? piece : undefined;
      }
      // The last bytes may be the beginning of a delimiter.
      const safe = held.length - delimiter.length + 1;
      if (safe > 0) {
        const piece = held.subarray(0, safe);
        held = held.subarray(safe);
        return piece;
      }
      await more();
    }
  };

  return {
    async skipToDelimiter() {
      while (await nextPiece()) {
        // Only moves on.
      }
    },
    async opensPart() {
      await atLeast(2);
      if (held.toString("latin1", 0, 2) === "--") return false;
      // White space may follow a delimiter.
      for (let end = held.indexOf("\r\n"); ; end = held.indexOf("\r\n")) {
        const line = held.toString("latin1", 0, end < 0 ? held.length : end);
        if (line.length > maxBoundaryLength || /[^ \t\r]/.test(line)) throw invalid("delimiter");
        if (end >= 0) {
          // The line break stays: it may be the first half of the empty line that ends the headers.
          held = held.subarray(end);
          return true;
        }
        await more();
      }
    },
    async headers() {
      for (;;) {
        const end = held.indexOf("\r\n\r\n");
        if (end > maxHeaderBytes || (end < 0 && held.length > maxHeaderBytes + 4)) throw invalid("headers");
        if (end >= 0) {
          const text = held.toString("utf8", 0, end);
          held = held.subarray(end + 4);
          isBehindDelimiter = false;
          return text;
        }
        await more();
      }
    },
    async *body() {
      for (let piece = await nextPiece(); piece; piece = await nextPiece()) yield piece;
    },
    async close() {
      await iterator.return?.();
    },
  };
}

function describe(headers: string): Omit<FormPart, "body"> {
  const fields = new Map(
    headers.split("\r\n").map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, Math.max(colon, 0)).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const disposition = fields.get("content-disposition") ?? "";
  const name = parameter(disposition, "name");
  if (!/^form-data\b/i.test(disposition) || name === undefined) throw invalid("disposition");
  return { name, filename: parameter(disposition, "filename"), contentType: fields.get("content-type") };
}

function parameter(header: string, name: string): string | undefined {
  const extended = new RegExp(`;\\s*${name}\\*=utf-8'[^']*'([^\\s;]+)`, "i").exec(header)?.[1];
  if (extended !== undefined) return percentDecoded(extended);
  const [, quoted, plain] =
    new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, "i").exec(header) ?? ([] as readonly string[]);
  return quoted === undefined ? plain : quoted.replaceAll(/\\(["\\])/g, "$1").replaceAll("%22", '"');
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalid(what: string): IngestError {
  return new IngestError("ET_MULTIPART_INVALID", { details: { what } });
}
