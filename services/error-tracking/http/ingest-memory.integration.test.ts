import { randomBytes } from "node:crypto";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { envelope } from "../testing/ingest-server.js";
import { type IngestProcess, startIngestProcess } from "../testing/start-ingest-process.js";
import { zstdBomb, zstdFrame } from "../testing/zstd-frames.js";

const mib = 1024 * 1024;
/** What the process may take beyond what it has at rest, however it is attacked. */
const allowedBytes = 512 * mib;

let edge: IngestProcess;
let restingBytes: number;

beforeAll(async () => {
  // Smaller than the default, for time: what is held does not depend on it.
  edge = await startIngestProcess({ envelopeBytes: 40 * mib });
  // Load what is loaded on first use.
  await Promise.all(Array.from({ length: 50 }, () => fetch(edge.envelopeUrl, { method: "POST", body: "{}" })));
  restingBytes = await edge.rss();
});
afterAll(() => edge.remove());

/** Runs `attack` and resolves with its answers and with how far memory rose meanwhile. */
async function measure(attack: () => Promise<readonly number[]>) {
  let highest = 0;
  let over = false;
  const watching = (async () => {
    while (!over) {
      highest = Math.max(highest, await edge.rss());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const statuses = await attack();
  over = true;
  await watching;
  return { statuses: new Set(statuses), roseBytes: highest - restingBytes };
}

async function post(body: Uint8Array, encoding?: string): Promise<number> {
  const headers: Record<string, string> = encoding === undefined ? {} : { "content-encoding": encoding };
  const response = await fetch(edge.envelopeUrl, { method: "POST", body, headers });
  await response.arrayBuffer();
  return response.status;
}

/** The beginning of an envelope whose only item goes on and on. */
const opening = Buffer.from('{}\n{"type":"event","length":900000000}\n');
const spaces = Buffer.concat([opening, Buffer.alloc(60 * mib, " ")]);

const bombs: readonly (readonly [name: string, encoding: string, bomb: () => Uint8Array])[] = [
  ["gzip", "gzip", () => gzipSync(spaces)],
  ["deflate", "deflate", () => deflateSync(spaces)],
  ["raw deflate", "deflate", () => deflateRawSync(spaces)],
  ["br", "br", () => brotliCompressSync(spaces)],
  ["zstd", "zstd", () => Buffer.concat([zstdFrame([opening]), zstdBomb(1024 * mib)])],
  ["gzip in gzip", "gzip, gzip", () => gzipSync(gzipSync(spaces))],
];

describe("ET-031", () => {
  test.each(bombs)("ET-031 50 bombs of %s at once are refused within bounded memory", async (_name, encoding, make) => {
    const bomb = make();
    const { statuses, roseBytes } = await measure(() =>
      Promise.all(Array.from({ length: 50 }, () => post(bomb, encoding))),
    );
    expect([...statuses]).toEqual([413]);
    expect(roseBytes).toBeLessThan(allowedBytes);
  });

  test("ET-031 ET-072 50 events of 64 MiB in one line at once are refused within bounded memory", async () => {
    const line = gzipSync(Buffer.concat([Buffer.from('{}\n{"type":"event"}\n'), Buffer.alloc(64 * mib, "[")]));
    const { statuses, roseBytes } = await measure(() =>
      Promise.all(Array.from({ length: 50 }, () => post(line, "gzip"))),
    );
    expect([...statuses]).toEqual([413]);
    expect(roseBytes).toBeLessThan(allowedBytes);
  });

  test("ET-031 large attachments flow to the blob store within bounded memory", async () => {
    const body = envelope({}, [{ type: "event" }, { message: "x" }], [{ type: "attachment" }, randomBytes(30 * mib)]);
    const { statuses, roseBytes } = await measure(() => Promise.all(Array.from({ length: 16 }, () => post(body))));
    // A busy machine may not hand all of them over in time; those were to be sent again.
    for (const status of statuses) expect([200, 503]).toContain(status);
    expect(statuses).toContain(200);
    expect(roseBytes).toBeLessThan(allowedBytes);
  });

  test("ET-031 200 events of nearly 1 MiB at once are taken or refused for now, within bounded memory", async () => {
    const body = gzipSync(
      envelope({}, [{ type: "event" }, { extra: Array.from({ length: 60_000 }, (_, n) => `value ${n}`) }]),
    );
    const { statuses, roseBytes } = await measure(() =>
      Promise.all(Array.from({ length: 200 }, () => post(body, "gzip"))),
    );
    for (const status of statuses) expect([200, 429, 503]).toContain(status);
    expect(statuses).toContain(200);
    expect(roseBytes).toBeLessThan(allowedBytes);
  });
});
