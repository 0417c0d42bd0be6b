import { createHash } from "node:crypto";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { describe, expect, test } from "vitest";
import { normaliseEvent } from "../../normalise/normalise-event.js";
import { groupEvent } from "../group-event.js";
import { explanationText, type Grouping, type GroupingRules, maxExplanationBytes } from "../grouping.js";
import { tokensOf } from "./component.js";

describe("hashes", () => {
  test("ET-190 the hash is the first half of SHA-256 over sb1 and each token behind its length in bytes", () => {
    const { hashes } = group({
      platform: "go",
      exception: exception({ type: "Ünïcode", frames: [{ module: "m", function: "f" }] }),
    });
    const input = "sb19:Ünïcode1:m1:f";
    expect(hashes).toHaveLength(1);
    expect(hashes[0]?.hash).toBe(createHash("sha256").update(input).digest("hex").slice(0, 32));
  });

  test("ET-190 the same event gives the same hashes, whatever the order of its keys", () => {
    const event = {
      exception: exception({ type: "E", frames: [{ filename: "a.py", function: "f", in_app: true }] }),
      platform: "python",
    };
    const reversed = reverseKeys(event);
    expect(hashesOf(reversed)).toEqual(hashesOf(event));
  });

  test("ET-190 there are 1 to 8 hashes, each with its explanation", () => {
    const samples: JsonObject[] = [{}, { message: "m" }, { exception: chained(20) }];
    for (const raw of samples) {
      const grouping = group(raw);
      expect(grouping.hashes.length).toBeGreaterThanOrEqual(1);
      expect(grouping.hashes.length).toBeLessThanOrEqual(8);
      for (const hash of grouping.hashes) expect(hash.component.contributes).toBe(true);
    }
  });

  test("ET-190 equal content in both variants is one hash", () => {
    expect(group({ platform: "go", exception: exception({ frames: [{ function: "f" }] }) }).hashes).toHaveLength(1);
  });

  test("ET-190 rules change the result, and only through what they say", () => {
    const event = { platform: "go", exception: exception({ frames: [{ function: "lib" }, { function: "mine" }] }) };
    const rules: GroupingRules = { inApp: (frame) => (frame.function === "lib" ? false : undefined) };
    expect(tokens(event)).toEqual([["E", "lib", "mine"]]);
    expect(tokens(event, rules)).toEqual([
      ["E", "mine"],
      ["E", "lib", "mine"],
    ]);
  });

  test("an explanation is cut to 16 KiB and stays JSON", () => {
    const frames = Array.from({ length: 250 }, (_, index) => ({ function: `f${index}`, module: "m".repeat(100) }));
    const grouping = group({ platform: "go", exception: exception({ frames }) });
    const [hash] = grouping.hashes;
    const text = hash === undefined ? "" : explanationText(grouping, hash);
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maxExplanationBytes);
    expect(JSON.parse(text)).toMatchObject({ version: 1, strategy: "exception", variant: "app" });
  });
});

