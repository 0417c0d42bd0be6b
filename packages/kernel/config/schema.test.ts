import { expect, expectTypeOf, test } from "vitest";
import { type ConfigOf, defineSchema, section } from "./schema.js";
import type { Secret } from "./secret.js";
import { setting } from "./settings.js";

test("the types of the values follow from the schema", () => {
  const schema = defineSchema({
    data_dir: setting.path({ description: "Data", default: "./data" }),
    nickname: setting.string({ description: "Name" }),
    storage: section("Storage", {
      min_free: setting.size({ description: "Free", default: "1GiB" }),
      cache_bytes: setting.size({ description: "Cache", required: true }),
      sweep: section("Sweeping", { every: setting.duration({ description: "Period", default: "5m" }) }),
    }),
    mode: setting.choice({ description: "Mode", choices: ["fast", "safe"], default: "safe" }),
    issuers: setting.objects({
      description: "Issuers",
      default: [],
      of: {
        issuer: setting.url({ description: "URL", required: true }),
        client_secret: setting.secret({ description: "Secret" }),
        max_age: setting.duration({ description: "Age", default: "30s" }),
      },
    }),
    limits: setting.map(setting.integer({ description: "Limit" }), { description: "Limits", default: {} }),
    tags: setting.list(setting.string({ description: "Tag" }), { description: "Tags", default: ["a"] }),
  });
  expectTypeOf<ConfigOf<typeof schema>>().toEqualTypeOf<{
    readonly dataDir: string;
    readonly nickname: string | undefined;
    readonly storage: {
      readonly minFreeBytes: number;
      readonly cacheBytes: number;
      readonly sweep: { readonly everyMs: number };
    };
    readonly mode: "fast" | "safe";
    readonly issuers: readonly {
      readonly issuer: string;
      readonly clientSecret: Secret | undefined;
      readonly maxAgeMs: number;
    }[];
    readonly limits: Readonly<Record<string, number>>;
    readonly tags: readonly string[];
  }>();
});

test("each key has the variable of its path, or its own", () => {
  const schema = defineSchema({
    http: section("HTTP", {
      listen: setting.listen({ description: "Address", variable: "SIGNALBOX_LISTEN" }),
      body_limit: setting.size({ description: "Limit" }),
    }),
  });
  expect([...schema.variables].map(([name, { path }]) => [name, path])).toEqual([
    ["SIGNALBOX_LISTEN", "http.listen"],
    ["SIGNALBOX_HTTP_BODY_LIMIT", "http.body_limit"],
  ]);
});

test("PF-023 an amount of time or bytes without its unit in the key's name is refused", () => {
  const amount = (unit: string) => setting.integer({ description: "Amount", unit });
  expect(() => defineSchema({ wait: amount("ms") })).toThrow("The key wait is given in ms, so its name ends with _ms");
  expect(() => defineSchema({ queue: section("Q", { max: amount("bytes") }) })).toThrow("queue.max");
  defineSchema({ wait_ms: amount("ms"), keep_days: amount("days"), max_bytes: amount("bytes"), slots: amount("jobs") });
});

test("mistakes in a schema are refused where it is declared", () => {
  const text = setting.string({ description: "Text" });
  expect(() => defineSchema({ dataDir: text })).toThrow("not snake_case");
  expect(() => defineSchema({ a_b: text, a: section("A", { b: text }) })).toThrow("share the variable SIGNALBOX_A_B");
  expect(() => setting.duration({ description: "Wait", default: "5m", max: "1m" })).toThrow("The default is not");
  expect(() => setting.choice({ description: "Mode", choices: ["a"], default: "b" })).toThrow("The default is not");
  expect(() => setting.list(setting.url({ description: "U" }), { description: "L", default: ["no"] })).toThrow("[0]");
});
