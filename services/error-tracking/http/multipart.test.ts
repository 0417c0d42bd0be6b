import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundaryOf, readMultipart } from "./multipart.js";

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

type Read = [name: string, filename: string | undefined, type: string | undefined, content: string | undefined];

async function read(body: string | Uint8Array, sizes: readonly number[] = [1e9], skipped: readonly number[] = []) {
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body;
  const parts: Read[] = [];
  for await (const { name, filename, contentType, body: content } of readMultipart(inPieces(bytes, sizes), "XyZ")) {
    if (skipped.includes(parts.length)) {
      parts.push([name, filename, contentType, undefined]);
      continue;
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of content) pieces.push(Uint8Array.from(piece));
    parts.push([name, filename, contentType, Buffer.concat(pieces).toString("latin1")]);
  }
  return parts;
}

const field = (name: string, content: string, more = ""): string =>
  `--XyZ\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${content}\r\n`;

test("ET-004 fields and files of a form are read in their order", async () => {
  const form =
    field("a", "1") +
    field("dump", "MDMP\r\n--Xy\r\n-", '; filename="crash.dmp"\r\nContent-Type: application/octet-stream') +
    field("empty", "") +
    "--XyZ--\r\nepilogue";
  expect(await read(form)).toEqual([
    ["a", undefined, undefined, "1"],
    ["dump", "crash.dmp", "application/octet-stream", "MDMP\r\n--Xy\r\n-"],
    ["empty", undefined, undefined, ""],
  ]);
});

test("ET-004 names are read with escapes, in UTF-8 and in the extended form", async () => {
  const form = Buffer.from(
    `${field("q", "1", '; filename="a\\"b.txt"')}${field("u", "1", '; filename="äöü.txt"')}` +
      `${field("x", "1", "; filename*=UTF-8''%e2%82%ac.txt")}--XyZ--`,
  );
  expect((await read(form)).map(([, filename]) => filename)).toEqual(['a"b.txt', "äöü.txt", "€.txt"]);
});

test("ET-004 what is not read of a part is skipped", async () => {
  const form = `${field("a", "x".repeat(1000))}${field("b", "2")}--XyZ--`;
  expect(await read(form, [7], [0])).toEqual([
    ["a", undefined, undefined, undefined],
    ["b", undefined, undefined, "2"],
  ]);
});

test.each([
  ["without an end", field("a", "1")],
  ["cut inside a part", field("a", "1").slice(0, -4)],
  ["that is none", "hello"],
  ["of nothing", ""],
  ["without a name", "--XyZ\r\nContent-Type: text/plain\r\n\r\n1\r\n--XyZ--"],
  [
    "with endless headers",
    `--XyZ\r\nContent-Disposition: form-data; name="a"\r\nX: ${"y".repeat(10_000)}\r\n\r\n1\r\n--XyZ--`,
  ],
  ["with a delimiter that goes on", "--XyZabc\r\n\r\n"],
  ["of too many parts", `${field("a", "1").repeat(1001)}--XyZ--`],
])("ET-004 a form %s is refused", async (_case, form) => {
  for (const size of [1, 50, 1e6])
    await expect(read(form, [size])).rejects.toMatchObject({ code: "ET_MULTIPART_INVALID" });
});

test("ET-004 however a form is cut into pieces, the same parts come out", async () => {
  const content = fc.string({ unit: fc.constantFrom("\r", "\n", "-", "X", "y", "Z", "a", "\0") });
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
  await fc.assert(
    fc.asyncProperty(fc.array(content, { minLength: 1, maxLength: 4 }), sizes, async (contents, cut) => {
      const form = `${contents.map((text, index) => field(`f${index}`, text)).join("")}--XyZ--\r\n`;
      expect((await read(form, cut)).map(([, , , text]) => text)).toEqual(contents);
    }),
  );
});

describe("the boundary", () => {
  test("ET-004 is found bare and in quotes", () => {
    expect(boundaryOf("multipart/form-data; boundary=abc")).toBe("abc");
    expect(boundaryOf('Multipart/Form-Data; charset=utf-8; Boundary="a b:c"')).toBe("a b:c");
  });

  test.each(["", "application/json", "multipart/form-data", `multipart/form-data; boundary=${"x".repeat(300)}`])(
    "ET-004 is missed in %s",
    (mediaType) => {
      expect(() => boundaryOf(mediaType)).toThrow(expect.objectContaining({ code: "ET_MULTIPART_INVALID" }));
    },
  );
});