describe("strategy", () => {
  const stack = { frames: [{ function: "f" }] };

  test("ET-191 the first that contributes is taken, from the fingerprint down to nothing", () => {
    const everything: JsonObject = {
      fingerprint: ["mine"],
      csp: { effective_directive: "img-src", blocked_uri: "https://evil.example/x.png" },
      exception: exception({ frames: [{ function: "e" }] }),
      threads: [{ crashed: true, stacktrace: { frames: [{ function: "t" }] } }],
      stacktrace: stack,
      template: { filename: "page.html", context_line: "{{ x }}" },
      message: "hello",
      logger: "log",
    };
    const seen: [string, string[][]][] = [];
    for (const without of ["", "fingerprint", "csp", "exception", "threads", "stacktrace", "template", "message"]) {
      delete everything[without];
      const grouping = group(everything);
      seen.push([grouping.strategy, grouping.hashes.map(({ component }) => tokensOf(component))]);
    }
    expect(seen).toEqual([
      ["fingerprint", [["mine"]]],
      ["security", [["csp", "img-src", "evil.example"]]],
      ["exception", [["E", "e"]]],
      ["thread", [["t"]]],
      ["stacktrace", [["f"]]],
      ["template", [["page.html", "{{ x }}"]]],
      ["message", [["hello"]]],
      ["empty", [["empty", "log"]]],
    ]);
  });

  test("ET-191 a thread counts when it is the only one or the only crashed one, and has frames", () => {
    const other = { stacktrace: { frames: [{ function: "other" }] } };
    expect(group({ threads: [{ stacktrace: stack }] }).strategy).toBe("thread");
    expect(group({ threads: [other, { crashed: true, stacktrace: stack }] }).strategy).toBe("thread");
    expect(group({ threads: [other, { stacktrace: stack }] }).strategy).toBe("empty");
    expect(
      group({
        threads: [
          { crashed: true, ...other },
          { crashed: true, stacktrace: stack },
        ],
      }).strategy,
    ).toBe("empty");
    expect(group({ threads: [other, { crashed: true }], message: "m" }).strategy).toBe("message");
  });

  test("ET-191 what says nothing leaves the word to what comes next", () => {
    expect(group({ exception: [{ module: "m" }], message: "hello" }).strategy).toBe("message");
    expect(group({ fingerprint: ["{{ default }}"], message: "hello" }).strategy).toBe("message");
    expect(group({ threads: [{ stacktrace: { frames: [{ lineno: 1 }] } }], stacktrace: stack }).strategy).toBe(
      "stacktrace",
    );
    expect(group({ stacktrace: { frames: [{ lineno: 1 }] }, template: { filename: "a.html" } }).strategy).toBe(
      "template",
    );
    expect(group({ template: { lineno: 3 }, message: " " }).strategy).toBe("empty");
    expect(group({}).hashes).not.toEqual(group({ logger: "log" }).hashes);
  });
});

describe("frames of the application", () => {
  const inApp = (frame: JsonObject, platform = "python") =>
    tokens({
      platform,
      exception: exception({
        frames: [
          { function: "lib", in_app: false },
          { function: "f", ...frame },
        ],
      }),
    }).length === 2;

  test.each([
    "/app/.venv/lib/python3.12/site-packages/x.py",
    "/usr/lib/python3/dist-packages/x.py",
    "/opt/lib/python3.11/json/decoder.py",
    "/app/node_modules/express/index.js",
    "node:internal/process/task_queues",
    "internal/process/task_queues.js",
    "/app/vendor/autoload.php",
    "/usr/share/gems/rails.rb",
    "/go/pkg/mod/github.com/x/y.go",
    "/usr/lib/x.so",
    "/usr/local/go/src/net/http/server.go",
    "/rustc/abc/library/core/src/panicking.rs",
    "/home/me/.cargo/registry/x.rs",
    "/System/Library/Frameworks/UIKit",
    "C:\\Windows\\System32\\ntdll.dll",
    "chrome-extension://abc/content.js",
    "moz-extension://abc/content.js",
  ])("ET-192 %s is not of the application", (path) => {
    expect(inApp({ abs_path: path })).toBe(false);
    expect(inApp({ filename: path })).toBe(false);
    expect(inApp({ filename: path, in_app: true })).toBe(true);
  });

  test.each([
    "java.util.List",
    "kotlinx.coroutines.X",
    "org.springframework.web.X",
    "io.netty.X",
    "System.Linq",
    "Microsoft.Extensions",
  ])("ET-192 module %s is not of the application", (module) => expect(inApp({ module }, "java")).toBe(false));

  test.each(["std::panic::catch_unwind", "core::ops::function", "alloc::vec", "__cxa_throw"])(
    "ET-192 function %s is not of the application",
    (name) => expect(inApp({ function: name, package: "/app/bin" }, "native")).toBe(false),
  );

  test("ET-192 native frames are of the application only with a package that is no system library", () => {
    expect(inApp({}, "native")).toBe(false);
    expect(inApp({ package: "/usr/lib/system/libsystem_kernel.dylib" }, "native")).toBe(false);
    expect(inApp({ package: "/private/var/containers/Bundle/My.app/My" }, "cocoa")).toBe(true);
  });

  test("ET-192 everything else is, the client may say otherwise, and the project has the last word", () => {
    expect(inApp({ filename: "src/app.py", module: "javascript.app" })).toBe(true);
    expect(inApp({ filename: "src/app.py", in_app: false })).toBe(false);
    const event = { exception: exception({ frames: [{ function: "f", in_app: false }] }) };
    expect(tokens(event, { inApp: () => true })).toEqual([["E", "f"]]);
    expect(group(event, { inApp: () => true }).hashes[0]?.variant).toBe("app");
  });
});

