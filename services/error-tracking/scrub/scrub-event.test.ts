import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ErrorEvent } from "../digest/error-event.js";
import { explainHash, prepareEvent } from "../digest/prepare-event.js";
import { groupEvent } from "../grouping/group-event.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { anyEvent } from "../testing/any-event.js";
import { defaultOptions } from "../testing/prepare.js";
import { receivedEvent } from "../testing/received-event.js";
import { scrubEvent } from "./scrub-event.js";
import { defaultScrubSettings, type ScrubSettings } from "./scrub-settings.js";

const filtered = "[Filtered]";

function normalised(raw: JsonObject): ErrorEvent {
  const receipt = { eventId: "0".repeat(32), receivedAtMs: 1_772_000_000_000, correlationId: "request" };
  return normaliseEvent(structuredClone(raw), receipt).event;
}

function scrubbed(raw: JsonObject, changes: Partial<ScrubSettings> = {}): ErrorEvent {
  return scrubEvent(normalised(raw), { ...defaultScrubSettings, ...changes });
}

describe("names", () => {
  test.each([
    "password",
    "PASSWORD",
    "user_password2",
    "passwd",
    "client-secret",
    "api_key",
    "API-Key",
    "apikey",
    "apiKey",
    "credentials",
    "mysql_pwd",
    "privateKey",
    "private-key",
    "access_token",
    "bearer",
    "csrfmiddlewaretoken",
    "X-XSRF",
    "card_number",
    "cardNumber",
    "auth",
    "x-auth",
    "userAuth",
    "Authorization",
    "session",
    "session_id",
    "sessionId",
    "cookie",
    "Set-Cookie",
  ])("ET-171 the value of %s is taken out, whatever it is", (name) => {
    for (const secret of ["text", 17, true, ["a"], { deep: { down: 1 } }]) {
      expect(scrubbed({ extra: { [name]: secret } }).extra).toEqual({ [name]: filtered });
    }
  });

  test.each(["author", "authority", "coauthored", "sessions_total", "cookies_enabled", "passport", "keyboard", "pass"])(
    "ET-171 %s is no secret",
    (name) => {
      expect(scrubbed({ extra: { [name]: "kept" } }).extra).toEqual({ [name]: "kept" });
    },
  );

  test("ET-171 cookies have more names that are secret", () => {
    const cookies = "PHPSESSID=1; connect.sid=2; my_jwt=3; theme=dark";
    const secret = [
      ["PHPSESSID", filtered],
      ["connect.sid", filtered],
      ["my_jwt", filtered],
      ["theme", "dark"],
    ];
    expect(scrubbed({ request: { cookies } }).request?.cookies).toEqual(secret);
    expect(scrubbed({ extra: { sid: "kept", jwt: "kept" } }).extra).toEqual({ sid: "kept", jwt: "kept" });
  });

  test("ET-171 a project adds names and has names that are never touched", () => {
    const extra = { customer_no: "17", "Customer-No-2": "18", token_count: 3, note: "Bearer abcdef1234567890" };
    expect(scrubbed({ extra }, { sensitiveNames: ["customer-no"], safeNames: ["Token_Count", "note"] }).extra).toEqual({
      ...extra,
      customer_no: filtered,
      "Customer-No-2": filtered,
    });
  });

  test("ET-171 names count at every place that holds names", () => {
    const event = scrubbed({
      tags: { token: "t", kept: "k" },
      user: { id: "1", password: "p", data: { secret: 1 } },
      contexts: { shop: { api_key: "a", basket: 3 }, credentials: { anything: "x" } },
      breadcrumbs: [{ message: "m", data: { password: "p", url: "/a?token=1&page=2" } }],
      request: {
        url: "https://shop.example/a?api_key=1&page=2",
        query_string: "password=1&page=2",
        headers: { Authorization: "Token abc", Cookie: "a=b", Accept: "text/html", "X-Api-Key": "k" },
        env: { DB_PASSWORD: "p", SERVER_NAME: "web" },
        data: { form: { passwd: "p", name: "n" } },
      },
      exception: {
        type: "E",
        mechanism: { type: "generic", data: { token: "t" } },
        stacktrace: { frames: [{ function: "f", vars: { password: "p", count: 1 } }] },
      },
      extra: { "list of": [{ secret: "s" }, "kept"] },
      custom: { nested: { bearer: "b" } },
    });
    expect(event.tags).toEqual([
      ["token", filtered],
      ["kept", "k"],
    ]);
    expect(event.user).toMatchObject({ id: "1", password: filtered, data: { secret: filtered } });
    expect(event.contexts).toMatchObject({
      shop: { api_key: filtered, basket: 3 },
      credentials: { anything: filtered },
    });
    expect(event.breadcrumbs?.values[0]?.data).toEqual({ password: filtered, url: `/a?token=${filtered}&page=2` });
    expect(event.request?.url).toBe(`https://shop.example/a?api_key=${filtered}&page=2`);
    expect(Object.fromEntries(event.request?.query_string ?? [])).toEqual({ password: filtered, page: "2" });
    expect(Object.fromEntries(event.request?.headers ?? [])).toEqual({
      Authorization: filtered,
      Cookie: filtered,
      Accept: "text/html",
      "X-Api-Key": filtered,
    });
    expect(event.request?.env).toEqual({ DB_PASSWORD: filtered, SERVER_NAME: "web" });
    expect(event.request?.data).toEqual({ form: { passwd: filtered, name: "n" } });
    expect(event.exception?.values[0]?.mechanism).toMatchObject({ data: { token: filtered } });
    expect(event.exception?.values[0]?.stacktrace?.frames[0]?.vars).toEqual({ password: filtered, count: 1 });
    expect(event.extra).toEqual({ "list of": [{ secret: filtered }, "kept"] });
    expect(event["custom"]).toEqual({ nested: { bearer: filtered } });
  });

  test("ET-171 a defect that was noted shows no secret either", () => {
    const { processing_errors } = scrubbed({ user: { username: "u" }, request: { headers: { "X-Token": { a: 1 } } } });
    expect(processing_errors).toMatchObject([{ name: "request.headers.X-Token", value: filtered }]);
  });
});

