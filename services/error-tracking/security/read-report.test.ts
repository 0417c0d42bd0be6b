import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { culpritOf, titleOf } from "../digest/title.js";
import { groupEvent } from "../grouping/group-event.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { isForeignCsp, readCspViolation } from "./csp.js";
import { readSecurityReport } from "./read-report.js";

const facts = { release: "site@3", environment: "staging", userAgent: "Mozilla/5.0 Firefox/140.0" };

const eventsOf = (body: JsonValue) => readSecurityReport(Buffer.from(JSON.stringify(body)), facts);

function normalise(raw: JsonObject) {
  return normaliseEvent(raw, { eventId: "1".repeat(32), receivedAtMs: 1_772_000_000_000, correlationId: "c" }).event;
}

const csp = (more: JsonObject): JsonObject => ({
  "document-uri": "https://shop.example/basket",
  "violated-directive": "script-src 'self'",
  ...more,
});

const seen = (report: JsonObject) => {
  const [event] = eventsOf({ "csp-report": report }).map(normalise);
  if (event === undefined) throw new TypeError("no event");
  const [hash] = groupEvent(event).hashes;
  return { title: titleOf(event).title, hash: hash?.hash, strategy: groupEvent(event).strategy, event };
};

test("ET-151 ET-152 a CSP report becomes a warning of the logger csp, with tags, page, release and environment", () => {
  const { event, title, strategy } = seen(
    csp({
      "effective-directive": "img-src",
      "blocked-uri": "https://cdn.example:8443/a.png?x=1",
      referrer: "https://a.example/",
    }),
  );
  expect({ title, strategy, culprit: culpritOf(event) }).toEqual({
    title: "Blocked 'image' from 'cdn.example:8443'",
    strategy: "security",
    culprit: "img-src",
  });
  expect(event).toMatchObject({
    type: "csp",
    logger: "csp",
    level: "warning",
    release: "site@3",
    environment: "staging",
    tags: [
      ["effective-directive", "img-src"],
      ["blocked-uri", "https://cdn.example:8443/a.png?x=1"],
    ],
    request: { url: "https://shop.example/basket" },
    contexts: { browser: { name: "Firefox" } },
  });
});

test.each<[blocked: string, directive: string, violated: string, host: string, local: string | undefined]>([
  ["https://evil.example/x.js", "script-src-elem", "", "evil.example", undefined],
  ["https://evil.example:443/x.js", "script-src", "", "evil.example", undefined],
  ["http://evil.example:80", "script-src", "", "evil.example", undefined],
  ["data", "img-src", "", "data", undefined],
  ["blob:https://shop.example/1", "worker-src", "", "blob", undefined],
  ["self", "connect-src", "", "shop.example", undefined],
  ["", "", "font-src https:", "shop.example", undefined],
  ["inline", "style-src-attr", "", "inline", "'unsafe-inline'"],
  ["eval", "script-src", "", "eval", "'unsafe-eval'"],
  ["self", "script-src", "script-src 'unsafe-inline'", "shop.example", "'unsafe-inline'"],
  ["https://shop.example", "script-src", "script-src 'self' 'unsafe-eval'", "shop.example", "'unsafe-eval'"],
])("ET-151 of the blocked address %s under %s%s the host is %s", (blocked, directive, violated, host, local) => {
  const report = { "document-uri": "https://shop.example/", "blocked-uri": blocked, "effective-directive": directive };
  const violation = readCspViolation({ ...report, "violated-directive": violated });
  expect(violation).toEqual({ directive: directive || violated.split(" ")[0], blockedHost: host, local });
});

test("ET-151 reports of one directive and host are one issue, whatever page and path they name", () => {
  const first = seen(csp({ "blocked-uri": "https://evil.example/a.js" }));
  const other = seen(
    csp({ "blocked-uri": "https://evil.example:443/b.js", "document-uri": "https://shop.example/other" }),
  );
  expect(other.hash).toBe(first.hash);
  const others: JsonObject[] = [{ "blocked-uri": "https://other.example/" }, { "violated-directive": "img-src" }];
  for (const more of others)
    expect(seen(csp({ "blocked-uri": "https://evil.example/a.js", ...more })).hash).not.toBe(first.hash);
});

