import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EncodedRows, encodeLine, encodeRows, encodeTexts, joinLines, joinRows } from "./encode-rows.js";

function textOf({ chunks }: EncodedRows): string {
  return Buffer.concat(chunks).toString("utf8");
}

describe("encoding rows", () => {
  test("gives one line for each row and counts what it gives", async () => {
    const encoded = await encodeRows([
      { a: 1, text: "line\nbreak ü" },
      { a: 2n, at: new Date(0) },
    ]);
    expect(textOf(encoded)).toBe('{"a":1,"text":"line\\nbreak ü"}\n{"a":"2","at":"1970-01-01T00:00:00.000Z"}\n');
    expect(encoded.rows).toBe(2);
    expect(encoded.bytes).toBe(Buffer.byteLength(textOf(encoded)));
  });

  test("replaces exactly the surrogates without a partner", async () => {
    const text = "\ud83e\udded \ud800 \\ud800 \\\udc00 \\\\\udfff end";
    const encoded = await encodeRows([{ text }]);
    expect(JSON.parse(textOf(encoded)).text).toBe("\ud83e\udded \ufffd \\ud800 \\\ufffd \\\\\ufffd end");
  });

  test("keeps any well-formed text and repairs any other", async () => {
    const anyText = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) });
    const property = fc.asyncProperty(fc.array(anyText), async (texts) => {
      const encoded = await encodeRows(texts.map((text) => ({ text })));
      const lines = textOf(encoded).split("\n").slice(0, -1);
      // Encoding to UTF-8 and back replaces lone surrogates in the same way.
      const repaired = texts.map((text) => Buffer.from(text).toString("utf8"));
      expect(lines.map((line) => JSON.parse(line).text)).toEqual(repaired);
      expect(lines.join("")).not.toMatch(/(?<!\\)(?:\\\\)*\\ud/);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  test("takes rows that are JSON already as they are, without surrogates that have no partner", () => {
    const encoded = encodeTexts(['{"a":1}', JSON.stringify({ text: "ü \ud800" })]);
    expect(textOf(encoded)).toBe('{"a":1}\n{"text":"ü \\ufffd"}\n');
    expect(encoded).toMatchObject({ rows: 2, bytes: Buffer.byteLength(textOf(encoded)) });
  });

  test("gives the same one by one", async () => {
    const rows = [{ a: 1, text: "line\nbreak ü \ud800" }, { a: 2n, at: new Date(0) }, { text: "\\ud800" }];
    const lines = joinLines(rows.map(encodeLine));
    const together = await encodeRows(rows);
    expect(textOf(lines)).toBe(textOf(together));
    expect([lines.rows, lines.bytes]).toEqual([together.rows, together.bytes]);
    expect(joinLines([])).toMatchObject({ rows: 0, bytes: 0 });
  });

  test("names the row that cannot be encoded", async () => {
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    await expect(encodeRows([{ a: 1 }, circular])).rejects.toMatchObject({
      code: "ANALYTICS_INSERT_REFUSED",
      details: { row: 1 },
    });
    await expect(encodeRows([[1, 2]])).rejects.toMatchObject({ details: { row: 0 } });
  });

  test("lets others run while it encodes much, and stops when nobody waits", async () => {
    const rows = Array.from({ length: 40_000 }, (_, a) => ({ a, text: "x".repeat(500) }));
    let turns = 0;
    let encoding = true;
    const others = (async () => {
      for (; encoding; turns++) await setImmediate();
    })();
    await encodeRows(rows);
    encoding = false;
    await others;
    expect(turns).toBeGreaterThan(2);
    const abort = new AbortController();
    const aborted = encodeRows(rows, abort.signal);
    abort.abort(new Error("nobody waits"));
    await expect(aborted).rejects.toThrow("nobody waits");
  });

  test("several encodings make one batch", async () => {
    const joined = joinRows([
      await encodeRows([{ a: 1 }]),
      await encodeRows([]),
      await encodeRows([{ a: 2 }, { a: 3 }]),
    ]);
    expect(joined.rows).toBe(3);
    expect(textOf(joined)).toBe('{"a":1}\n{"a":2}\n{"a":3}\n');
    expect(joined.bytes).toBe(24);
  });
});
