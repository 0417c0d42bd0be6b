import { expect, test } from "vitest";
import { normaliseEvent } from "./normalise-event.js";

const receipt = { eventId: "0".repeat(32), receivedAtMs: 1_772_000_000_000, correlationId: "request" };

function contextsOf(agent: string, contexts?: Record<string, { name: string }>) {
  const headers = { "user-agent": agent };
  return normaliseEvent({ request: { headers }, ...(contexts ? { contexts } : {}) }, receipt).event.contexts ?? {};
}

test.each([
  [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.81",
    ["Edge 126.0.2592.81", "Windows 10", ""],
  ],
  [
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36",
    ["Chrome 109.0.0.0", "Windows 7", ""],
  ],
  [
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15",
    ["Safari 17.4.1", "macOS 10.15.7", "Mac"],
  ],
  [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
    ["Safari 17.5", "iOS 17.5", "iPhone"],
  ],
  [
    "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/UD1A) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
    ["Chrome 125.0.0.0", "Android 14", "Pixel 8"],
  ],
  [
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
    ["Samsung Internet 25.0", "Android 10", ""],
  ],
  ["Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", ["Firefox 127.0", "Ubuntu", ""]],
  ["Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", ["", "", "Spider"]],
  ["curl/8.5.0", ["curl 8.5.0", "", ""]],
  ["", ["", "", ""]],
])("ET-138 %s", (agent, expected) => {
  const contexts = contextsOf(agent);
  const shown = ["browser", "os", "device"].map((name) => {
    const context = contexts[name];
    return [context?.["name"], context?.["version"]].filter((part) => part !== undefined).join(" ");
  });
  expect(shown).toEqual(expected);
});

test("ET-138 what the client says itself stays", () => {
  const contexts = contextsOf("curl/8.5.0", { browser: { name: "Lynx" } });
  expect(contexts["browser"]).toEqual({ name: "Lynx" });
});

test("long runs of one character are read in no time that matters", () => {
  for (const character of ["Android ", "Trident/", "Version/1", "Mac OS X 1_", "iPhone ", "; "]) {
    const before = process.cpuUsage();
    contextsOf(character.repeat(8000 / character.length));
    expect(process.cpuUsage(before).user / 1_000).toBeLessThan(5_000);
  }
});
