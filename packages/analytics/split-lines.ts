import { setImmediate } from "node:timers/promises";

const sliceBytes = 256 * 1024;
const newline = 10;

/** Lines of a buffer, decoded a slice at a time so that a large one does not hold the event loop. */
export async function* splitLines(bytes: Uint8Array): AsyncGenerator<readonly string[], void, undefined> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let start = 0; start < buffer.length; ) {
    if (start > 0) await setImmediate();
    const end = endOfSlice(buffer, start);
    yield buffer
      .toString("utf8", start, end)
      .split("\n")
      .filter((line) => line !== "");
    start = end;
  }
}

/** Just after the first line end at or after a full slice. */
function endOfSlice(buffer: Buffer, start: number): number {
  const full = start + sliceBytes;
  if (full >= buffer.length) return buffer.length;
  const at = buffer.indexOf(newline, full);
  return at === -1 ? buffer.length : at + 1;
}