describe("texts", () => {
  test.each([
    ["card 4111 1111 1111 1111.", "card [creditcard]."],
    ["4111-1111-1111-1111", "[creditcard]"],
    ["378282246310005 and 6011111111111117", "[creditcard] and [creditcard]"],
    ["4111111111111112 fails Luhn", "4111111111111112 fails Luhn"],
    ["time 1772357400125 ms", "time 1772357400125 ms"],
    ["order 14111111111111111", "order 14111111111111111"],
    ["DE89 3704 0044 0532 0130 00!", "[iban]!"],
    ["GB82WEST12345698765432", "[iban]"],
    ["GB82WEST12345698765433", "GB82WEST12345698765433"],
    ["ssn 123-45-6789", "ssn [usssn]"],
    ["000-45-6789 and 123-45-67890", "000-45-6789 and 123-45-67890"],
    ["Authorization: Bearer eyJhbGciOi.J9-_x", "Authorization: [token]"],
    ["basic dXNlcjpwYXNz", "[token]"],
    ["some basic concepts of bearer bonds", "some basic concepts of bearer bonds"],
    ["-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- end", "[privatekey] end"],
    ["-----BEGIN PRIVATE KEY-----\nMIIEcut", "[privatekey]"],
    ["postgres://app:s3cret@db.example:5432/shop", "postgres://[auth]@db.example:5432/shop"],
    ["https://example.com/a:b@c", "https://example.com/a:b@c"],
  ])("ET-172 %j becomes %j", (sent, kept) => {
    const event = scrubbed({
      extra: { note: sent },
      message: sent,
      exception: { type: "E", value: sent },
      breadcrumbs: [{ message: sent }],
    });
    expect(event.extra).toEqual({ note: kept });
    expect(event.logentry?.formatted).toBe(kept);
    expect(event.exception?.values[0]?.value).toBe(kept);
    expect(event.breadcrumbs?.values[0]?.message).toBe(kept);
  });

  test.each<[string, string]>([
    ["user=a&password=b%20c&page=2", "user=a&password=[Filtered]&page=2"],
    ["GET /?access%5Ftoken=abc HTTP/1.1", "GET /?access%5Ftoken=[Filtered] HTTP/1.1"],
    ['{"password":"a","n":[1]}', '{"password":"[Filtered]","n":[1]}'],
    ['{ "name" : "kept" }', '{ "name" : "kept" }'],
    ['[{"deep":{"api_key":{"a":1}}}]', '[{"deep":{"api_key":"[Filtered]"}}]'],
    ['{"user":"a","password":"b","cut off', '{"user":"a","password":"[Filtered]","cut off'],
    ['{"user":"a","secret":{"x":1,"cut off', '{"user":"a",[Filtered]'],
    ['{"inner":"{\\"token\\":\\"t\\"}"}', '{"inner":"{\\"token\\":\\"[Filtered]\\"}"}'],
  ])("ET-172 names count inside of text: %j becomes %j", (sent, kept) => {
    expect(scrubbed({ extra: { body: sent }, request: { data: sent } })).toMatchObject({
      extra: { body: kept },
      request: { data: kept },
    });
  });

  test("ET-172 a card number that travels as number is one", () => {
    expect(scrubbed({ extra: { a: 4111111111111111, b: 4111111111111112 } }).extra).toEqual({
      a: "[creditcard]",
      b: 4111111111111112,
    });
  });

  test("ET-173 what tells programs apart is left alone", () => {
    const raw = {
      debug_meta: { images: [{ type: "x", code_file: "/secret/token=1/a", debug_id: "4111111111111111" }] },
      contexts: { trace: { trace_id: "4111111111111111".repeat(2), span_id: "4111111111111111" } },
      request: { headers: { "User-Agent": "token=abc 4111111111111111" } },
      exception: {
        type: "password=x",
        value: "login?password=x failed",
        stacktrace: { frames: [{ filename: "/token=1/a.js", abs_path: "https://a:b@c/token=1/a.js", function: "f" }] },
      },
      logentry: { formatted: "login?password=x failed" },
    };
    expect(scrubbed(raw)).toEqual(normalised(raw));
  });

  test("ET-174 addresses and mail addresses stay unless the project says otherwise", () => {
    const raw = {
      user: { id: "1", email: "a@example.com", ip_address: "203.0.113.9" },
      request: {
        headers: { "X-Forwarded-For": "203.0.113.9", Accept: "*/*" },
        env: { REMOTE_ADDR: "203.0.113.9", SERVER_NAME: "web" },
      },
      extra: { note: "from 203.0.113.9 and 2001:db8::1 at 10:20:30, version 1.2.3, a.b@example.com" },
    };
    expect(scrubbed(raw)).toEqual(normalised(raw));
    const event = scrubbed(raw, { addresses: true, emails: true });
    expect(event.user).toEqual({ id: "1", email: "[email]" });
    expect(event.request).toMatchObject({ headers: [["Accept", "*/*"]], env: { SERVER_NAME: "web" } });
    expect(event.request?.env).not.toHaveProperty("REMOTE_ADDR");
    expect(event.extra).toEqual({ note: "from [ip] and [ip] at 10:20:30, version 1.2.3, [email]" });
  });

  test("long runs of any one character take no time that grows with their square", () => {
    for (const character of [
      "4",
      "1 ",
      "-",
      "A",
      "a@",
      "a.",
      "a=",
      ":",
      "{",
      '"',
      "BEGIN ",
      "basic ",
      "://",
      "DE89 ",
    ]) {
      const before = process.cpuUsage();
      scrubbed({ extra: { text: character.repeat(16_000 / character.length) } }, { addresses: true, emails: true });
      // Squares of these lengths take minutes.
      expect(process.cpuUsage(before).user / 1_000).toBeLessThan(5_000);
    }
  });
});