describe("variants", () => {
  test("ET-193 first the application's frames, then all of them", () => {
    const grouping = group({
      platform: "python",
      exception: exception({ frames: [{ function: "lib", in_app: false }, { function: "mine" }] }),
    });
    expect(grouping.hashes.map(({ variant, component }) => [variant, tokensOf(component)])).toEqual([
      ["app", ["E", "mine"]],
      ["all", ["E", "lib", "mine"]],
    ]);
  });

  test("ET-193 without a frame of the application that contributes there is no such variant", () => {
    const frames: JsonObject[] = [
      { function: "lib", in_app: false },
      { lineno: 7, in_app: true },
    ];
    expect(
      group({ platform: "python", exception: exception({ frames }) }).hashes.map(({ variant }) => variant),
    ).toEqual(["all"]);
  });

  test("ET-193 when both are equal the second is left out", () => {
    expect(
      group({ exception: exception({ frames: [{ function: "f" }] }) }).hashes.map(({ variant }) => variant),
    ).toEqual(["app"]);
  });
});

describe("tokens of a frame", () => {
  const frameTokens = (frame: JsonObject, platform: string) =>
    tokens({ platform, exception: [{ value: "no frame", stacktrace: { frames: [frame] } }] })[0];

  test("ET-194 module, else the file's base name in lower case, and the function", () => {
    expect(frameTokens({ module: "app.orders", filename: "Orders.py", function: "place" }, "python")).toEqual([
      "app.orders",
      "place",
    ]);
    expect(frameTokens({ filename: "src/Orders.GO", function: "place" }, "go")).toEqual(["orders.go", "place"]);
    expect(frameTokens({ filename: "src\\sub/Orders.cs" }, "csharp")).toEqual(["orders.cs"]);
    expect(frameTokens({ abs_path: "C:\\src\\Orders.cs" }, "csharp")).toEqual(["orders.cs"]);
  });

  test.each(["javascript", "node", "python", "php", "ruby"])(
    "ET-194 %s frames have their line of source",
    (platform) => {
      expect(frameTokens({ filename: "a.x", function: "f", context_line: "\tif  x \t== 1: " }, platform)).toEqual([
        "a.x",
        "f",
        "if x == 1:",
      ]);
    },
  );

  test("ET-194 frames of other platforms have not", () => {
    expect(frameTokens({ filename: "a.go", function: "f", context_line: "x := 1" }, "go")).toEqual(["a.go", "f"]);
  });

  test("ET-194 a frame may be of another platform than its event", () => {
    const frame = { filename: "a.py", function: "f", context_line: "x = 1" };
    expect(frameTokens({ ...frame, platform: "python" }, "go")).toEqual(["a.py", "f", "x = 1"]);
  });

  test("ET-194 lines, columns, addresses, folders and variables never count", () => {
    const frame = {
      filename: "src/a.py",
      abs_path: "/one/src/a.py",
      function: "f",
      lineno: 1,
      colno: 2,
      instruction_addr: "0x1",
      vars: { a: 1 },
    };
    const moved = {
      ...frame,
      filename: "lib/a.py",
      abs_path: "/two/lib/a.py",
      lineno: 9,
      colno: 9,
      instruction_addr: "0x2",
      vars: { a: 2 },
    };
    expect(frameTokens(moved, "python")).toEqual(frameTokens(frame, "python"));
  });

  test("ET-194 a frame without any token is dropped", () => {
    expect(frameTokens({ lineno: 7, instruction_addr: "0x1" }, "native")).toEqual(["no frame"]);
  });

  test.each(["http://x/a.js", "https://x/a.js", "blob:http://x/1", "applewebdata://x/a.js"])(
    "ET-195 %s has no file name that counts",
    (abs_path) => {
      expect(frameTokens({ abs_path, filename: "a.js", function: "f" }, "javascript")).toEqual(["f"]);
      expect(frameTokens({ filename: abs_path, function: "f" }, "javascript")).toEqual(["f"]);
    },
  );

  test("ET-195 file: does count, names that are no names do not", () => {
    expect(
      frameTokens({ abs_path: "file:///srv/App.js", filename: "/srv/App.js", function: "f" }, "javascript"),
    ).toEqual(["app.js", "f"]);
    expect(frameTokens({ filename: "<anonymous>", function: "f" }, "go")).toEqual(["f"]);
    expect(frameTokens({ filename: "[native code]", function: "f" }, "go")).toEqual(["f"]);
  });

  test("ET-195 a line of source counts up to 120 characters, and not in a page without function", () => {
    expect(frameTokens({ function: "f", context_line: "x".repeat(120) }, "php")).toEqual(["f", "x".repeat(120)]);
    expect(frameTokens({ function: "f", context_line: "x".repeat(121) }, "php")).toEqual(["f"]);
    const page = { abs_path: "https://x/a.js", context_line: "boom()" };
    expect(
      tokens({ platform: "javascript", exception: exception({ frames: [page, { ...page, function: "f" }] }) })[0],
    ).toEqual(["E", "f", "boom()"]);
    expect(frameTokens({ filename: "a.js", context_line: "boom()" }, "node")).toEqual(["a.js", "boom()"]);
  });

  test("ET-196 a frame that repeats the one before it is recursion", () => {
    const frame = { module: "m", function: "f", lineno: 3 };
    const stackOf = (...frames: JsonObject[]) => tokens({ platform: "java", exception: exception({ frames }) })[0];
    expect(stackOf(frame, frame, frame)).toEqual(["E", "m", "f"]);
    const others: JsonObject[] = [{ lineno: 4 }, { colno: 1 }, { abs_path: "/x" }, { package: "p" }, { filename: "x" }];
    for (const other of others) expect(stackOf(frame, { ...frame, ...other })).toEqual(["E", "m", "f", "m", "f"]);
    expect(stackOf(frame, { function: "g" }, frame)).toEqual(["E", "m", "f", "g", "m", "f"]);
  });
});

