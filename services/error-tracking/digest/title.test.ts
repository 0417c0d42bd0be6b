import type { JsonObject } from "@signalbox/sentry-protocol";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groupEvent } from "../grouping/group-event.js";
import { markInApp } from "../grouping/mark-in-app.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { culpritOf, placeOf, titleOf } from "./title.js";

const lib = { function: "call", module: "lib.core", in_app: false };
const mine = { function: "place_order", module: "shop.orders", in_app: true };

describe("title", () => {
  const title = (raw: JsonObject) => titleOf(eventOf(raw)).title;

  test.each<[string, JsonObject, string]>([
    [
      "type and first line of the value",
      { exception: [{ type: "ValueError", value: "bad\nworse" }] },
      "ValueError: bad",
    ],
    ["the last exception of a chain", { exception: [{ type: "A" }, { type: "B", value: "b" }] }, "B: b"],
    ["the type alone", { exception: [{ type: "ValueError" }] }, "ValueError"],
    [
      "the crash function of a synthetic one",
      {
        exception: [{ type: "Error", value: "v", mechanism: { synthetic: true }, stacktrace: { frames: [mine, lib] } }],
      },
      "place_order",
    ],
    ["the value of an untyped one", { exception: [{ value: "just text" }] }, "just text"],
    ["the crash function of an untyped one", { exception: [{ value: "v", stacktrace: { frames: [lib] } }] }, "call"],
    [
      "the value of a synthetic one that no named function threw",
      {
        platform: "node",
        exception: [
          {
            type: "Error",
            value: "just a string",
            mechanism: { synthetic: true },
            stacktrace: { frames: [{ function: "Object.<anonymous>", in_app: true }] },
          },
        ],
      },
      "just a string",
    ],
    [
      "the value of a synthetic one beside threads of which none crashed",
      {
        exception: [{ type: "Minidump", value: "Minidump", mechanism: { synthetic: true } }],
        threads: [{ id: "1", stacktrace: { frames: [mine] } }],
      },
      "Minidump",
    ],
    [
      "the type of a synthetic one that says nothing else",
      { exception: [{ type: "Error", mechanism: { synthetic: true } }] },
      "Error",
    ],
    [
      "the message whose stack came as an untyped exception",
      {
        message: "the shop closes",
        exception: [{ value: "the shop closes", mechanism: { synthetic: true }, stacktrace: { frames: [mine] } }],
      },
      "the shop closes",
    ],
    [
      "the exception that was logged with a message",
      { message: "could not close", exception: [{ type: "E", value: "v" }] },
      "E: v",
    ],
    ["the first line of a message", { message: "  one\ntwo" }, "one"],
    ["nothing at all", {}, "<unlabeled event>"],
    ["blank text", { message: " \n " }, "<unlabeled event>"],
  ])("%s", (_case, raw, expected) => {
    expect(title(raw)).toBe(expected);
  });

  test("it is one line of 1 to 256 characters, whatever was sent", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 600 }),
        fc.string({ unit: "binary", maxLength: 600 }),
        (type, value) => {
          const samples: JsonObject[] = [
            { exception: [{ type, value }] },
            { message: value },
            { exception: [{ value }] },
          ];
          for (const raw of samples) {
            const text = title(raw);
            expect(text.length).toBeGreaterThan(0);
            expect(text.length).toBeLessThanOrEqual(256);
            expect(text).not.toMatch(/[\r\n]/);
          }
        },
      ),
    );
  });

  test("a group of equal exceptions is called as one of them", () => {
    const inner = (id: number) => ({ type: "A", value: "a", mechanism: { exception_id: id, parent_id: 0 } });
    const group = { type: "Group", value: "2 errors", mechanism: { is_exception_group: true, exception_id: 0 } };
    expect(title({ exception: [inner(2), inner(1), group] })).toBe("A: a");
    expect(title({ exception: [inner(2), { type: "B", mechanism: { exception_id: 1, parent_id: 0 } }, group] })).toBe(
      "Group: 2 errors",
    );
  });

  test("ET-139 what was raised because of a group gives the name", () => {
    const inner = (type: string, id: number) => ({ type, mechanism: { exception_id: id, parent_id: 1 } });
    const group = { type: "Group", mechanism: { is_exception_group: true, exception_id: 1, parent_id: 0 } };
    const raised = { type: "RuntimeError", value: "jobs failed", mechanism: { exception_id: 0 } };
    expect(title({ exception: [inner("A", 3), inner("B", 2), group, raised] })).toBe("RuntimeError: jobs failed");
  });
});

