import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dsnFor, formatDsn, parseDsn, parseKey, parseProjectId } from "./index.js";

describe("DSN", () => {
  test.each([
    ["https://k@sentry.example/1", { scheme: "https", key: "k", host: "sentry.example", prefix: "", project: 1 }],
    ["http://k:s3cret@[::1]:9000/a/b/7", { scheme: "http", key: "k", host: "[::1]:9000", prefix: "/a/b", project: 7 }],
    [
      "https://glet_0a-B@forge.example/api/v4/error_tracking/collector/12",
      {
        scheme: "https",
        key: "glet_0a-B",
        host: "forge.example",
        prefix: "/api/v4/error_tracking/collector",
        project: 12,
      },
    ],
  ])("ET-020 %s is read part by part, and a secret is forgotten", (text, expected) => {
    expect(parseDsn(text)).toEqual(expected);
  });

  test("ET-020 what is formatted is read back", () => {
    const word = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/);
    fc.assert(
      fc.property(
        fc.constantFrom("http" as const, "https" as const),
        fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
        fc.domain(),
        fc.array(word, { maxLength: 3 }),
        fc.integer({ min: 1 }),
        (scheme, key, host, segments, project) => {
          const prefix = segments.map((segment) => `/${segment}`).join("");
          const dsn = { scheme, key, host, prefix, project };
          expect(parseDsn(formatDsn(dsn))).toEqual(dsn);
        },
      ),
    );
  });

  test("ET-020 the DSN of a key keeps the server's port and path", () => {
    expect(dsnFor("https://forge.example:8443/signalbox/", "k", 3)).toBe("https://k@forge.example:8443/signalbox/3");
    expect(dsnFor("http://127.0.0.1:8787", "k", 3)).toBe("http://k@127.0.0.1:8787/3");
    expect(() => dsnFor("ftp://forge.example", "k", 3)).toThrow(TypeError);
  });

  test.each([
    "",
    "nonsense",
    "https://forge.example/1",
    "ftp://k@h/1",
    "https://k@h",
    "https://k@/1",
    "//k@h/1",
    `https://k@h/${"a/".repeat(2000)}1`,
  ])("%s is no DSN", (text) => {
    expect(() => parseDsn(text)).toThrow(expect.objectContaining({ code: "ET_DSN_INVALID", status: 400 }));
  });

  test("ET-020 keys are 1 to 64 letters, digits, hyphens and underscores", () => {
    expect(parseKey("aZ09_-")).toBe("aZ09_-");
    for (const key of ["", "ä", "a b", "a.b", "x".repeat(65)])
      expect(() => parseKey(key)).toThrow(expect.objectContaining({ code: "ET_KEY_INVALID", status: 400 }));
    expect(() => parseDsn("https://a.b@h/1")).toThrow(expect.objectContaining({ code: "ET_KEY_INVALID" }));
  });

  test("ET-010 a project is a decimal integer of at least 1", () => {
    expect(parseProjectId("1")).toBe(1);
    expect(parseProjectId("0042")).toBe(42);
    expect(parseProjectId(String(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
    for (const text of ["", "0", "00", "-1", "1.5", "1e3", "0x1", "abc", " 1", "٣", "9007199254740993", "1".repeat(30)])
      expect(() => parseProjectId(text)).toThrow(expect.objectContaining({ code: "ET_PROJECT_INVALID", status: 400 }));
  });

  test("long texts are refused without a search that never ends", () => {
    for (const text of [
      `https://${"/".repeat(2000)}`,
      `https://k@h${"/a".repeat(1000)}?`,
      `https://${"a:".repeat(1000)}`,
    ])
      expect(() => parseDsn(text)).toThrow();
  });
});
