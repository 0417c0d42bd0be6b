import { parseAllDocuments } from "yaml";

/** How something in a generated file differs from what is generated now. */
export interface Change {
  readonly kind: "added" | "removed" | "changed";
  /** `CoveredExperienceMetricsAbsent of checkout`, `SLO checkout-errors`. */
  readonly what: string;
  /** What of it: `expr: 0.00672 → 0.00336`. Empty for what was added or removed. */
  readonly details: readonly string[];
}

/** A text that holds no rules and no objects of OpenSLO. */
export class RulesUnreadable extends Error {}

/**
 * What somebody who loads the second file in place of the first should look at, in the order of the files. Comments and
 * the way in which things are written do not count.
 *
 * @throws {RulesUnreadable}
 */
export function compareRules(before: string, after: string): Change[] {
  if (before === after) return [];
  const [old, now] = [itemsOf(before), itemsOf(after)];
  const changes: Change[] = [];
  for (const [what, fields] of now) {
    const oldFields = old.get(what);
    if (!oldFields) changes.push({ kind: "added", what, details: [] });
    else {
      const details = differences(oldFields, fields);
      if (details.length > 0) changes.push({ kind: "changed", what, details });
    }
  }
  for (const what of old.keys()) if (!now.has(what)) changes.push({ kind: "removed", what, details: [] });
  return changes;
}

/** What has a name, with its fields as text. */
type Items = ReadonlyMap<string, Fields>;
type Fields = ReadonlyMap<string, string>;

function itemsOf(text: string): Items {
  const items = new Map<string, Fields>();
  const documents = parseAllDocuments(text, { logLevel: "silent" });
  if (!Array.isArray(documents)) throw new RulesUnreadable("It is empty");
  for (const document of documents) {
    const [error] = document.errors;
    if (error) throw new RulesUnreadable(error.message.split("\n", 1)[0]);
    const content: unknown = document.toJS({ maxAliasCount: 100 });
    const found = [...rulesOf(content), ...objectsOf(content)];
    for (const [name, value] of found) items.set(freeName(items, name), flatten(value));
  }
  if (items.size === 0) throw new RulesUnreadable("It has neither rules nor objects of OpenSLO");
  return items;
}

/** Two rules may have one name and the same labels. */
function freeName(items: Items, name: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name} (${number})`;
    if (!items.has(candidate)) return candidate;
  }
}

function* rulesOf(content: unknown): Generator<[name: string, rule: object]> {
  for (const group of listIn(content, "groups"))
    for (const rule of listIn(group, "rules")) {
      const name = textIn(rule, "alert") ?? textIn(rule, "record");
      if (name === undefined) continue;
      const labels = fieldIn(rule, "labels");
      const experience = textIn(labels, "covered_experience_id") ?? textIn(labels, "user_experience_id");
      yield [
        experience === undefined ? name : `${name} of ${experience}`,
        { ...Object(rule), interval: textIn(group, "interval") },
      ];
    }
}

function* objectsOf(content: unknown): Generator<[name: string, object: object]> {
  const kind = textIn(content, "kind");
  const name = textIn(fieldIn(content, "metadata"), "name");
  if (kind !== undefined && name !== undefined) yield [`${kind} ${name}`, Object(content)];
}

/** Every leaf by its place. */
function flatten(value: object, prefix = ""): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, inner] of Object.entries(value)) {
    const place = `${prefix}${name}`;
    if (typeof inner === "object" && inner !== null)
      for (const [deeper, text] of flatten(inner, `${place}.`)) fields.set(deeper, text);
    else if (inner !== undefined) fields.set(place, String(inner));
  }
  return fields;
}

function differences(old: Fields, now: Fields): string[] {
  const names = new Set([...now.keys(), ...old.keys()]);
  return [...names].flatMap((name) => {
    const [was, is] = [old.get(name), now.get(name)];
    if (was === is) return [];
    if (was === undefined || is === undefined) return [`${name}: ${was ?? "none"} → ${is ?? "none"}`];
    return changedNumbers(was, is).map((change) => `${name}: ${change}`);
  });
}

const numbers = /(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])/gi;

/** The numbers that changed, where nothing else did; otherwise the lines. */
function changedNumbers(was: string, is: string): string[] {
  if (was.replaceAll(numbers, "#") === is.replaceAll(numbers, "#")) {
    const [before, after] = [was.match(numbers) ?? [], is.match(numbers) ?? []];
    const pairs = before.map((number, index) => [number, after[index]]).filter(([one, other]) => one !== other);
    return [...new Set(pairs.map((pair) => pair.join(" → ")))];
  }
  const [oldLines, newLines] = [was.split("\n"), is.split("\n")];
  if (oldLines.length === 1 && newLines.length === 1) return [`${was} → ${is}`];
  return [
    ...oldLines.filter((line) => !newLines.includes(line)).map((line) => `- ${line.trim()}`),
    ...newLines.filter((line) => !oldLines.includes(line)).map((line) => `+ ${line.trim()}`),
  ];
}

function fieldIn(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function textIn(value: unknown, name: string): string | undefined {
  const found = fieldIn(value, name);
  return typeof found === "string" ? found : undefined;
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const found = fieldIn(value, name);
  return Array.isArray(found) ? found : [];
}