describe("what is kept of it", () => {
  test("ET-175 path and rule of everything that was taken out, without the values", () => {
    const event = scrubbed({
      extra: { password: "hunter2", note: "4111111111111111" },
      tags: { "x.token": "hunter2" },
    });
    expect(event.scrubbed).toEqual([
      { path: "tags.x.token", rule: "name" },
      { path: "extra.password", rule: "name" },
      { path: "extra.note", rule: "creditcard" },
    ]);
    expect(JSON.stringify(event)).not.toContain("hunter2");
    expect(scrubbed({ message: "nothing" })).not.toHaveProperty("scrubbed");
  });

  test("ET-175 hashes come from what was sent; title, explanation, row and payload from what is kept", () => {
    const secret = "postgres://app:hunter2@db/shop";
    const raw = { message: `cannot connect to ${secret}`, tags: { a: "Bearer hunter2hunter2" } };
    const message = receivedEvent(raw);
    const digested = prepareEvent(message, defaultOptions);
    expect(digested.hashes.map(({ hash }) => hash)).toEqual(groupEvent(normalised(raw)).hashes.map(({ hash }) => hash));
    const other = prepareEvent(message, { ...defaultOptions, scrubbing: { ...defaultScrubSettings, enabled: false } });
    expect(other.hashes).toEqual(digested.hashes);
    expect(JSON.stringify(other)).toContain("hunter2");
    expect(JSON.stringify(digested)).not.toContain("hunter2");
    const [primary] = digested.hashes;
    expect(explainHash(message, defaultOptions, primary?.hash ?? "")).not.toContain("hunter2");
    expect(digested.title.title).toBe("cannot connect to postgres://[auth]@db/shop");
  });

  test("ET-170 whatever a client sends is scrubbed without harm, and once is enough", () => {
    fc.assert(
      fc.property(anyEvent, fc.boolean(), (raw, all) => {
        const settings = { ...defaultScrubSettings, addresses: all, emails: all };
        const once = scrubEvent(normalised(raw), settings);
        const first = JSON.stringify({ ...once, scrubbed: undefined });
        const twice = scrubEvent(once, settings);
        expect(JSON.stringify({ ...twice, scrubbed: undefined })).toBe(first);
      }),
      { numRuns: 150 },
    );
  });

  test("ET-170 a secret under a sensitive name appears nowhere in what is stored", () => {
    const place = fc.constantFrom("extra", "tags", "user", "contexts", "request", "breadcrumbs", "custom");
    const name = fc.constantFrom("password", "apiKey", "X-Auth-Token");
    // Letters that arbitrary events do not hold by chance.
    const value = "zqxjzqxj";
    fc.assert(
      fc.property(anyEvent, place, name, (raw, at, secretName) => {
        const inside = { [secretName]: value };
        const wrapped: JsonValue = wrap(at, inside);
        const digested = prepareEvent(receivedEvent({ ...raw, [at]: wrapped }), defaultOptions);
        const lines = Object.values(digested.lines).map((line) => Buffer.from(line).toString("utf8"));
        expect(JSON.stringify([lines, digested.title])).not.toContain(value);
      }),
      { numRuns: 100 },
    );
  });
});

