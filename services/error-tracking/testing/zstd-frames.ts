/** The text that the files in `zstd/` hold, as much of it as asked for: repetitive and never the same, like events. */
export function sampleText(bytes: number): string {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % below;
  };
  let text = "";
  for (let line = 0; text.length < bytes; line++)
    text += `{"frame":${line},"function":"fn${next(40)}","module":"m${next(9)}.${next(7)}","lineno":${next(500)},"in_app":${next(2) === 1}}\n`;
  return text.slice(0, bytes);
}

/** A block of a Zstandard frame: data as it is, or one byte many times. */
export type Block = Uint8Array | { readonly byte: number; readonly times: number };

const maxBlockBytes = 128 * 1024;

/** Data as a Zstandard frame, not compressed. */
export function zstdEncode(data: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [data.subarray(0, maxBlockBytes)];
  for (let at = maxBlockBytes; at < data.length; at += maxBlockBytes)
    blocks.push(data.subarray(at, at + maxBlockBytes));
  return zstdFrame(blocks);
}

/** Writes a Zstandard frame with a window of 1 MiB, without compressing anything that is not a repetition. */
export function zstdFrame(blocks: readonly Block[], windowDescriptor = 0x50): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, windowDescriptor)];
  for (const [index, block] of blocks.entries()) {
    const last = index === blocks.length - 1 ? 1 : 0;
    const raw = block instanceof Uint8Array;
    const header = last | ((raw ? 0 : 1) << 1) | ((raw ? block.length : block.times) << 3);
    parts.push(
      Uint8Array.of(header & 0xff, (header >> 8) & 0xff, header >> 16),
      raw ? block : Uint8Array.of(block.byte),
    );
  }
  return Buffer.concat(parts);
}

/** A frame of a few hundred bytes for every megabyte that comes out of it. */
export function zstdBomb(bytes: number): Uint8Array {
  const block = { byte: 0x20, times: maxBlockBytes };
  return zstdFrame(Array.from({ length: Math.ceil(bytes / maxBlockBytes) }, () => block));
}