describe("exceptions", () => {
  test("ET-200 type and stack; the value only without frames", () => {
    expect(tokens({ exception: exception({ type: "T", value: "v 5", frames: [{ function: "f" }] }) })[0]).toEqual([
      "T",
      "f",
    ]);
    expect(tokens({ exception: [{ type: "T", value: "v 5" }] })[0]).toEqual(["T", "v <int>"]);
    expect(tokens({ exception: [{ type: "T", value: "v", stacktrace: { frames: [{ lineno: 5 }] } }] })[0]).toEqual([
      "T",
      "v",
    ]);
  });

  test("ET-200 frames that are not of the application still silence the value", () => {
    const value = (text: string) => ({
      platform: "python",
      exception: exception({ value: text, frames: [{ function: "f", in_app: false }] }),
    });
    expect(hashesOf(value("a"))).toEqual(hashesOf(value("b")));
  });

  test("ET-200 a synthetic type does not count", () => {
    const of = (type: string) => ({
      exception: [{ type, mechanism: { synthetic: true }, stacktrace: { frames: [{ function: "f" }] } }],
    });
    expect(tokens(of("Error"))[0]).toEqual(["f"]);
    expect(hashesOf(of("Error"))).toEqual(hashesOf(of("UnhandledRejection")));
  });

  test("ET-200 domain and code of an NSError count, its text does not", () => {
    const meta = { ns_error: { domain: "NSURLErrorDomain", code: -1001 } };
    expect(
      tokens({ platform: "cocoa", exception: [{ type: "T", value: "timed out", mechanism: { meta } }] })[0],
    ).toEqual(["T", "NSURLErrorDomain", "-1001"]);
  });

  test("ET-201 a chain goes from oldest to newest with a link before each", () => {
    const raw = {
      exception: [
        ...exception({ type: "Inner", frames: [{ function: "i" }] }),
        ...exception({ type: "Outer", frames: [{ function: "o" }] }),
      ],
    };
    expect(tokens(raw)[0]).toEqual(["chain", "Inner", "i", "chain", "Outer", "o"]);
  });

  test("ET-201 in the application's variant an exception without its frames is only its type", () => {
    const raw = {
      platform: "python",
      exception: [
        ...exception({ type: "Inner", value: "v", frames: [{ function: "lib", in_app: false }] }),
        { type: "Middle", value: "w" },
        ...exception({ type: "Outer", frames: [{ function: "mine" }] }),
      ],
    };
    expect(tokens(raw)).toEqual([
      ["chain", "Inner", "chain", "Middle", "chain", "Outer", "mine"],
      ["chain", "Inner", "lib", "chain", "Middle", "w", "chain", "Outer", "mine"],
    ]);
  });

  test("one exception alone is not a chain, so wrapping changes the group", () => {
    const inner = exception({ type: "A", frames: [{ function: "f" }] });
    expect(hashesOf({ exception: inner })).not.toEqual(hashesOf({ exception: [...inner, { type: "B" }] }));
  });
});

