import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sampleText, zstdBomb, zstdFrame } from "../testing/zstd-frames.js";
import { xxh64 } from "./xxh64.js";
import { createZstdDecoder } from "./zstd.js";
import { ZstdError } from "./zstd-entropy.js";

const maxWindowBytes = 8 * 1024 * 1024;

/** Files made by the reference implementation. */
const file = (name: string): Uint8Array => readFileSync(new URL(`../testing/zstd/${name}.zst`, import.meta.url));

function decode(data: Uint8Array, pieceBytes = data.length + 1, limits = { maxWindowBytes }): string {
  const decoder = createZstdDecoder(limits);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += pieceBytes) parts.push(...decoder.push(data.subarray(at, at + pieceBytes)));
  decoder.end();
  return Buffer.concat(parts).toString("latin1");
}

const files = [
  ["level-3", 20_000],
  ["level-1-without-size-and-checksum", 20_000],
  ["level-19-many-blocks", 300_000],
] as const;

describe("createZstdDecoder", () => {
  test.each(files)("ET-030 %s of the reference implementation comes back, in pieces of any size", (name, bytes) => {
    for (const pieceBytes of [1_000_000, 1000, 7, ...(bytes > 100_000 ? [] : [1])])
      expect(decode(file(name), pieceBytes) === sampleText(bytes)).toBe(true);
  });

  test("ET-030 frames follow each other, with frames to be skipped in between", () => {
    const skippable = Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9);
    const frames = Buffer.concat([
      skippable,
      file("level-3"),
      skippable,
      zstdFrame([Buffer.from("abc")]),
      file("level-3"),
      skippable,
    ]);
    for (const pieceBytes of [1_000_000, 13, 1])
      expect(decode(frames, pieceBytes) === `${sampleText(20_000)}abc${sampleText(20_000)}`).toBe(true);
  });

  test("raw and repeated blocks", () => {
    expect(decode(zstdFrame([Buffer.from("ab"), { byte: 0x63, times: 3 }, new Uint8Array(0), Buffer.from("d")]))).toBe(
      "abcccd",
    );
  });

  test("ET-030 cut off data is refused, wherever it is cut", () => {
    const whole = file("level-3");
    for (let length = 1; length < whole.length; length += 37)
      expect(() => decode(whole.subarray(0, length)), String(length)).toThrow(ZstdError);
  });

  test("ET-030 a wrong checksum and a wrong length are refused", () => {
    const checksum = Uint8Array.from(file("level-3"));
    checksum[checksum.length - 1] = (checksum[checksum.length - 1] ?? 0) ^ 1;
    expect(() => decode(checksum)).toThrow("a checksum does not match");
    // Byte 5 begins the announced length of the content.
    const length = Uint8Array.from(file("level-3"));
    length[5] = (length[5] ?? 0) ^ 1;
    expect(() => decode(length)).toThrow(ZstdError);
  });

  test.each([
    ["no Zstandard", "hello world, this is no frame"],
    ["a frame followed by something else", Buffer.concat([zstdFrame([Buffer.from("a")]), Buffer.from("rest")])],
    ["a dictionary", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x50, 0x07, 0x01, 0x00, 0x00)],
    ["a reserved bit", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x08, 0x50, 0x01, 0x00, 0x00)],
    ["a reserved block type", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, 0x07, 0x00, 0x00)],
    ["a block of more than 128 KiB", zstdFrame([{ byte: 1, times: 128 * 1024 + 1 }])],
  ])("%s is refused", (_name, data) => {
    expect(() => decode(Buffer.from(data))).toThrow(ZstdError);
  });

  test("ET-031 a frame that asks for too large a window is refused before anything is reserved", () => {
    expect(() => decode(file("window-of-128-mib"))).toThrow("a frame asks for too large a window");
    expect(decode(file("window-of-128-mib"), 1000, { maxWindowBytes: 2 ** 27 })).toBe(sampleText(2000));
    // Windows of 8 MiB and the next size.
    expect(decode(zstdFrame([Buffer.from("a")], 0x68))).toBe("a");
    expect(() => decode(zstdFrame([Buffer.from("a")], 0x69))).toThrow("a frame asks for too large a window");
  });

  test("ET-031 a bomb comes out in pieces of at most 128 KiB and can be stopped at any of them", () => {
    let bytes = 0;
    for (const piece of createZstdDecoder({ maxWindowBytes }).push(zstdBomb(1_000_000_000))) {
      expect(piece.length).toBeLessThanOrEqual(128 * 1024);
      bytes += piece.length;
      if (bytes > 1_000_000) break;
    }
    expect(bytes).toBeLessThan(1_200_000);
  });

  test("many tiny pieces and many tiny blocks cost no more than their bytes", () => {
    const blocks = Array.from({ length: 50_000 }, () => Buffer.from("x"));
    expect(decode(zstdFrame(blocks, 0x68), 1)).toBe("x".repeat(50_000));
  });

  test("damaged data ends in other data or in a ZstdError, never in anything else", () => {
    const seeds = [
      ...files.slice(0, 2).map(([name]) => file(name)),
      Buffer.from(zstdFrame([Buffer.from("abc"), { byte: 1, times: 9 }])),
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...seeds),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5000 }),
        (seed, flips, pieceBytes) => {
          const damaged = Uint8Array.from(seed);
          for (const [at, byte] of flips) damaged[at % damaged.length] = byte;
          try {
            decode(damaged, pieceBytes);
          } catch (error) {
            expect(error).toBeInstanceOf(ZstdError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

// Values of the algorithm's reference implementation.
test.each([
  ["", 0x51d8e999],
  ["a", 0xa98c6e5b],
  ["abc", 0xad770999],
])("the checksum of %j", (text, expected) => {
  const checksum = xxh64();
  checksum.update(Buffer.from(text));
  expect(checksum.low32().toString(16)).toBe(expected.toString(16));
});

test("the checksum does not depend on how the data is cut", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 50 }), (data, pieceBytes) => {
      const whole = xxh64();
      whole.update(data);
      const pieces = xxh64();
      for (let at = 0; at < data.length; at += pieceBytes) pieces.update(data.subarray(at, at + pieceBytes));
      expect(pieces.low32()).toBe(whole.low32());
    }),
  );
});