test("ET-152 violations of the page itself are called by what they are", () => {
  expect(seen(csp({ "blocked-uri": "inline" })).title).toBe("Blocked inline script");
  expect(seen(csp({ "blocked-uri": "eval" })).title).toBe("Blocked unsafe eval() 'script'");
});

test("ET-151 each entry of a list of the Reporting API is an event, and those of other kinds are passed over", () => {
  const body = {
    documentURL: "https://shop.example/",
    blockedURL: "https://evil.example/",
    effectiveDirective: "font-src",
  };
  const events = eventsOf([
    { type: "csp-violation", age: 10, url: "https://shop.example/", user_agent: "x", body },
    { type: "deprecation", body: { id: "old" } },
    { type: "csp-violation", body: { ...body, effectiveDirective: "media-src" } },
    null,
    "text",
  ]);
  expect(events.map((event) => titleOf(normalise(event)).title)).toEqual([
    "Blocked 'font' from 'evil.example'",
    "Blocked 'media' from 'evil.example'",
  ]);
  // The two ways of reporting the same violation are one issue.
  const classic = seen({
    "document-uri": "https://shop.example/",
    "blocked-uri": "https://evil.example/x",
    "effective-directive": "font-src",
  });
  expect(groupEvent(normalise(events[0] ?? {})).hashes[0]?.hash).toBe(classic.hash);
});

test.each<[string, JsonObject, string]>([
  ["Expect-CT", { "expect-ct-report": { hostname: "Shop.example", port: 443 } }, "Expect-CT failed for 'shop.example'"],
  [
    "Expect-Staple",
    { "expect-staple-report": { hostname: "shop.example" } },
    "Expect-Staple failed for 'shop.example'",
  ],
  ["HPKP", { hostname: "shop.example", "known-pins": [] }, "Public key pinning validation failed for 'shop.example'"],
])("ET-151 reports of %s are grouped by kind and host", (_kind, body, title) => {
  const [event] = eventsOf(body).map(normalise);
  expect(event && titleOf(event).title).toBe(title);
  expect(event && groupEvent(event).strategy).toBe("security");
});

test("ET-205 a fingerprint of the project's own goes before the security report", () => {
  const { event } = seen(csp({ "blocked-uri": "inline" }));
  expect(groupEvent({ ...event, fingerprint: ["mine"] }).strategy).toBe("fingerprint");
});

describe("what extensions cause", () => {
  test.each([
    ["blocked-uri", "chrome-extension://abc/x.js"],
    ["blocked-uri", "about"],
    ["source-file", "moz-extension://abc"],
    ["document-uri", "about:blank"],
  ])("ET-152 a report whose %s is %s is foreign", (name, value) => {
    expect(isForeignCsp(csp({ [name]: value }))).toBe(true);
  });

  test("ET-152 a report of the site itself is not", () => {
    expect(isForeignCsp(csp({ "blocked-uri": "https://about.example/extension://" }))).toBe(false);
    for (const none of [undefined, null, [], "about"]) expect(isForeignCsp(none)).toBe(false);
  });
});

test("ET-131 ET-152 whatever a report holds, it makes events with a title and a hash, or none", () => {
  const field = fc.oneof(
    fc.string(),
    fc.webUrl(),
    fc.constantFrom("self", "inline", "eval", "data", "", "://"),
    fc.jsonValue(),
  );
  const names = [
    "document-uri",
    "blocked-uri",
    "violated-directive",
    "effective-directive",
    "referrer",
    "source-file",
    "hostname",
  ];
  const report = fc.dictionary(fc.constantFrom(...names), field);
  const body = fc.oneof(
    fc.record({ "csp-report": report }),
    fc.array(fc.record({ type: fc.constant("csp-violation"), body: report })),
    fc.record({ "expect-ct-report": report }),
    fc.jsonValue(),
  );
  fc.assert(
    fc.property(body, (value) => {
      for (const event of eventsOf(JSON.parse(JSON.stringify(value)))) {
        const normal = normalise(event);
        expect(titleOf(normal).title).not.toBe("");
        expect(groupEvent(normal).strategy).toBe("security");
      }
    }),
    { numRuns: 500 },
  );
});
