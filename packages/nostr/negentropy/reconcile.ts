import { NostrError } from "../errors.js";
import { type Bound, type ItemSet, idBytes, infinity, lowestBound } from "./item-set.js";
import { BoundReader, BoundWriter, MessageWriter } from "./message-writer.js";
import { MessageReader, malformed } from "./varint.js";

const protocolVersion = 0x61;

/** How the payload of a range is to be understood. */
const mode = { skip: 0, fingerprint: 1, idList: 2 } as const;

const buckets = 16;
const fingerprintBytes = 16;
const smallestFrameLimit = 4_096;
/** Left free for the range that stands for everything that did not fit. */
const frameReserve = 200;

export interface NegentropyOptions {
  /** Longest message in bytes, at least 4,096; 0: no limit. Default 60,000. */
  readonly maxFrameBytes?: number;
}

/** What an initiator learnt from a message; each id is told once. */
export interface Reconciled {
  /** The next message; nothing when both sides know all differences. */
  readonly message: Uint8Array | undefined;
  /** Ids that only we have. */
  readonly have: readonly string[];
  /** Ids that only they have. */
  readonly need: readonly string[];
}

export interface NegentropyInitiator {
  /** The first message. */
  open(): Uint8Array;
  /**
   * Works on the answer to the last message.
   * @throws {NostrError} `NEGENTROPY_MALFORMED`; `NEGENTROPY_UNSUPPORTED` for another version of the protocol
   */
  receive(message: Uint8Array): Reconciled;
}

export interface NegentropyResponder {
  /** The answer to a message. Keeps nothing between messages. @throws {NostrError} `NEGENTROPY_MALFORMED` */
  receive(message: Uint8Array): Uint8Array;
  /** Items of the set that were added up so far, by every responder of it: what the answers have cost. */
  readonly summed: number;
}

/** The side that begins and learns the differences (negentropy version 1). Pure computation. */
export function createNegentropyInitiator(items: ItemSet, options: NegentropyOptions = {}): NegentropyInitiator {
  const maxFrameBytes = checkFrameLimit(options.maxFrameBytes);
  const have = new Set<string>();
  const need = new Set<string>();
  return {
    open() {
      const output = new MessageWriter();
      output.byte(protocolVersion);
      writeSplit(items, 0, items.size, infinity, output, new BoundWriter());
      return output.finish();
    },
    receive(message) {
      const reader = new MessageReader(message);
      if (readVersion(reader) !== protocolVersion) throw new NostrError("NEGENTROPY_UNSUPPORTED");
      const found = { have: [] as string[], need: [] as string[] };
      const answer = reconcile(items, reader, maxFrameBytes, (theirs, from, to) => {
        for (let index = from; index < to; index++) {
          const id = keyOf(items.idAt(index));
          if (!theirs.delete(id)) tellOnce(id, have, found.have);
        }
        for (const id of theirs) tellOnce(id, need, found.need);
        return "skip";
      });
      return { message: answer.length > 1 ? answer : undefined, ...found };
    },
  };
}

/** The side that answers (negentropy version 1). Pure computation. */
export function createNegentropyResponder(items: ItemSet, options: NegentropyOptions = {}): NegentropyResponder {
  const maxFrameBytes = checkFrameLimit(options.maxFrameBytes);
  return {
    receive(message) {
      const reader = new MessageReader(message);
      if (readVersion(reader) !== protocolVersion) return Uint8Array.of(protocolVersion);
      return reconcile(items, reader, maxFrameBytes, () => "answer");
    },
    get summed() {
      return items.summed;
    },
  };
}

/** Reads the hex text of a message. @throws {NostrError} `NEGENTROPY_MALFORMED` */
export function readNegentropyHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw malformed("it is no hex text");
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** What becomes of a list of ids: the initiator takes note and skips, the responder answers with its own. */
type OnIdList = (theirs: Set<string>, from: number, to: number) => "skip" | "answer";

