import { type JsonValue, normalizeEventId } from "@signalbox/sentry-protocol";
import type { Acceptance } from "../edge/accept.js";
import { minidumpEvent } from "../edge/crash-event.js";
import type { IncomingItem } from "../edge/gather-items.js";
import type { IngestLimits } from "../edge/ingest-limits.js";
import { type CrashFile, crashFileKind, withCrashFiles } from "./crash-files.js";
import { decodeStream } from "./decode-body.js";
import { type Door, type EdgeRequest, noHeader } from "./door.js";
import { type FormFields, readFormFields } from "./form-fields.js";
import { IngestError } from "./ingest-errors.js";
import { boundaryOf, type FormPart, readMultipart } from "./multipart.js";

export interface UploadReceiverDependencies {
  readonly door: Door;
  readonly limits: IngestLimits;
}

/** Forms with files. Promises and errors as those of `Receiver`. */
export interface UploadReceiver {
  /** A crash handler sends what it wrote, and what it knows of the program. */
  minidump(request: EdgeRequest): Promise<Acceptance>;
  /** Files that belong to an event, which may come later, or never. */
  attachments(request: EdgeRequest): Promise<Acceptance>;
}

const minidumpField = "upload_file_minidump";
/** Larger fields than this are not of a kind that anybody reads. */
const fieldBytes = 256 * 1024;

export function createUploadReceiver({ door, limits }: UploadReceiverDependencies): UploadReceiver {
  /** Files as items; with a minidump among them the last item is the event that they belong to. */
  async function* crashItems(parts: AsyncIterable<FormPart>): AsyncGenerator<IncomingItem> {
    const fields: FormFields = { entries: [], bytes: 0 };
    const files: CrashFile[] = [];
    let hasMinidump = false;
    for await (const part of parts) {
      const kind = crashFileKind(part.name, part.filename);
      if (part.name === minidumpField) {
        if (hasMinidump) throw new IngestError("ET_MINIDUMP_INVALID");
        hasMinidump = true;
        const dump = minidumpOf(part.body, limits.attachmentBytes);
        yield fileItem({ ...part, filename: part.filename ?? "minidump.dmp", body: dump }, "event.minidump");
      } else if (kind !== undefined) {
        const bytes = await readPart(part, limits.eventBytes);
        if (bytes !== undefined) files.push({ kind, bytes });
      } else if (part.filename !== undefined) {
        yield fileItem(part, "event.attachment");
      } else {
        await readField(part, fields);
      }
    }
    if (!hasMinidump) throw new IngestError("ET_MINIDUMP_INVALID");
    const payload = Buffer.from(JSON.stringify(minidumpEvent(withCrashFiles(readFormFields(fields), files))));
    yield { type: "event", length: payload.length, attributes: {}, payload };
  }

  const readField = async (part: FormPart, fields: FormFields): Promise<void> => {
    const value = await readPart(part, fieldBytes);
    if (value === undefined) return;
    fields.bytes += value.length + part.name.length;
    if (fields.bytes > limits.eventBytes)
      throw new IngestError("ET_EVENT_TOO_LARGE", { details: { maxBytes: limits.eventBytes } });
    fields.entries.push([part.name, value]);
  };

  return {
    minidump: (request) =>
      door.asKnownSender(request, async (credentials, sender) => {
        const boundary = boundaryOf(request.mediaType);
        return door.readPieces(request, limits.envelopeBytes, (pieces) =>
          door.accept(credentials, sender, request, noHeader, crashItems(readMultipart(pieces, boundary))),
        );
      }),

    attachments: (request) =>
      door.asKnownSender(request, async (credentials, sender) => {
        const boundary = boundaryOf(request.mediaType);
        const eventId = normalizeEventId(request.argument);
        if (eventId === undefined) throw new IngestError("ET_EVENT_ID_INVALID");
        return door.readPieces(request, limits.envelopeBytes, (pieces) => {
          const items = fileItems(readMultipart(pieces, boundary));
          return door.accept(credentials, sender, request, { ...noHeader, eventId }, items);
        });
      }),
  };
}

/** The bytes of a part; undefined when they are too many. */
async function readPart({ body }: FormPart, maxBytes: number): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    pieces.push(Uint8Array.from(piece));
  }
  return Buffer.concat(pieces);
}

async function* fileItems(parts: AsyncIterable<FormPart>): AsyncGenerator<IncomingItem> {
  for await (const part of parts) if (part.filename !== undefined) yield fileItem(part, "event.attachment");
}

function fileItem({ filename, contentType, body }: FormPart, attachmentType: string): IncomingItem {
  const attributes: Record<string, JsonValue> = { attachment_type: attachmentType };
  if (filename !== undefined) attributes["filename"] = filename;
  if (contentType !== undefined) attributes["content_type"] = contentType;
  return { type: "attachment", length: undefined, attributes, payload: body };
}

const signatures = {
  minidump: Buffer.from("MDMP"),
  gzip: Buffer.from([0x1f, 0x8b]),
  zstd: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]),
  bzip2: Buffer.from("BZh"),
  xz: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]),
} as const;

const longestSignature = 6;

/**
 * The minidump, without the compression that can be undone here.
 * @throws {IngestError} `ET_MINIDUMP_INVALID` when it is none
 */
async function* minidumpOf(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  const { head, pieces } = await peek(body, longestSignature);
  const startsWith = (signature: Buffer): boolean => signature.equals(head.subarray(0, signature.length));
  if (startsWith(signatures.minidump) || startsWith(signatures.bzip2) || startsWith(signatures.xz)) {
    yield* pieces;
    return;
  }
  const coding = startsWith(signatures.gzip) ? "gzip" : startsWith(signatures.zstd) ? "zstd" : undefined;
  if (coding === undefined) throw new IngestError("ET_MINIDUMP_INVALID");
  // One byte more than is allowed shows that it is too large.
  const inner = await peek(decodeStream(pieces, [coding], maxBytes + 65_536), longestSignature);
  if (!signatures.minidump.equals(inner.head.subarray(0, 4))) throw new IngestError("ET_MINIDUMP_INVALID");
  yield* inner.pieces;
}

async function peek(
  source: AsyncIterable<Uint8Array>,
  bytes: number,
): Promise<{ readonly head: Buffer; readonly pieces: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < bytes) {
    const next = await iterator.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, pieces: pieces() };
}
