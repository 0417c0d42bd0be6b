import type { JsonObject } from "@signalbox/sentry-protocol";
import { describe, expect, test } from "vitest";
import { explainGrouping } from "../issues/explain-grouping.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { defaultOptions } from "../testing/prepare.js";
import { compileGroupingRules } from "./compile-rules.js";
import { parseFingerprintRules } from "./fingerprint-rules.js";
import { groupEvent } from "./group-event.js";
import type { Grouping } from "./grouping.js";
import { markInApp } from "./mark-in-app.js";
import { RuleError } from "./rule-errors.js";
import { parseStackRules } from "./stack-rules.js";
import { tokensOf } from "./v1/component.js";

interface Rules {
  readonly fingerprint?: string;
  readonly stack?: string;
}

function understand(raw: JsonObject, { fingerprint = "", stack = "" }: Rules) {
  const receipt = { eventId: "0".repeat(32), receivedAtMs: 1_772_000_000_000, correlationId: "request" };
  const { event } = normaliseEvent(structuredClone(raw), receipt);
  const rules = compileGroupingRules(fingerprint, stack);
  markInApp(event, rules);
  return { event, grouping: groupEvent(event, rules) };
}

const group = (raw: JsonObject, rules: Rules): Grouping => understand(raw, rules).grouping;
const tokens = (raw: JsonObject, rules: Rules) => group(raw, rules).hashes.map(({ component }) => tokensOf(component));

const event: JsonObject = {
  platform: "python",
  level: "error",
  logger: "shop.pay",
  release: "shop@1.2.0",
  sdk: { name: "sentry.python" },
  tags: { region: "eu" },
  exception: [
    { type: "OSError", value: "connection refused" },
    {
      type: "PaymentError",
      value: "card 17 declined",
      stacktrace: {
        frames: [
          { function: "main", module: "app", filename: "app.py", abs_path: "/srv/app.py", in_app: true },
          { function: "charge", module: "gateway.api", filename: "site-packages/gateway/api.py" },
        ],
      },
    },
  ],
};

describe("fingerprint rules", () => {
  test.each([
    ['error.type:"PaymentError" -> x'],
    ["type:payment* -> x"],
    ["type:OSError type:OSError -> x"],
    ["value:*declined -> x"],
    ["error.value:*DECLINED -> x"],
    ["message:*declined -> x"],
    ["logger:shop.* -> x"],
    ["level:error -> x"],
    ["release:shop@1.* -> x"],
    ["sdk:sentry.python -> x"],
    ["family:python -> x"],
    ["tags.region:eu -> x"],
    ["stack.function:charge stack.module:gateway.* -> x"],
    ["function:charge app:no -> x"],
    ["path:*/gateway/* -> x"],
    ["!tags.region:us !type:Other* -> x"],
    ["# comment\n\nlevel:warning -> y\nlevel:error -> x\nlevel:error -> z"],
  ])("ET-207 %s matches", (fingerprint) => {
    expect(tokens(event, { fingerprint })).toEqual([["x"]]);
  });

  test.each([
    ["type:Payment -> x"],
    ["type:OSError value:*declined -> x"],
    ["function:main module:gateway.* -> x"],
    ["function:charge app:yes -> x"],
    ["!type:OSError -> x"],
    ["tags.other:* !level:error -> x"],
    ["level:warning -> x"],
    ["package:* -> x"],
  ])("ET-207 %s does not", (fingerprint) => {
    expect(group(event, { fingerprint }).strategy).toBe("exception");
  });

  test("ET-207 a rule beats the fingerprint of the client, which stays in the explanation", () => {
    const grouping = group({ ...event, fingerprint: ["mine"] }, { fingerprint: "level:error -> theirs" });
    expect(grouping.hashes.map(({ component }) => tokensOf(component))).toEqual([["theirs"]]);
    expect(grouping.rule).toEqual({ text: "level:error -> theirs", clientFingerprint: ["mine"] });
  });

  test("ET-207 parts are joined with the default, hold variables, and the rule names the issue", () => {
    const fingerprint =
      'type:PaymentError -> "{{ default }}", "{{ tags.region }} x" title="Payment in {{ tags.region }}"';
    const grouping = group(event, { fingerprint });
    const plain = group(event, {});
    expect(grouping.hashes.map(({ component }) => tokensOf(component))).toEqual(
      plain.hashes.map(({ hash }) => [hash, "eu x"]),
    );
    expect(grouping.title).toBe("Payment in eu");
    expect(group(event, { fingerprint: "level:error -> {{ default }}" }).hashes.map(({ hash }) => hash)).toEqual(
      plain.hashes.map(({ hash }) => hash),
    );
  });

  test("ET-207 the frames of a cause match as those of what was raised", () => {
    const caused: JsonObject = {
      platform: "python",
      exception: [
        { type: "OSError", stacktrace: { frames: [{ function: "connect", module: "gateway.socket" }] } },
        { type: "PaymentError", stacktrace: { frames: [{ function: "charge", module: "gateway.api" }] } },
      ],
    };
    expect(tokens(caused, { fingerprint: "function:connect module:gateway.socket -> gateway-down" })).toEqual([
      ["gateway-down"],
    ]);
    expect(tokens(caused, { fingerprint: "function:connect module:gateway.api -> x" })).not.toEqual([["x"]]);
  });

  test("ET-207 chunks of a page that cannot be loaded are one issue, unless a rule says otherwise", () => {
    const chunk = (name: string): JsonObject => ({
      platform: "javascript",
      exception: { type: "ChunkLoadError", value: `Loading ${name}`, stacktrace: { frames: [{ function: name }] } },
    });
    expect(tokens(chunk("a"), {})).toEqual([["chunk-load-error"]]);
    expect(tokens(chunk("a"), { fingerprint: "type:ChunkLoadError -> mine" })).toEqual([["mine"]]);
    expect(group({ ...chunk("a"), platform: "python" }, {}).strategy).toBe("exception");
  });

  test.each([
    ["level:error", 1, 12, "arrow"],
    ["level:error -> ", 1, 16, "1 to 20 parts"],
    ["ok:1 -> x", 1, 3, "no matcher ok"],
    ["\nlevel error -> x", 2, 1, "begins with a matcher"],
    ['level:error -> "x', 1, 16, "quotation mark"],
    ["level: -> x", 1, 8, "what to match is missing"],
    ["level:error -> x y", 1, 18, "comma"],
    ["!-> x", 1, 2, "matcher is missing"],
    ['level:error -> x title=""', 1, 25, "title"],
  ])("ET-207 %j is refused with line %i and column %i", (text, line, column, problem) => {
    const refused = (): unknown => {
      try {
        return parseFingerprintRules(text);
      } catch (error) {
        return error;
      }
    };
    const error = refused();
    expect(error).toBeInstanceOf(RuleError);
    expect(error).toMatchObject({ code: "ET_RULE_INVALID", status: 422, details: { line, column } });
    expect(String(error)).toContain(problem);
  });
});

