import { fileURLToPath } from "node:url";
import { RuleTester as Eslint, type Linter } from "eslint";
import { RuleTester as Eslint9, type Linter as Linter9 } from "eslint-9";
import { describe, expect, test } from "vitest";
import plugin, { rules } from "../lint.js";
import { type Case, type RuleCases, settings } from "./cases/case.js";
import { definitionCases } from "./cases/definitions.js";
import { useCases } from "./cases/uses.js";

const cases = { ...definitionCases, ...useCases };
const cwd = fileURLToPath(new URL("../", import.meta.url));
process.chdir(cwd);

// Each rule is one test here; the testers would make one of each case.
for (const tester of [Eslint, Eslint9]) {
  tester.describe = (_, body) => body();
  tester.it = (name, body) => {
    try {
      body();
    } catch (error) {
      throw new Error(`${name}\n${error instanceof Error ? error.message : error}`, { cause: error });
    }
  };
}

/** Runs the cases of a rule in both versions of ESLint: exactly what is expected must be found. */
function check(name: keyof typeof rules): void {
  const own = cases[name];
  if (!own) throw new Error(`There are no cases for ${name}`);
  const { valid, invalid } = prepare(own);
  // Each version has types of its own for what is the same object.
  for (const Tester of [Eslint, Eslint9])
    new Tester({ languageOptions: { sourceType: "module" } }).run(
      name,
      rules[name] as never,
      { valid, invalid } as never,
    );
}

function prepare({ valid, invalid }: RuleCases): { readonly valid: Case[]; readonly invalid: Case[] } {
  const prepareOne = <C extends Case>({ filename, ...one }: C) => ({
    settings,
    ...one,
    ...(filename !== undefined && { filename: cwd + filename }),
  });
  return { valid: valid.map(prepareOne), invalid: invalid.map(prepareOne) };
}

describe("rules of the lint plugin in ESLint 10 and 9", () => {
  test("ES-350 subscriber-has-handler", () => check("subscriber-has-handler"));
  test("ES-351 no-handler-override", () => check("no-handler-override"));
  test("ES-352 no-cross-context-call", () => check("no-cross-context-call"));
  test("ES-353 event-in-own-context", () => check("event-in-own-context"));
  test("ES-354 publish-in-own-context", () => check("publish-in-own-context"));
  test("ES-355 known-context", () => check("known-context"));
  test("ES-356 past-tense-name", () => check("past-tense-name"));
  test("ES-357 cheap-condition", () => check("cheap-condition"));
  test("ES-358 no-publish-in-transaction", () => check("no-publish-in-transaction"));
  test("ES-359 no-floating-publish", () => check("no-floating-publish"));
  test("ES-360 event-documented", () => check("event-documented"));
  test("ES-361 configure-only-subscribe", () => check("configure-only-subscribe"));
  test("ES-362 edition-boundary", () => check("edition-boundary"));
  test("ES-363 publish-from-service", () => check("publish-from-service"));
  test("ES-364 required-only-identifiers", () => check("required-only-identifiers"));
  test("ES-365 no-handmade-event", () => check("no-handmade-event"));

  test("ES-370 the plugin and its recommended set are what a typed configuration of ESLint takes", () => {
    const ten: Linter.Config[] = [plugin.configs.recommended, { plugins: { "event-store": plugin } }];
    const nine: Linter9.Config[] = [plugin.configs.recommended, { plugins: { "event-store": plugin } }];
    expect(ten).toEqual(nine);
  });

  test("ES-370 each rule has cases", () => {
    expect(Object.keys(cases).sort()).toEqual(Object.keys(rules).sort());
  });

  test("ES-370 the recommended set holds the rules that a project must keep, as errors", () => {
    const optional = ["edition-boundary", "publish-from-service", "required-only-identifiers", "no-handmade-event"];
    const recommended = Object.keys(rules).filter((name) => !optional.includes(name));
    expect(recommended).toHaveLength(12);
    expect(plugin.configs.recommended.rules).toEqual(
      Object.fromEntries(recommended.map((name) => [`event-store/${name}`, "error"])),
    );
    expect(plugin.configs.recommended.plugins["event-store"]).toBe(plugin);
  });
});
