/** How much is decoded behind a full window before the window is moved to the front again. */
const slackBytes = 1024 * 1024;

/** What was decoded last, as far as later data may refer back to it, and room for the next block. */
export interface Window {
  buffer: Uint8Array;
  /** End of the decoded data. */
  end: number;
  /** How many bytes before `end` may be referred to. */
  history: number;
  reset(windowBytes: number): void;
  /** Makes room for a block of up to `blockBytes` behind `end`. */
  reserve(blockBytes: number): void;
}

export function createWindow(): Window {
  let windowBytes = 0;
  const window: Window = {
    buffer: new Uint8Array(0),
    end: 0,
    history: 0,
    reset(bytes) {
      windowBytes = bytes;
      window.end = 0;
      window.history = 0;
    },
    reserve(blockBytes) {
      window.history = Math.min(window.history, windowBytes);
      if (window.end + blockBytes <= window.buffer.length) return;
      const largest = windowBytes + slackBytes;
      if (window.buffer.length < largest) {
        const grown = new Uint8Array(Math.min(largest, Math.max(2 * blockBytes, 2 * window.buffer.length)));
        grown.set(window.buffer.subarray(window.end - window.history, window.end));
        window.buffer = grown;
      } else {
        window.buffer.copyWithin(0, window.end - window.history, window.end);
      }
      window.end = window.history;
    },
  };
  return window;
}
