import { readdirSync, readFileSync } from "node:fs";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { describe, expect, test } from "vitest";
import { titleOf } from "../digest/title.js";
import { explainGrouping } from "../issues/explain-grouping.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { defaultOptions } from "../testing/prepare.js";
import { compileGroupingRules } from "./compile-rules.js";
import { groupEvent } from "./group-event.js";
import { markInApp } from "./mark-in-app.js";

/**
 * Events of one error as a person sees it. Files that are called like a language were sent by the SDK of that language
 * from small programs; only their paths were changed and what grouping does not look at was left out. `shapes-…` follow what
 * the SDKs document.
 */
interface CorpusError {
  readonly error: string;
  readonly events: readonly JsonObject[];
}

const folder = new URL("./corpus/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

const rules = compileGroupingRules("", "");

const receipt = { eventId: "0".repeat(32), receivedAtMs: 1_772_000_000_000, correlationId: "request" };

function hashesOf(raw: JsonObject): string[] {
  const { event } = normaliseEvent(structuredClone(raw), receipt);
  markInApp(event, rules);
  expect(titleOf(event).title).not.toBe("<unlabeled event>");
  return groupEvent(event, rules).hashes.map(({ hash }) => hash);
}

/** Issues as the digest makes them: the owner of the first known hash, else a new one; the other hashes go there, too. */
function sortIntoIssues(errors: readonly CorpusError[]): Map<number, Set<string>> {
  const owners = new Map<string, number>();
  const issues = new Map<number, Set<string>>();
  for (const { error, events } of errors) {
    for (const event of events) {
      const hashes = hashesOf(event);
      const issue = hashes.map((hash) => owners.get(hash)).find((owner) => owner !== undefined) ?? issues.size + 1;
      for (const hash of hashes) if (!owners.has(hash)) owners.set(hash, issue);
      issues.set(issue, (issues.get(issue) ?? new Set()).add(error));
    }
  }
  return issues;
}

describe.each(files)("%s", (file) => {
  const errors: readonly CorpusError[] = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  const names = errors.map(({ error }) => error);

  test("each error is one issue and each issue one error", () => {
    const issues = [...sortIntoIssues(errors).values()].map((held) => [...held]);
    expect(issues).toEqual(names.map((name) => [name]));
  });

  test("the order in which events arrive makes no other issues", () => {
    const reversed = errors.toReversed().map(({ error, events }) => ({ error, events: events.toReversed() }));
    const issues = [...sortIntoIssues(reversed).values()].map((held) => [...held]);
    expect(issues).toEqual(names.toReversed().map((name) => [name]));
  });
});

test("errors of different platforms do not meet in one issue", () => {
  const all = files.flatMap((file) => {
    const errors: readonly CorpusError[] = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
    return errors.map(({ error, events }) => ({ error: `${file} ${error}`, events }));
  });
  expect([...sortIntoIssues(all).values()].map((held) => [...held]).filter((held) => held.length > 1)).toEqual([]);
});

test.each(files)("ET-209 %s: what explains a stored event explains the hashes that it was stored by", (file) => {
  const errors: readonly CorpusError[] = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  for (const raw of errors.flatMap(({ events }) => events)) {
    const { event } = normaliseEvent(structuredClone(raw), receipt);
    markInApp(event, rules);
    expect(explained(JSON.stringify(event))).toEqual(hashesOf(raw));
  }
});

function explained(payload: string): string[] {
  return explainGrouping(payload, defaultOptions).hashes.map(({ hash }) => hash);
}

describe("version 1", () => {
  const pinned: Readonly<Record<string, readonly string[]>> = JSON.parse(
    readFileSync(new URL("./v1/pinned-hashes.json", import.meta.url), "utf8"),
  );

  test("ET-211 every event of the corpus has the hashes that it had when the version was released", () => {
    const now: Record<string, string[]> = {};
    for (const file of files) {
      const errors: readonly CorpusError[] = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
      for (const { error, events } of errors)
        for (const [index, event] of events.entries()) now[`${file} ${error} ${index}`] = hashesOf(event);
    }
    expect(Object.keys(pinned).length).toBeGreaterThanOrEqual(40);
    for (const [name, hashes] of Object.entries(pinned)) expect([name, now[name]]).toEqual([name, hashes]);
  });

  test("ET-211 the order of keys does not matter", () => {
    for (const file of files) {
      const errors: readonly CorpusError[] = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
      for (const event of errors.flatMap(({ events }) => events))
        expect(hashesOf(JSON.parse(JSON.stringify(event), reverseKeys))).toEqual(hashesOf(event));
    }
  });
});

function reverseKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).reverse());
}

/** What differs from one occurrence of an error to the next and must never make another issue. */
function vary(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const varied: Record<string, unknown> = { ...value };
  if (typeof varied["lineno"] === "number") varied["lineno"] += 7;
  if (typeof varied["colno"] === "number") varied["colno"] += 3;
  if ("function" in varied) varied["vars"] = { id: "other" };
  if (typeof varied["instruction_addr"] === "string") varied["instruction_addr"] = "0x7ffe12345678";
  const path = varied["abs_path"];
  if (typeof path === "string" && path.startsWith("/srv/")) varied["abs_path"] = path.replace("/srv/", "/home/ann/");
  return varied;
}

test.each(files)("ET-194 %s: lines, columns, addresses, folders and variables make no other hashes", (file) => {
  const errors: readonly CorpusError[] = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  for (const event of errors.flatMap(({ events }) => events)) {
    const varied: JsonObject = JSON.parse(JSON.stringify(event), vary);
    const more = { event_id: "1".repeat(32), timestamp: 1_771_999_999, user: { id: "u2" }, server_name: "web-9" };
    expect(hashesOf({ ...varied, ...more })).toEqual(hashesOf(event));
  }
});
