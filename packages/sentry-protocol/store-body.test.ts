import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readStoreBody } from "./index.js";

const json = '{"message":"boom ü"}';
const read = (body: string | Uint8Array, maxBytes = 1000): string =>
  Buffer.from(readStoreBody(Buffer.from(body), maxBytes)).toString();

describe("readStoreBody", () => {
  test.each([
    ["JSON", json, json],
    ["JSON behind white space", ` \n${json}`, ` \n${json}`],
    ["JSON behind a byte-order mark", `\ufeff${json}`, `\ufeff${json}`],
    ["base64 of JSON", Buffer.from(json).toString("base64"), json],
    ["base64 in the other alphabet", Buffer.from(json).toString("base64url"), json],
    [
      "base64 in lines",
      Buffer.from(json)
        .toString("base64")
        .replace(/(.{8})/g, "$1\r\n"),
      json,
    ],
    ["base64 of zlib of JSON", deflateSync(json).toString("base64"), json],
  ])("ET-033 %s", (_form, body, expected) => {
    expect(read(body)).toBe(expected);
  });

  test("ET-033 everything else is corrupt", () => {
    const truncated = deflateSync(json.repeat(9)).subarray(0, 20);
    for (const body of ["[1]", "hello!", "ü", "aGVsbG8=", "=", truncated.toString("base64")])
      expect(() => read(body), body).toThrow(expect.objectContaining({ code: "ET_BODY_CORRUPT", status: 400 }));
    for (const body of ["", "  \n", "\ufeff"])
      expect(() => read(body)).toThrow(expect.objectContaining({ code: "ET_BODY_EMPTY", status: 400 }));
  });

  test("ET-072 no form becomes larger than allowed", () => {
    const large = `{"a":"${"x".repeat(2000)}"}`;
    for (const body of [large, Buffer.from(large).toString("base64"), deflateSync(large).toString("base64")])
      expect(() => read(body)).toThrow(expect.objectContaining({ code: "ET_BODY_TOO_LARGE", status: 413 }));
    const bomb = deflateSync(Buffer.alloc(50_000_000, "{")).toString("base64");
    // Stopped by the decoder itself, not after everything had been made.
    const cause = expect.objectContaining({ code: "ERR_BUFFER_TOO_LARGE" });
    expect(() => read(bomb)).toThrow(expect.objectContaining({ code: "ET_BODY_TOO_LARGE", cause }));
  });
});
