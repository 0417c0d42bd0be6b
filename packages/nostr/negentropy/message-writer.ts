import type { Bound } from "./item-set.js";
import { encodeVarint, type MessageReader, malformed } from "./varint.js";

/** Gathers the bytes of a part of a message. */
export class MessageWriter {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  byte(value: number): void {
    this.bytes(Uint8Array.of(value));
  }

  varint(value: number): void {
    this.bytes(Uint8Array.from(encodeVarint(value)));
  }

  append(other: MessageWriter): void {
    for (const part of other.#parts) this.#parts.push(part);
    this.#length += other.#length;
  }

  finish(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts, this.#length));
  }
}

/**
 * Writes bounds: a time as one more than its distance from the time written before it in the same message, infinity as 0.
 * The order in which bounds are written is what counts.
 */
export class BoundWriter {
  #last = 0;

  write(writer: MessageWriter, { timestamp, prefix }: Bound): void {
    if (timestamp === Number.POSITIVE_INFINITY) writer.varint(0);
    else writer.varint(timestamp - this.#last + 1);
    this.#last = timestamp;
    writer.varint(prefix.length);
    writer.bytes(prefix);
  }
}

export class BoundReader {
  #last = 0;

  read(reader: MessageReader): Bound {
    const distance = reader.varint();
    this.#last = distance === 0 ? Number.POSITIVE_INFINITY : this.#last + distance - 1;
    const length = reader.varint();
    if (length > 32) throw malformed("a bound is longer than an id");
    return { timestamp: this.#last, prefix: reader.bytes(length) };
  }
}
