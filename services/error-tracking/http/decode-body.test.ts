import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { sampleText, zstdBomb, zstdEncode } from "../testing/zstd-frames.js";
import { type ContentCoding, decodeStream, decodeWhole, parseContentEncoding } from "./decode-body.js";

const plain = Buffer.from(sampleText(20_000));
const forms: readonly (readonly [name: string, coding: ContentCoding, encode: (data: Uint8Array) => Uint8Array])[] = [
  ["gzip", "gzip", (data) => gzipSync(data)],
  [
    "gzip in two members",
    "gzip",
    (data) => Buffer.concat([gzipSync(data.subarray(0, 99)), gzipSync(data.subarray(99))]),
  ],
  ["deflate with zlib's wrapping", "deflate", (data) => deflateSync(data)],
  ["deflate with zlib's wrapping, fastest", "deflate", (data) => deflateSync(data, { level: 1 })],
  ["raw deflate", "deflate", (data) => deflateRawSync(data)],
  ["br", "br", (data) => brotliCompressSync(data)],
  ["zstd", "zstd", zstdEncode],
];
const bombs: readonly (readonly [name: string, coding: ContentCoding, bomb: () => Uint8Array])[] = [
  ["gzip", "gzip", () => gzipSync(Buffer.alloc(100_000_000, " "))],
  ["deflate", "deflate", () => deflateSync(Buffer.alloc(100_000_000, " "))],
  ["raw deflate", "deflate", () => deflateRawSync(Buffer.alloc(100_000_000, " "))],
  ["br", "br", () => brotliCompressSync(Buffer.alloc(100_000_000, " "))],
  ["zstd", "zstd", () => zstdBomb(100_000_000)],
];

/** Yields `data` in pieces and says how it was left. */
function arriving(data: Uint8Array, pieceBytes: number) {
  const source = { given: 0, ended: false };
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (let at = 0; at < data.length; at += pieceBytes) {
        source.given = at + pieceBytes;
        yield data.subarray(at, at + pieceBytes);
      }
    } finally {
      source.ended = true;
    }
  }
  return { source, pieces: pieces() };
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return Buffer.concat(parts);
}

describe("parseContentEncoding", () => {
  test.each([
    [undefined, []],
    ["", []],
    ["identity", []],
    ["gzip", ["gzip"]],
    ["X-GZIP", ["gzip"]],
    ["deflate", ["deflate"]],
    [" br ", ["br"]],
    ["zstd", ["zstd"]],
    ["gzip, br", ["br", "gzip"]],
    ["identity, gzip,identity, zstd", ["zstd", "gzip"]],
  ])("ET-030 %j is undone as %j", (header, layers) => {
    expect(parseContentEncoding(header)).toEqual(layers);
  });

  test.each(["compress", "gzip, lzma", "aws-chunked", "gzip, gzip, gzip", "gzip;q=1", "__proto__"])(
    "ET-030 %s is not supported",
    (header) => {
      expect(() => parseContentEncoding(header)).toThrow(
        expect.objectContaining({ code: "ET_ENCODING_UNSUPPORTED", status: 415 }),
      );
    },
  );
});

describe.each(forms)("%s", (_name, coding, encode) => {
  const encoded = encode(plain);

  test("ET-030 comes back, in one go and as a stream of any pieces", async () => {
    expect(Buffer.from(decodeWhole(encoded, [coding], 20_000) ?? [])).toEqual(plain);
    for (const pieceBytes of [1, 1000, 1_000_000])
      expect(await collect(decodeStream(arriving(encoded, pieceBytes).pieces, [coding], 20_000))).toEqual(plain);
  });

  test("ET-030 is corrupt when it is cut off", async () => {
    for (const length of [0, 1, 10, encoded.length - 1]) {
      const cut = encoded.subarray(0, length);
      // Nothing at all is a valid frame sequence of Zstandard, and an empty body is refused for that elsewhere.
      if (length === 0 && coding === "zstd") continue;
      expect(() => decodeWhole(cut, [coding], 20_000)).toThrow(
        expect.objectContaining({ code: "ET_BODY_CORRUPT", status: 400 }),
      );
      await expect(collect(decodeStream(arriving(cut, 100).pieces, [coding], 20_000))).rejects.toMatchObject({
        code: "ET_BODY_CORRUPT",
      });
    }
  });

  test("ET-031 one byte too many is too large", async () => {
    expect(decodeWhole(encoded, [coding], 19_999)).toBeUndefined();
    await expect(collect(decodeStream(arriving(encoded, 1000).pieces, [coding], 19_999))).rejects.toMatchObject({
      code: "ET_BODY_TOO_LARGE",
      status: 413,
    });
  });
});

