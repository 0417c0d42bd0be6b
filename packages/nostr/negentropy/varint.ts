import { NostrError } from "../errors.js";

/** Base 128, most significant digit first, the high bit set on all bytes but the last. */
export function encodeVarint(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest % 128) + 128);
  return bytes;
}

/** Reads a message from front to back. Every method throws `NEGENTROPY_MALFORMED` when the message ends too early. */
export class MessageReader {
  readonly #message: Uint8Array;
  #position = 0;

  constructor(message: Uint8Array) {
    this.#message = message;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#message.length;
  }

  byte(): number {
    const byte = this.#message[this.#position];
    if (byte === undefined) throw malformed("it ends too early");
    this.#position++;
    return byte;
  }

  /** A view of the next bytes. */
  bytes(count: number): Uint8Array {
    const end = this.#position + count;
    if (end > this.#message.length) throw malformed("it ends too early");
    const view = this.#message.subarray(this.#position, end);
    this.#position = end;
    return view;
  }

  varint(): number {
    let value = 0;
    for (;;) {
      const byte = this.byte();
      value = value * 128 + (byte & 127);
      if (value > maxVarint) throw malformed("a number is too large");
      if (byte < 128) return value;
    }
  }
}

/** One more than the latest time of an event. */
const maxVarint = 2 ** 53;

export function malformed(what: string): NostrError {
  return new NostrError("NEGENTROPY_MALFORMED", { message: `A negentropy message cannot be read: ${what}` });
}