describe("exception groups", () => {
  const leaf = (id: number, type: string, name: string): JsonObject => ({
    type,
    stacktrace: { frames: [{ function: name }] },
    mechanism: { exception_id: id, parent_id: 0 },
  });
  const root: JsonObject = {
    type: "ExceptionGroup",
    value: "n errors",
    mechanism: { is_exception_group: true, exception_id: 0 },
  };

  test("ET-202 a group of equal exceptions is that exception", () => {
    const alone = hashesOf({ platform: "python", exception: exception({ type: "A", frames: [{ function: "f" }] }) });
    const twice = { platform: "python", exception: [leaf(2, "A", "f"), leaf(1, "A", "f"), root] };
    expect(hashesOf(twice)).toEqual(alone);
  });

  test("ET-202 several different ones count in an order of their own, then the group's type", () => {
    const one = { platform: "python", exception: [leaf(2, "A", "f"), leaf(1, "B", "g"), root] };
    const other = { platform: "python", exception: [leaf(2, "B", "g"), leaf(1, "A", "f"), leaf(3, "A", "f"), root] };
    expect(hashesOf(other)).toEqual(hashesOf(one));
    expect(tokens(one)[0]?.at(-1)).toBe("ExceptionGroup");
    expect(tokens(one)[0]?.toSorted()).toEqual(["A", "B", "ExceptionGroup", "f", "g"]);
  });
});

describe("messages", () => {
  test("ET-203 the template where there is one, else the text without what varies", () => {
    const of = (logentry: JsonObject) => tokens({ logentry })[0];
    expect(of({ message: "user %s left", params: ["ann"] })).toEqual(["user %s left"]);
    expect(of({ formatted: "user 17 left" })).toEqual(["user <int> left"]);
    expect(hashesOf({ message: "took 12ms" })).toEqual(hashesOf({ message: "took 48ms" }));
  });

  test("ET-203 two lines that say something, 1,024 characters at most", () => {
    expect(tokens({ message: "\n  one \n\n two\nthree" })[0]).toEqual(["one\ntwo"]);
    expect(tokens({ message: "x ".repeat(2000) })[0]?.[0]?.length).toBe(1024);
  });
});