describe("rules of the project", () => {
  const extra = { iban: "DE89370400440532013000", order: "order 17", deep: { iban: "x" } };

  test("ET-176 a rule removes, replaces, masks or hashes what it finds where it looks", () => {
    const rule = (method: "remove" | "replace" | "mask" | "hash") =>
      scrubbed({ extra }, { rules: [{ path: "extra.order", method, find: { text: "17" } }] }).extra?.["order"];
    expect(rule("remove")).toBe("order ");
    expect(rule("replace")).toBe("order [Filtered]");
    expect(rule("mask")).toBe("order **");
    expect(rule("hash")).toMatch(/^order [0-9a-f]{32}$/);
  });

  test("ET-176 it looks for kinds of secrets, and paths have gaps", () => {
    const event = scrubbed({ extra, tags: { iban: "y" } }, { rules: [{ path: "**.iban", method: "mask" }] });
    expect(event.extra).toEqual({ iban: "*".repeat(22), order: "order 17", deep: { iban: "*" } });
    expect(event.scrubbed).toEqual([
      { path: "extra.iban", rule: "rule 1" },
      { path: "extra.deep.iban", rule: "rule 1" },
    ]);
    const mails = scrubbed({ message: "to a@example.com" }, { rules: [{ find: { kind: "email" }, method: "mask" }] });
    expect(mails.logentry?.formatted).toBe("to *************");
  });
});

/** What a place of an event holds free data in. */
function wrap(place: string, inside: JsonObject): JsonValue {
  if (place === "contexts") return { app: inside };
  if (place === "request") return { data: inside };
  return place === "breadcrumbs" ? [{ data: inside }] : inside;
}