/** Works through the ranges of a message and writes the answer. */
function reconcile(items: ItemSet, reader: MessageReader, maxFrameBytes: number, onIdList: OnIdList): Uint8Array {
  const isFull = (bytes: number): boolean => maxFrameBytes > 0 && bytes > maxFrameBytes - frameReserve;
  const bounds = new BoundReader();
  const written = new BoundWriter();
  const output = new MessageWriter();
  output.byte(protocolVersion);
  let previous: Bound = lowestBound;
  let from = 0;
  let skipping = false;

  while (!reader.isAtEnd) {
    // A part is appended as a whole, or not at all when it does not fit any more.
    const part = new MessageWriter();
    const bound = bounds.read(reader);
    let to = items.findBound(from, bound);
    const answer = readRange(items, reader, { from, to }, onIdList);
    if (answer === "skip") skipping = true;
    else {
      // Ranges that need no answer are merged, and written only when something follows them.
      if (skipping) {
        written.write(part, previous);
        part.varint(mode.skip);
        skipping = false;
      }
      if (answer === "split") writeSplit(items, from, to, bound, part, written);
      else {
        const end = lastFitting(from, to, output.length, isFull);
        written.write(part, end < to ? { timestamp: items.timestampAt(end), prefix: items.idAt(end) } : bound);
        writeIds(items, from, end, part);
        to = end;
      }
    }
    // A list of ids is cut to what fits; a split that does not fit is dropped, and the peer asks again.
    const fits = !isFull(output.length + part.length);
    if (fits || answer === "ids") output.append(part);
    if (!fits) {
      written.write(output, infinity);
      output.varint(mode.fingerprint);
      output.bytes(items.fingerprint(to, items.size));
      break;
    }
    from = to;
    previous = bound;
  }
  return output.finish();
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Reads the rest of a range and says what the answer to it is. */
function readRange(
  items: ItemSet,
  reader: MessageReader,
  { from, to }: Range,
  onIdList: OnIdList,
): "skip" | "split" | "ids" {
  switch (reader.varint()) {
    case mode.skip:
      return "skip";
    case mode.fingerprint: {
      const theirs = reader.bytes(fingerprintBytes);
      return Buffer.compare(theirs, items.fingerprint(from, to)) === 0 ? "skip" : "split";
    }
    case mode.idList:
      return onIdList(readIds(reader), from, to) === "skip" ? "skip" : "ids";
    default:
      throw malformed("a range is of no known mode");
  }
}

/** Up to which item a list of ids may go. */
function lastFitting(from: number, to: number, usedBytes: number, isFull: (bytes: number) => boolean): number {
  let end = from;
  while (end < to && !isFull(usedBytes + (end - from) * idBytes)) end++;
  return end;
}

/** A small range as its ids, a larger one as the fingerprints of its sixteenths. */
function writeSplit(
  items: ItemSet,
  from: number,
  to: number,
  upper: Bound,
  output: MessageWriter,
  bounds: BoundWriter,
): void {
  const count = to - from;
  if (count < 2 * buckets) {
    bounds.write(output, upper);
    writeIds(items, from, to, output);
    return;
  }
  const perBucket = Math.floor(count / buckets);
  const larger = count % buckets;
  let start = from;
  for (let bucket = 0; bucket < buckets; bucket++) {
    const end = start + perBucket + (bucket < larger ? 1 : 0);
    bounds.write(output, end === to ? upper : items.boundBefore(end));
    output.varint(mode.fingerprint);
    output.bytes(items.fingerprint(start, end));
    start = end;
  }
}

function writeIds(items: ItemSet, from: number, to: number, output: MessageWriter): void {
  output.varint(mode.idList);
  output.varint(to - from);
  output.bytes(items.idsOf(from, to));
}

function readIds(reader: MessageReader): Set<string> {
  const count = reader.varint();
  const bytes = reader.bytes(count * idBytes);
  const ids = new Set<string>();
  for (let offset = 0; offset < bytes.length; offset += idBytes)
    ids.add(keyOf(bytes.subarray(offset, offset + idBytes)));
  return ids;
}

function keyOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.length).toString("hex");
}

function tellOnce(id: string, told: Set<string>, found: string[]): void {
  if (told.has(id)) return;
  told.add(id);
  found.push(id);
}

function readVersion(reader: MessageReader): number {
  const version = reader.byte();
  if (version < 0x60 || version > 0x6f) throw malformed("it does not begin with a version");
  return version;
}

function checkFrameLimit(maxFrameBytes = 60_000): number {
  if (maxFrameBytes !== 0 && !(maxFrameBytes >= smallestFrameLimit))
    throw new NostrError("NEGENTROPY_MISUSED", { message: `A frame has at least ${smallestFrameLimit} bytes` });
  return maxFrameBytes;
}
