import type { JsonObject } from "@signalbox/sentry-protocol";
import { describe, expect, test } from "vitest";
import { checkFilters, compileFilters, type FilterSettings, noFilters } from "./filter-settings.js";

const connection = { clientAddress: "192.0.2.7", userAgent: undefined };
/** By which filter the event is caught. */
const caught = (settings: Partial<FilterSettings>, event: JsonObject, from: object = {}) =>
  compileFilters({ ...noFilters, ...settings })?.(event, { ...connection, ...from });

const error = (type: string, value: string, ...files: string[]): JsonObject => ({
  exception: { values: [{ type, value, stacktrace: { frames: files.map((abs_path) => ({ abs_path })) } }] },
});
const fromBrowser = (agent: string): JsonObject => ({ request: { headers: { "User-Agent": agent } } });

describe("ET-098 own filters", () => {
  test("without any nothing is even looked at", () => {
    expect(compileFilters(noFilters)).toBeUndefined();
  });

  test.each<[string, JsonObject]>([
    ["an exception", error("ChunkLoadError", "Loading chunk 7 failed")],
    ["a bare exception", { exception: { type: "ChunkLoadError", value: "Loading chunk 7 failed" } }],
    [
      "one of a chain",
      {
        exception: [
          { type: "Error", value: "x" },
          { type: "chunkloaderror", value: "loading chunk" },
        ],
      },
    ],
    ["a log entry", { logentry: { formatted: "ChunkLoadError: Loading chunk 9" } }],
    ["a message", { message: "ChunkLoadError: Loading chunk 9" }],
  ])("a glob over type and value catches %s", (_what, event) => {
    const settings = { messages: ["ChunkLoadError: Loading chunk*"] };
    expect(caught(settings, event)).toBe("message");
    expect(caught(settings, error("Error", "ChunkLoadError: Loading chunk 7"))).toBeUndefined();
  });

  test("globs over release and environment match as a whole; an event without environment is of production", () => {
    const settings = { releases: ["shop@0.*"], environments: ["test-?", "production"] };
    expect(caught(settings, { release: "shop@0.9.1", environment: "staging" })).toBe("release");
    expect(caught(settings, { release: "shop@1.0.9", environment: "test-7" })).toBe("environment");
    expect(caught(settings, { release: "shop@1.0.9", environment: "test-77" })).toBeUndefined();
    expect(caught(settings, {})).toBe("environment");
  });

  test.each([
    ["192.0.2.0/24", "192.0.2.7", "network"],
    ["192.0.2.7", "192.0.2.7", "network"],
    ["192.0.2.8", "192.0.2.7", undefined],
    ["2001:db8::/32", "2001:db8::1", "network"],
    ["2001:db8::/32", "192.0.2.7", undefined],
    ["0.0.0.0/0", undefined, undefined],
  ])("what comes from %s is caught when the address is %s", (network, clientAddress, expected) => {
    expect(caught({ networks: [network] }, {}, { clientAddress })).toBe(expected);
  });

  test.each(["10.0.0.0/33", "10.0.0/8", "::/129", "somewhere", "10.0.0.0/8/8", "10.0.0.0/"])(
    "%s is no network",
    (network) => {
      expect(() => checkFilters({ ...noFilters, networks: [network] })).toThrow(
        expect.objectContaining({ code: "ET_NETWORK_INVALID" }),
      );
    },
  );
});

describe("ET-099 ready-made filters", () => {
  test.each([
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Linux; Android 6.0.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Mobile Safari/537.36 (compatible; bingbot/2.0)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "facebookexternalhit/1.1",
  ])("the crawler %s is caught", (agent) => {
    expect(caught({ crawlers: true }, fromBrowser(agent))).toBe("crawler");
    expect(caught({ crawlers: true }, {}, { userAgent: agent })).toBe("crawler");
    expect(
      caught({ legacyBrowsers: true, localhost: true, browserExtensions: true }, {}, { userAgent: agent }),
    ).toBeUndefined();
  });

  test.each([
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "sentry.python/2.1.0",
  ])("the browser %s is let through", (agent) => {
    expect(caught({ crawlers: true, legacyBrowsers: true }, fromBrowser(agent))).toBeUndefined();
  });

  test.each([
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.79 Safari/537.36 Edge/14.14393",
    "Mozilla/5.0 (Windows NT 6.1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/41.0.2228.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10) AppleWebKit/600.1.25 (KHTML, like Gecko) Version/8.0 Safari/600.1.25",
    "Mozilla/5.0 (Windows NT 6.1; rv:40.0) Gecko/20100101 Firefox/40.0",
    "Opera/9.80 (J2ME/MIDP; Opera Mini/5.0) Presto/2.12 Version/12.16",
  ])("the old browser %s is caught", (agent) => {
    expect(caught({ legacyBrowsers: true }, fromBrowser(agent))).toBe("legacy_browser");
  });

  test("frames inside browser extensions are caught, and messages that only these cause", () => {
    const settings = { browserExtensions: true };
    for (const file of [
      "chrome-extension://abc/inject.js",
      "moz-extension://1-2/a.js",
      "safari-web-extension://X/b.js",
    ])
      expect(caught(settings, error("TypeError", "x is undefined", "https://shop.example/app.js", file))).toBe(
        "browser_extension",
      );
    expect(caught(settings, error("Error", "Extension context invalidated."))).toBe("browser_extension");
    expect(caught(settings, error("TypeError", "x is undefined", "https://shop.example/extension.js"))).toBeUndefined();
  });

  test.each([
    ["http://localhost:3000/basket", true],
    ["https://127.0.0.1/", true],
    ["http://[::1]:8080/", true],
    ["http://shop.localhost/", true],
    ["file:///home/ann/index.html", true],
    ["https://localhost.example.com/", false],
    ["https://shop.example/?from=localhost", false],
    ["not an address", false],
  ])("a page at %s is on a developer's machine: %s", (url, expected) => {
    expect(caught({ localhost: true }, { request: { url } })).toBe(expected ? "localhost" : undefined);
  });

  test("whatever shape an event has, filters only look", () => {
    const settings = {
      messages: ["x"],
      crawlers: true,
      browserExtensions: true,
      localhost: true,
      legacyBrowsers: true,
    };
    const shapes: JsonObject[] = [
      { exception: null, request: [], logentry: 7 },
      { exception: { values: [null, 1, { stacktrace: { frames: "x" } }] }, request: { headers: "x", url: {} } },
      { exception: [[]], request: { headers: [["user-agent"], null, ["User-Agent", ["x"]]] } },
    ];
    for (const event of shapes) expect(caught(settings, event)).toBeUndefined();
  });
});