describe("stack rules", () => {
  const frames = ["entry", "helper", "work", "fail"].map((name) => ({ function: name, module: `app.${name}` }));
  const stacked: JsonObject = { platform: "go", exception: { type: "E", stacktrace: { frames } } };
  const inApp = (stack: string) =>
    understand(stacked, { stack }).event.exception?.values[0]?.stacktrace?.frames.map((frame) => frame.in_app);
  const counted = (stack: string) =>
    tokens(stacked, { stack }).map((list) => list.filter((token) => /^[a-z]+$/.test(token)));

  test("ET-208 a rule says which frames are of the application and which count", () => {
    expect(inApp("function:helper -app")).toEqual([true, false, true, true]);
    expect(counted("function:helper -app")).toEqual([
      ["entry", "work", "fail"],
      ["entry", "helper", "work", "fail"],
    ]);
    expect(counted("function:helper -group")).toEqual([["entry", "work", "fail"]]);
  });

  test("ET-208 with a prefix it reaches to the crash or to the start", () => {
    expect(inApp("function:work ^-app")).toEqual([true, true, false, false]);
    expect(inApp("function:work v-app")).toEqual([false, false, false, true]);
    expect(counted("function:work v-group")).toEqual([["fail"]]);
  });

  test("ET-208 later rules win, and see what earlier ones did", () => {
    expect(inApp("function:* -app\nfunction:work +app")).toEqual([false, false, true, false]);
    expect(inApp("function:* -app\napp:yes +app\nfunction:fail +app -group")).toEqual([false, false, false, true]);
    expect(counted("function:* -group\nfunction:fail +group")).toEqual([["fail"]]);
  });

  test("ET-208 it beats what the client says", () => {
    const sent = {
      ...stacked,
      exception: { type: "E", stacktrace: { frames: frames.map((f) => ({ ...f, in_app: false })) } },
    };
    const { event: marked } = understand(sent, { stack: "module:app.work +app" });
    expect(marked.exception?.values[0]?.stacktrace?.frames.map((frame) => frame.in_app)).toEqual([
      false,
      false,
      true,
      false,
    ]);
  });

  test("ET-208 a rule that looks at the application's frames sees those that were there before later rules", () => {
    expect(counted("app:no function:work -group\nfunction:work -app")).toEqual([
      ["entry", "helper", "fail"],
      ["entry", "helper", "work", "fail"],
    ]);
  });

  test("ET-209 a stored event is explained by the rules of now, not by those that it came in under", () => {
    const { event: stored } = understand(stacked, { stack: "function:work -app\nfunction:fail +app" });
    const now = explainGrouping(JSON.stringify(stored), defaultOptions).hashes.map(({ hash }) => hash);
    expect(now).toEqual(group(stacked, {}).hashes.map(({ hash }) => hash));
  });

  test.each([
    ["function:a", 1, 11, "action is missing"],
    ["function:a +all", 1, 12, "+app"],
    ["+app", 1, 1, "begins with a matcher"],
  ])("ET-208 %j is refused", (text, line, column, problem) => {
    expect(() => parseStackRules(text)).toThrow(problem);
    expect(() => parseStackRules(text)).toThrow(`Line ${line}, column ${column}`);
  });
});