describe("culprit", () => {
  const culprit = (raw: JsonObject) => culpritOf(eventOf(raw));
  const frames = (...list: JsonObject[]) => ({
    platform: "python",
    exception: [{ type: "E", stacktrace: { frames: list } }],
  });

  test("the transaction, else the last function of the application, else what was sent", () => {
    expect(culprit({ ...frames(mine, lib), transaction: "POST /orders", culprit: "sent" })).toBe("POST /orders");
    expect(culprit({ ...frames(lib, mine, lib), culprit: "sent" })).toBe("place_order(shop.orders)");
    expect(culprit(frames({ function: "f", filename: "src/a.py" }))).toBe("f(src/a.py)");
    expect(culprit({ ...frames(lib), culprit: "sent" })).toBe("sent");
    expect(culprit({})).toBe("");
  });
});

describe("a panic of Rust", () => {
  // As the SDK sends it: its own handler counts as part of the application, because the program excludes nothing.
  const panic = (...last: string[]): JsonObject => ({
    platform: "native",
    exception: [
      {
        type: "panic",
        value: "the basket is empty",
        stacktrace: {
          frames: [
            { function: "std::rt::lang_start", in_app: false },
            { function: "shop::main", in_app: true },
            { function: "shop::check_out", in_app: true, filename: "main.rs" },
            ...last.map((name) => ({
              function: name,
              in_app: name.includes("sentry_panic") || name.startsWith("__rustc"),
            })),
          ],
        },
      },
    ],
  });
  const handled = panic(
    "core::panicking::panic_fmt",
    "__rustc::rust_begin_unwind",
    "std::panicking::begin_panic_handler::{{closure}}",
    "std::panicking::rust_panic_with_hook",
    "<alloc::boxed::Box<F,A> as core::ops::function::Fn<Args>>::call",
    "<sentry_panic::PanicIntegration as sentry_core::integration::Integration>::setup::{{closure}}::{{closure}}",
    "sentry_panic::PanicIntegration::event_from_panic_info",
  );

  test("ET-139 the culprit is the function that panicked, not what reports the panic", () => {
    expect(culpritOf(eventOf(handled))).toBe("shop::check_out(main.rs)");
    expect(eventOf(handled).exception?.values[0]?.stacktrace?.frames.at(-1)?.in_app).toBe(true);
  });

  test.each([
    "<core::option::Option<u32>>::expect",
    "<core::result::Result<u32, std::io::Error>>::unwrap",
    "<alloc::vec::Vec<u32> as core::ops::index::Index<usize>>::index",
    "<std::collections::hash::map::HashMap<&str, u32> as core::ops::index::Index<&str>>::index",
  ])("ET-139 the culprit is who called %s, though the SDK takes that for the application's", (name) => {
    const event = eventOf(panic(name, "core::option::expect_failed", "core::panicking::panic_fmt"));
    for (const frame of event.exception?.values[0]?.stacktrace?.frames ?? [])
      if (frame.function === name) frame.in_app = true;
    expect(culpritOf(event)).toBe("shop::check_out(main.rs)");
    expect(placeOf(event)).toEqual({ file: "main.rs", function: "shop::check_out" });
  });

  test("ET-139 what the application implements of Rust's own traits is the application's", () => {
    const name = "<shop::Basket as core::ops::index::Index<usize>>::index";
    const event = eventOf(panic(name));
    for (const frame of event.exception?.values[0]?.stacktrace?.frames ?? [])
      if (frame.function === name) frame.in_app = true;
    expect(culpritOf(event)).toBe(name);
  });

  test("ET-199 how it is reported does not tell one error from another", () => {
    const hashes = (raw: JsonObject) => groupEvent(eventOf(raw)).hashes.map(({ hash }) => hash);
    expect(hashes(handled)).toEqual(hashes(panic("core::panicking::panic", "rust_begin_unwind")));
    expect(hashes(handled)).toEqual(hashes(panic()));
  });
});

test("marking keeps what the client said where the project says otherwise", () => {
  const event = eventOf({
    platform: "python",
    exception: [{ type: "E", stacktrace: { frames: [lib, { function: "g" }] } }],
  });
  markInApp(event, { inApp: (frame) => frame.function === "call" });
  expect(event.exception?.values[0]?.stacktrace?.frames).toMatchObject([
    { in_app: true, orig_in_app: false },
    { in_app: false, orig_in_app: true },
  ]);
});

function eventOf(raw: JsonObject) {
  const receipt = { eventId: "0".repeat(32), receivedAtMs: Date.UTC(2026, 0, 1), correlationId: "c" };
  const { event } = normaliseEvent(raw, receipt);
  markInApp(event);
  return event;
}
