import type { JsonObject } from "@signalbox/sentry-protocol";
import { describe, expect, test } from "vitest";
import { normaliseEvent } from "../../normalise/normalise-event.js";
import { groupEvent } from "../group-event.js";
import { tokensOf } from "./component.js";

const page = "https://shop.example/static/app.3f9a1c.js";

describe("JavaScript", () => {
  test.each([
    ["Object.foo", ["foo"]],
    ["a.b.c", ["c"]],
    ["?", []],
    ["<anonymous>", []],
    ["<anonymous function>", []],
    ["Anonymous function", []],
    ["Foo.prototype.bar/<", []],
    ["anonymous", []],
    ["Object.<anonymous>", []],
  ])("ET-197 function %s", (name, expected) => {
    expect(
      allTokens([
        { function: "known", abs_path: page },
        { function: name, abs_path: page },
      ]),
    ).toEqual(["E", "known", ...expected]);
  });

  test.each<JsonObject>([
    { function: "eval", abs_path: page },
    { function: "map", abs_path: "[native code]" },
    { function: "map", filename: "native code" },
    { function: "map", filename: "<anonymous>" },
    { function: "f", filename: "eval code" },
  ])("ET-197 evaluated and native frames are dropped: %o", (frame) => {
    expect(allTokens([{ function: "known", abs_path: page }, frame])).toEqual(["E", "known"]);
  });

  test("ET-197 a module that was made of the path does not count", () => {
    const path = { abs_path: "https://shop.example/static/lib/cart.js", function: "f" };
    expect(allTokens([{ ...path, module: "static/lib/cart" }])).toEqual(["E", "f"]);
    expect(allTokens([{ ...path, module: "cart" }])).toEqual(["E", "cart", "f"]);
    expect(allTokens([{ ...path, module: "@shop/cart" }])).toEqual(["E", "@shop/cart", "f"]);
  });

  test("ET-197 where a source map brought the line back, the function does not count", () => {
    const frame = { abs_path: page, function: "f", context_line: "boom();" };
    expect(allTokens([frame])).toEqual(["E", "f", "boom();"]);
    expect(allTokens([{ ...frame, data: { sourcemap: "app.js.map" } }])).toEqual(["E", "boom();"]);
    expect(allTokens([{ abs_path: page, function: "f", data: { sourcemap: "app.js.map" } }])).toEqual(["E", "f"]);
  });

  test("ET-197 a single frame of a page without function says nothing", () => {
    expect(allTokens([{ abs_path: page, function: "?", lineno: 1 }])).toEqual(["E", "it broke"]);
    expect(allTokens([{ abs_path: "file:///srv/app.js", filename: "/srv/app.js", function: "?" }])).toEqual([
      "E",
      "app.js",
    ]);
  });

  test.each([
    ["a page", "https://shop.example/app.js"],
    ["a file", "file:///home/me/app.js"],
  ])("ET-197 one error thrown in four browsers is one group by its all hash, in %s", (_where, path) => {
    const at = (name: string | undefined, lineno: number, colno: number): JsonObject => ({
      abs_path: path,
      filename: path.replace(/^\w+:\/\/[^/]*/, ""),
      ...(name === undefined ? {} : { function: name }),
      lineno,
      colno,
      in_app: true,
    });
    const native = (name: string): JsonObject => ({ function: name, filename: "[native code]", in_app: true });
    const browsers = {
      chrome: [
        at("?", 30, 1),
        at("Object.run", 20, 9),
        { function: "Array.forEach", filename: "<anonymous>", in_app: true },
        at("?", 20, 30),
        at("eval", 1, 1),
        at("Object.total", 11, 11),
      ],
      firefox: [at(undefined, 30, 3), at("run", 20, 7), at("run/<", 20, 11), at("total", 11, 4)],
      safari: [
        at(undefined, 30, 4),
        at("run", 20, 14),
        native("forEach"),
        at("<anonymous>", 20, 33),
        native("eval"),
        at("total", 11, 20),
      ],
      edge: [
        at("Anonymous function", 30, 1),
        at("run", 20, 9),
        { function: "forEach", filename: "native code" },
        at("anonymous", 20, 31),
        at("total", 11, 11),
      ],
    };
    const all = Object.values(browsers).map((frames) => groupOf(frames).hashes.at(-1)?.hash);
    expect(new Set(all).size).toBe(1);
  });
});

function groupOf(frames: JsonObject[]) {
  const raw = { platform: "javascript", exception: [{ type: "E", value: "it broke", stacktrace: { frames } }] };
  const receipt = { eventId: "0".repeat(32), receivedAtMs: Date.UTC(2026, 0, 1), correlationId: "c" };
  return groupEvent(normaliseEvent(raw, receipt).event);
}

function allTokens(frames: JsonObject[]): string[] {
  const last = groupOf(frames).hashes.at(-1);
  return last === undefined ? [] : tokensOf(last.component);
}
