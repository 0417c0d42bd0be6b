import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError, parseDsn, readCredentials, resolveClaim } from "./index.js";

const basic = (user: string, password = ""): string => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const query = (text: string): URLSearchParams => new URLSearchParams(text);

describe("readCredentials", () => {
  test.each([
    ["X-Sentry-Auth", { "x-sentry-auth": "Sentry sentry_version=7, sentry_key=abc" }, ""],
    ["X-Sentry-Auth in capitals", { "x-sentry-auth": "SENTRY sentry_key=abc,sentry_version=7" }, ""],
    ["Authorization: Sentry", { authorization: "sentry sentry_key=abc" }, ""],
    ["Authorization: Basic", { authorization: basic("abc", "secret") }, ""],
    ["the query", {}, "sentry_key=abc"],
  ])("ET-021 the key is found in %s", (_place, headers, text) => {
    expect(readCredentials(headers, query(text)).key).toBe("abc");
  });

  test("ET-021 the key is found in the path", () => {
    expect(readCredentials({}, query(""), "abc").key).toBe("abc");
  });

  test("ET-021 no place has a key: undefined, and empty headers count as absent", () => {
    expect(readCredentials({}).key).toBeUndefined();
    expect(readCredentials({ "x-sentry-auth": "", authorization: " " }, query("sentry_key=")).key).toBeUndefined();
    expect(readCredentials({ "x-sentry-auth": "Sentry" }).key).toBeUndefined();
    expect(readCredentials({ "x-sentry-auth": "Sentry sentry_key=" }, query("sentry_key=abc")).key).toBe("abc");
    expect(readCredentials({ authorization: basic("") }).key).toBeUndefined();
    expect(readCredentials({ authorization: "Bearer eyJhbGciOi" }).key).toBeUndefined();
  });

  test("ET-021 any two places with different keys are refused, with the same key accepted", () => {
    const places = [
      (key: string) => ({ headers: { "x-sentry-auth": `Sentry sentry_key=${key}` }, text: "", path: undefined }),
      (key: string) => ({ headers: { authorization: `Sentry sentry_key=${key}` }, text: "", path: undefined }),
      (key: string) => ({ headers: { authorization: basic(key) }, text: "", path: undefined }),
      (key: string) => ({ headers: {}, text: `sentry_key=${key}`, path: undefined }),
      (key: string) => ({ headers: {}, text: "", path: key }),
    ];
    for (const [first, one] of places.entries()) {
      for (const [second, other] of places.entries()) {
        // One header cannot hold both schemes of Authorization.
        if (second <= first || (first === 1 && second === 2)) continue;
        const read = (key: string) => {
          const a = one("aaa");
          const b = other(key);
          return readCredentials({ ...a.headers, ...b.headers }, query(a.text + b.text), a.path ?? b.path);
        };
        expect(read("aaa").key).toBe("aaa");
        expect(() => read("bbb")).toThrow(expect.objectContaining({ code: "ET_AUTH_MULTIPLE", status: 401 }));
      }
    }
    expect(() => readCredentials({ "x-sentry-auth": "Sentry sentry_key=a, sentry_key=b" })).toThrow(
      expect.objectContaining({ code: "ET_AUTH_MULTIPLE" }),
    );
    expect(() => readCredentials({}, query("sentry_key=a&sentry_key=b"))).toThrow(
      expect.objectContaining({ code: "ET_AUTH_MULTIPLE" }),
    );
  });

  test("ET-020 a key of other characters is refused", () => {
    expect(() => readCredentials({}, query("sentry_key=a%20b"))).toThrow(
      expect.objectContaining({ code: "ET_KEY_INVALID" }),
    );
  });

  test("ET-023 versions up to 8 are spoken, newer ones not, and what is no number says nothing", () => {
    const read = (version: string) =>
      readCredentials({ "x-sentry-auth": `Sentry sentry_key=k, sentry_version=${version}` });
    for (const version of ["2.0", "7", "8", "", "latest"]) expect(read(version).key).toBe("k");
    for (const version of ["9", "8.1", "1000"])
      expect(() => read(version)).toThrow(expect.objectContaining({ code: "ET_PROTOCOL_UNSUPPORTED", status: 400 }));
    expect(() => readCredentials({}, query("sentry_key=k&sentry_version=9"))).toThrow(ProtocolError);
  });

  test("ET-023 the client is recorded; secret, timestamp and unknown fields are ignored", () => {
    const fields = "sentry_secret=s, sentry_timestamp=1, nonsense, =, x=y, sentry_client=sentry.python/2.1.0";
    expect(readCredentials({ "x-sentry-auth": `Sentry sentry_key=k, ${fields}` })).toEqual({
      key: "k",
      client: { name: "sentry.python", version: "2.1.0" },
    });
    expect(readCredentials({ "user-agent": "sentry.php/4.0 (Linux)" }, query("sentry_key=k")).client).toEqual({
      name: "sentry.php",
      version: "4.0",
    });
    expect(readCredentials({}).client).toBeUndefined();
  });

  test("headers of any content end in a value or in the protocol's error", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (auth, authorization, text) => {
        try {
          readCredentials({ "x-sentry-auth": auth, authorization: `sentry ${authorization}` }, query(text));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });
});

describe("resolveClaim", () => {
  const dsn = parseDsn("https://abc@h/7");

  test("ET-022 the DSN of the envelope alone is enough", () => {
    expect(resolveClaim(undefined, undefined, dsn)).toEqual({ key: "abc", project: 7 });
    expect(resolveClaim(undefined, 7, dsn)).toEqual({ key: "abc", project: 7 });
  });

  test("ET-022 key and project of request, path and envelope must agree", () => {
    expect(resolveClaim("abc", 7, dsn)).toEqual({ key: "abc", project: 7 });
    for (const [key, project] of [
      ["other", 7],
      ["abc", 8],
      [undefined, 8],
    ] as const)
      expect(() => resolveClaim(key, project, dsn)).toThrow(
        expect.objectContaining({ code: "ET_DSN_MISMATCH", status: 403 }),
      );
  });

  test("ET-024 without any key the request is refused", () => {
    expect(() => resolveClaim(undefined, 7, undefined)).toThrow(
      expect.objectContaining({ code: "ET_AUTH_MISSING", status: 401 }),
    );
    expect(resolveClaim("abc", undefined, undefined)).toEqual({ key: "abc", project: undefined });
  });
});