describe("fingerprints of the client", () => {
  const base: JsonObject = {
    platform: "python",
    exception: exception({ frames: [{ function: "lib", in_app: false }, { function: "f" }] }),
  };
  const withParts = (fingerprint: JsonObject[string], more: JsonObject = {}) =>
    hashesOf({ ...base, ...more, fingerprint });

  test("ET-205 no parts, or the default alone, is no fingerprint", () => {
    for (const none of [[], ["{{ default }}"], ["{{default}}"], "{{  default  }}", [null]])
      expect(withParts(none)).toEqual(hashesOf(base));
  });

  test("ET-205 without the default there is one hash of the parts", () => {
    expect(group({ ...base, fingerprint: ["a", 5, null, true] }).hashes).toHaveLength(1);
    expect(tokens({ ...base, fingerprint: ["a", 5, null, true] })).toEqual([["a", "5", "true"]]);
    expect(withParts("a")).toEqual(withParts(["a"]));
    expect(withParts(["a"])).not.toEqual(withParts(["a", ""]));
    expect(withParts(["ab", "c"])).not.toEqual(withParts(["a", "bc"]));
  });

  test("ET-205 with the default among other parts each default hash is combined with them in order", () => {
    const extended = withParts(["{{ default }}", "x"]);
    expect(extended).toHaveLength(hashesOf(base).length);
    expect(extended).toHaveLength(2);
    expect(withParts(["{{ default }}", "y"])).not.toEqual(extended);
    expect(withParts(["x", "{{ default }}"])).not.toEqual(extended);
    const other = hashesOf({
      platform: "python",
      exception: exception({ frames: [{ function: "g" }] }),
      fingerprint: ["{{ default }}", "x"],
    });
    expect(other).not.toEqual(extended);
  });

  test("ET-205 at most 20 parts of 256 characters", () => {
    const many = Array.from({ length: 30 }, (_, index) => `p${index}`);
    expect(tokens({ fingerprint: many })[0]).toHaveLength(20);
    expect(tokens({ fingerprint: ["x".repeat(300)] })[0]?.[0]).toHaveLength(256);
  });

  test("ET-206 variables are filled in, missing values say so, unknown ones stay text", () => {
    const event: JsonObject = {
      ...base,
      exception: [
        {
          type: "E",
          value: "v 1",
          stacktrace: { frames: [{ function: "f", module: "m", package: "p", abs_path: "/a" }] },
        },
      ],
      transaction: "t",
      level: "fatal",
      logger: "l",
      release: "r",
      environment: "e",
      tags: { k: "w" },
      fingerprint: [
        "{{ error.type }} {{error.value}}",
        "{{ function }} {{ module }} {{ package }} {{ stack.abs_path }}",
        "{{ transaction }} {{ level }} {{ logger }} {{ release }} {{ environment }} {{ platform }}",
        "{{ tags.k }} {{ tags.none }} {{ message }}",
        "{{ unheard.of }}",
      ],
    };
    expect(tokens(event)).toEqual([
      ["E v 1", "f m p /a", "t fatal l r e python", "w <no tags.none> v <int>", "{{ unheard.of }}"],
    ]);
    expect(tokens({ fingerprint: ["{{ transaction }}"] })).toEqual([["<no transaction>"]]);
  });
});

function exception({
  type = "E",
  value,
  frames,
}: {
  type?: string;
  value?: string;
  frames: JsonObject[];
}): JsonObject[] {
  return [{ type, ...(value === undefined ? {} : { value }), stacktrace: { frames } }];
}

function chained(length: number): JsonObject[] {
  return Array.from({ length }, (_, index) => ({ type: `E${index}`, value: "v" }));
}

function group(raw: JsonObject, rules: GroupingRules = {}): Grouping {
  const receipt = { eventId: "0".repeat(32), receivedAtMs: Date.UTC(2026, 0, 1), correlationId: "c" };
  return groupEvent(normaliseEvent(raw, receipt).event, rules);
}

function hashesOf(raw: JsonObject): string[] {
  return group(raw).hashes.map(({ hash }) => hash);
}

/** The tokens behind each hash: easier to read than hex. */
function tokens(raw: JsonObject, rules: GroupingRules = {}): string[][] {
  return group(raw, rules).hashes.map(({ component }) => tokensOf(component));
}

function reverseKeys<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reverseKeys) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, reverseKeys(member)]),
  ) as T;
}