test("ET-030 two layers are undone last to first", async () => {
  for (const [, outer, encodeOuter] of forms) {
    for (const [, inner, encodeInner] of forms) {
      const encoded = encodeOuter(encodeInner(plain));
      const layers = parseContentEncoding(`${inner}, ${outer}`);
      expect(Buffer.from(decodeWhole(encoded, layers, 25_000) ?? [])).toEqual(plain);
      expect(await collect(decodeStream(arriving(encoded, 5000).pieces, layers, 25_000))).toEqual(plain);
    }
  }
});

test("ET-030 noise is corrupt in every coding", async () => {
  const noise = Buffer.from("this is no compressed data at all, whatever the header says");
  for (const coding of ["gzip", "deflate", "br", "zstd"] as const) {
    expect(() => decodeWhole(noise, [coding], 20_000)).toThrow(expect.objectContaining({ code: "ET_BODY_CORRUPT" }));
    await expect(collect(decodeStream(arriving(noise, 9).pieces, [coding], 20_000))).rejects.toMatchObject({
      code: "ET_BODY_CORRUPT",
    });
  }
});

describe.each(bombs)("a bomb of %s", (_name, coding, make) => {
  const bomb = make();

  test("ET-031 is stopped at the limit, and the source with it", async () => {
    expect(decodeWhole(bomb, [coding], 1_000_000)).toBeUndefined();
    const { source, pieces } = arriving(bomb, 16);
    let bytes = 0;
    const read = async () => {
      for await (const piece of decodeStream(pieces, [coding], 1_000_000)) bytes += piece.length;
    };
    await expect(read()).rejects.toMatchObject({ code: "ET_BODY_TOO_LARGE" });
    expect(bytes).toBeLessThanOrEqual(1_000_000);
    expect(source.ended).toBe(true);
    // Some bombs are so small that they are read in one piece.
    if (bomb.length > 10_000) expect(source.given).toBeLessThan(bomb.length);
  });

  test("ET-031 inside another layer is stopped as well", async () => {
    const wrapped = gzipSync(bomb);
    expect(decodeWhole(wrapped, ["gzip", coding], 1_000_000)).toBeUndefined();
    await expect(
      collect(decodeStream(arriving(wrapped, 1000).pieces, ["gzip", coding], 1_000_000)),
    ).rejects.toMatchObject({
      code: "ET_BODY_TOO_LARGE",
    });
  });
});

test("ET-031 without any coding the bytes are counted too", async () => {
  expect(decodeWhole(plain, [], 19_999)).toBeUndefined();
  expect(decodeWhole(plain, [], 20_000)).toBe(plain);
  await expect(collect(decodeStream(arriving(plain, 1000).pieces, [], 19_999))).rejects.toMatchObject({
    code: "ET_BODY_TOO_LARGE",
  });
});

test("what the source throws comes out unchanged where it says what happened, and leaving early ends the source", async () => {
  const refused = Object.assign(new Error("gone"), { code: "X" });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield gzipSync(plain).subarray(0, 100);
    throw refused;
  }
  await expect(collect(decodeStream(failing(), [], 20_000))).rejects.toBe(refused);

  for (const coding of ["gzip", "deflate", "br", "zstd"] as const) {
    const encoded = forms.find((form) => form[1] === coding)?.[2](plain) ?? plain;
    const { source, pieces } = arriving(encoded, 50);
    for await (const _piece of decodeStream(pieces, [coding], 20_000)) break;
    await expect.poll(() => source.ended).toBe(true);
  }
});
