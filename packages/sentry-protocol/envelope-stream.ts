import {
  defaultEnvelopeLimits,
  type EnvelopeHeader,
  type EnvelopeLimits,
  headerTooLong,
  type ItemHeader,
  missingTerminator,
  parseEnvelopeHeader,
  parseItemHeader,
  tooManyItems,
  truncatedPayload,
} from "./envelope.js";
import { ProtocolError } from "./errors.js";

export interface StreamedItem extends ItemHeader {
  /**
   * The payload in pieces, to be read before the next item is asked for; what is left unread is skipped then.
   * Ends only when the payload and what terminates it have arrived, so a payload read to its end is whole.
   */
  readonly payload: AsyncIterable<Uint8Array>;
  /** Skips what is left unread of the payload. Resolves when it has arrived whole. */
  complete(): Promise<void>;
}

export interface StreamedEnvelope {
  readonly header: EnvelopeHeader;
  /** Can be iterated once. Throws where `parseEnvelope` would set `error`, behind the same items. */
  readonly items: AsyncIterable<StreamedItem>;
  /** Ends the reading, also of `pieces`. Needed when `items` is not iterated; otherwise it does nothing. */
  close(): Promise<void>;
}

const lineFeed = 0x0a;

/**
 * Reads an envelope while it arrives, holding no more than a header line and one piece. Resolves when the envelope
 * header is there. Finds the same items and errors as `parseEnvelope`, however the bytes are cut into pieces.
 * @throws {ProtocolError} what `parseEnvelope` throws; and what `pieces` throws
 */
export async function readEnvelope(
  pieces: AsyncIterable<Uint8Array>,
  limits: EnvelopeLimits = defaultEnvelopeLimits,
): Promise<StreamedEnvelope> {
  const cursor = createCursor(pieces);
  try {
    if (!(await cursor.more())) throw new ProtocolError("ET_BODY_EMPTY");
    const header = parseEnvelopeHeader(await cursor.line(limits.maxHeaderBytes));
    return { header, items: readItems(cursor, limits), close: () => cursor.close() };
  } catch (error) {
    await cursor.close();
    throw error;
  }
}

async function* readItems(cursor: Cursor, limits: EnvelopeLimits): AsyncGenerator<StreamedItem> {
  try {
    for (let items = 0; await cursor.more(); items++) {
      if (items === limits.maxItems) throw tooManyItems(limits);
      const header = parseItemHeader(await cursor.line(limits.maxHeaderBytes));
      const payload = createPayload(cursor, header.length);
      yield { ...header, payload: payload.pieces, complete: payload.complete };
      await payload.complete();
    }
  } finally {
    await cursor.close();
  }
}

/** The reading position is kept outside the iteration: a reader that stops early must not lose the next item. */
function createPayload(cursor: Cursor, length: number | undefined) {
  let remaining = length ?? 0;
  let complete = false;

  const next = async (): Promise<Uint8Array | undefined> => {
    if (complete) return undefined;
    if (length === undefined) {
      const { piece, ended } = await cursor.untilLineFeed();
      complete = ended;
      return piece;
    }
    if (remaining > 0) {
      const piece = await cursor.take(remaining);
      if (!piece) throw truncatedPayload();
      remaining -= piece.length;
      return piece;
    }
    if ((await cursor.more()) && !cursor.takeLineFeed()) throw missingTerminator();
    complete = true;
    return undefined;
  };

  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let piece = await next(); piece; piece = await next()) if (piece.length > 0) yield piece;
  }
  return {
    pieces: pieces(),
    async complete(): Promise<void> {
      while (await next()) {
        // Only moves the cursor.
      }
    },
  };
}

interface Cursor {
  /** Whether there is another byte. */
  more(): Promise<boolean>;
  /** The bytes up to the next line feed or the end, which is taken too. */
  line(maxBytes: number): Promise<Uint8Array>;
  /** What is there of the bytes up to the next line feed, which is taken too; `ended` when that was all. */
  untilLineFeed(): Promise<{ readonly piece: Uint8Array; readonly ended: boolean }>;
  /** At least one and at most `maxBytes` bytes; undefined at the end. */
  take(maxBytes: number): Promise<Uint8Array | undefined>;
  /** Takes the next byte, which must be there, if it is a line feed. */
  takeLineFeed(): boolean;
  close(): Promise<void>;
}

function createCursor(pieces: AsyncIterable<Uint8Array>): Cursor {
  const iterator = pieces[Symbol.asyncIterator]();
  let piece: Uint8Array = new Uint8Array(0);
  let at = 0;

  const more = async (): Promise<boolean> => {
    while (at === piece.length) {
      const next = await iterator.next();
      if (next.done) return false;
      piece = next.value;
      at = 0;
    }
    return true;
  };
  const untilLineFeed = async () => {
    if (!(await more())) return { piece: new Uint8Array(0), ended: true };
    const found = piece.indexOf(lineFeed, at);
    const end = found < 0 ? piece.length : found;
    const part = piece.subarray(at, end);
    at = found < 0 ? end : end + 1;
    return { piece: part, ended: found >= 0 };
  };

  return {
    more,
    untilLineFeed,
    async line(maxBytes) {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      for (let ended = false; !ended; ) {
        const part = await untilLineFeed();
        bytes += part.piece.length;
        if (bytes > maxBytes) throw headerTooLong(maxBytes);
        parts.push(part.piece);
        ended = part.ended;
      }
      return Buffer.concat(parts, bytes);
    },
    async take(maxBytes) {
      if (!(await more())) return undefined;
      const part = piece.subarray(at, at + maxBytes);
      at += part.length;
      return part;
    },
    takeLineFeed() {
      if (piece[at] !== lineFeed) return false;
      at++;
      return true;
    },
    async close() {
      await iterator.return?.();
    },
  };
}
