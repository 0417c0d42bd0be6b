import { decodeBlock } from "./zstd-block.js";
import { ZstdError } from "./zstd-entropy.js";
import {
  type BlockHeader,
  type Frame,
  readBlockHeader,
  readFrameStart,
  readUint32,
  type ZstdLimits,
} from "./zstd-frame.js";
import { createWindow } from "./zstd-window.js";

/**
 * A decoder for Zstandard (RFC 8878) that strangers may feed: it gives out data block by block (at most 128 KiB), so
 * that the reader can stop at any limit; it reserves memory only as data comes; frames that ask for a larger window
 * than allowed are refused; checksums and announced lengths are verified. Dictionaries are not supported.
 *
 * Written here because nothing else fits: zlib of Node 20 has no Zstandard, bindings need a download or a compiler,
 * and the decoders in plain JavaScript check neither distances nor checksums and move their whole window for every
 * block, however small it is.
 */
export interface ZstdDecoder {
  /** Decodes what `chunk` completes. The pieces are copies. @throws {ZstdError} */
  push(chunk: Uint8Array): Generator<Uint8Array, void, undefined>;
  /** To be called after the last chunk. @throws {ZstdError} when a frame is not complete */
  end(): void;
}

type Step =
  | { readonly kind: "frame" }
  | { readonly kind: "skip"; bytes: number }
  | { readonly kind: "block"; readonly frame: Frame }
  | { readonly kind: "body"; readonly frame: Frame; readonly block: BlockHeader }
  | { readonly kind: "checksum"; readonly frame: Frame };

export function createZstdDecoder(limits: ZstdLimits): ZstdDecoder {
  const carry = createCarry();
  let input: Uint8Array = new Uint8Array(0);
  let at = 0;
  let step: Step = { kind: "frame" };
  const output = createWindow();

  const available = (): number => input.length - at;

  /** The next step, or undefined when more input is needed first. */
  function advance(): { readonly next: Step; readonly data?: Uint8Array } | undefined {
    switch (step.kind) {
      case "frame": {
        const start = readFrameStart(input, at, limits);
        if (!start) return undefined;
        at = start.end;
        if (start.frame === undefined) return { next: { kind: "skip", bytes: start.skipBytes } };
        output.reset(start.frame.windowBytes);
        return { next: { kind: "block", frame: start.frame } };
      }
      case "skip": {
        const bytes = Math.min(step.bytes, available());
        at += bytes;
        if (bytes < step.bytes) {
          step.bytes -= bytes;
          return undefined;
        }
        return { next: { kind: "frame" } };
      }
      case "block": {
        if (available() < 3) return undefined;
        const block = readBlockHeader(input, at, step.frame.blockLimit);
        at += 3;
        return { next: { kind: "body", frame: step.frame, block } };
      }
      case "body": {
        const { frame, block } = step;
        if (available() < block.inputBytes) return undefined;
        const data = decodeBlock(frame, block, input, at, output);
        at += block.inputBytes;
        frame.producedBytes += data.length;
        frame.checksum?.update(data);
        if (!block.last) return { next: { kind: "block", frame }, data };
        if (frame.contentBytes !== undefined && frame.contentBytes !== frame.producedBytes)
          throw new ZstdError("a frame has another length than it announced");
        if (frame.checksum) return { next: { kind: "checksum", frame }, data };
        return { next: { kind: "frame" }, data };
      }
      case "checksum": {
        if (available() < 4) return undefined;
        if (readUint32(input, at) !== step.frame.checksum?.low32()) throw new ZstdError("a checksum does not match");
        at += 4;
        return { next: { kind: "frame" } };
      }
    }
  }

  return {
    *push(chunk) {
      input = carry.join(chunk);
      at = 0;
      for (let result = advance(); result; result = advance()) {
        step = result.next;
        if (result.data && result.data.length > 0) yield result.data;
      }
      carry.keep(input, at);
    },
    end() {
      if (step.kind !== "frame" || available() > 0) throw new ZstdError("the data ends within a frame");
    },
  };
}

/** Input that no step could use yet. Grows by doubling: many tiny chunks must not cost a copy of everything each. */
function createCarry() {
  let buffer = new Uint8Array(1024);
  let length = 0;
  return {
    /** What was kept and `chunk` behind it, as one piece that is valid until the next call. */
    join(chunk: Uint8Array): Uint8Array {
      if (length === 0) return chunk;
      if (length + chunk.length > buffer.length) {
        const grown = new Uint8Array(2 * (length + chunk.length));
        grown.set(buffer.subarray(0, length));
        buffer = grown;
      }
      buffer.set(chunk, length);
      length += chunk.length;
      return buffer.subarray(0, length);
    },
    /** Keeps `input` from `at` on, where `input` is what `join` gave. */
    keep(input: Uint8Array, at: number): void {
      const rest = input.length - at;
      if (length > 0) {
        if (at > 0) buffer.copyWithin(0, at, input.length);
      } else {
        if (rest > buffer.length) buffer = new Uint8Array(2 * rest);
        buffer.set(input.subarray(at));
      }
      length = rest;
    },
  };
}
