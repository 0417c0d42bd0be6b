type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

interface Node {
  readonly children: (Node | number | undefined)[];
}

export interface MmdbFileOptions {
  readonly recordBits?: 24 | 28 | 32;
  readonly ipVersion?: 4 | 6;
}

/**
 * The bytes of a MaxMind database with these networks, each a prefix of bits (`"1100…"`) with its value. Texts that come again
 * are pointers to the first.
 */
export function makeMmdb(
  networks: readonly (readonly [bits: string, value: Value])[],
  { recordBits = 28, ipVersion = 6 }: MmdbFileOptions = {},
): Buffer {
  const values = new Values();
  const root: Node = { children: [] };
  const nodes: Node[] = [root];
  for (const [bits, value] of networks) {
    let node = root;
    for (const bit of bits.slice(0, -1)) {
      const child = node.children[Number(bit)];
      if (typeof child === "number") throw new Error("Networks must not overlap.");
      const next = child ?? { children: [] };
      if (child === undefined) nodes.push(next);
      node.children[Number(bit)] = next;
      node = next;
    }
    node.children[Number(bits.at(-1))] = values.add(value);
  }
  const record = (child: Node | number | undefined): number =>
    child === undefined ? nodes.length : typeof child === "number" ? nodes.length + 16 + child : nodes.indexOf(child);
  const tree = nodes.map(({ children: [left, right] }) => pair(record(left), record(right), recordBits));
  const metadata = new Values();
  metadata.add({
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    ip_version: ipVersion,
    node_count: nodes.length,
    record_size: recordBits,
  });
  const marker = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
  return Buffer.concat([...tree, Buffer.alloc(16), values.bytes(), marker, metadata.bytes()]);
}

/** The bits of an IPv4 network in a tree for IPv6. */
export function ip4Bits(address: string, length: number): string {
  return "0".repeat(96) + ip4OnlyBits(address, length);
}

export function ip4OnlyBits(address: string, length: number): string {
  const bits = address.split(".").map((part) => Number(part).toString(2).padStart(8, "0"));
  return bits.join("").slice(0, length);
}

function pair(left: number, right: number, recordBits: 24 | 28 | 32): Buffer {
  const bytes = Buffer.alloc(recordBits / 4);
  if (recordBits === 32) {
    bytes.writeUInt32BE(left, 0);
    bytes.writeUInt32BE(right, 4);
  } else {
    bytes.writeUIntBE(left % 2 ** 24, 0, 3);
    if (recordBits === 28) bytes.writeUInt8(Math.floor(left / 2 ** 24) * 16 + Math.floor(right / 2 ** 24), 3);
    bytes.writeUIntBE(right % 2 ** 24, recordBits === 28 ? 4 : 3, 3);
  }
  return bytes;
}

class Values {
  private readonly parts: Buffer[] = [];
  private readonly texts = new Map<string, number>();
  private length = 0;

  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  /** Its place. */
  add(value: Value): number {
    const at = this.length;
    if (typeof value === "string") this.addText(value);
    else if (typeof value === "number") this.addNumber(value);
    else if (typeof value === "boolean") this.push(Buffer.from([value ? 1 : 0, 14 - 7]));
    else if (Array.isArray(value)) {
      this.push(head(11, value.length));
      for (const item of value) this.add(item);
    } else {
      const entries = Object.entries(value);
      this.push(head(7, entries.length));
      for (const [key, item] of entries) {
        this.add(key);
        this.add(item);
      }
    }
    return at;
  }

  private addText(text: string): void {
    const before = this.texts.get(text);
    if (before === undefined) {
      this.texts.set(text, this.length);
      const bytes = Buffer.from(text);
      this.push(Buffer.concat([head(2, bytes.length), bytes]));
    } else if (before < 2048) this.push(Buffer.from([0x20 | (before >> 8), before & 0xff]));
    else {
      const rest = before - 2048;
      this.push(Buffer.from([0x28 | (rest >> 16), (rest >> 8) & 0xff, rest & 0xff]));
    }
  }

  private addNumber(value: number): void {
    if (Number.isInteger(value)) {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      this.push(Buffer.concat([head(6, 4), bytes]));
    } else {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value);
      this.push(Buffer.concat([head(3, 8), bytes]));
    }
  }

  private push(bytes: Buffer): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }
}

function head(type: number, size: number): Buffer {
  const [small, more] =
    size < 29 ? [size, []] : size < 285 ? [29, [size - 29]] : [30, [(size - 285) >> 8, (size - 285) & 0xff]];
  return Buffer.from(type > 7 ? [small, type - 7, ...more] : [(type << 5) | small, ...more]);
}
