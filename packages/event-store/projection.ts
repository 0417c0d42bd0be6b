import type { JsonObject, JsonSchema } from "./data-type.js";

/** Takes out of data what a subscription has asked for. */
export type Projection = (data: JsonObject) => JsonObject;

/** What is wanted below a place: everything, or only some members; `*` stands for every item of an array. */
type Wanted = "all" | Wishes;
interface Wishes extends Map<string, Wanted> {}

/**
 * Keeps the fields that JSON Pointers name and, so that the data still matches its schema, every required one: of the
 * data itself and of each object that is kept in part.
 */
export function createProjection(pointers: readonly string[], schema: JsonSchema): Projection {
  const wishes: Wishes = new Map();
  for (const pointer of pointers) addWish(wishes, pointer.slice(1).split("/").map(unescapeSegment));
  return (data) => narrowObject(data, wishes, schema, schema);
}

/** `#/a~1b` names the member `a/b`. */
function unescapeSegment(segment: string): string {
  return segment.replace(/~1/g, "/").replace(/~0/g, "~");
}

function addWish(wishes: Wishes, [segment = "", ...rest]: readonly string[]): void {
  const known = wishes.get(segment);
  if (known === "all") return;
  if (rest.length === 0) {
    wishes.set(segment, "all");
    return;
  }
  const below: Wishes = known ?? new Map();
  wishes.set(segment, below);
  addWish(below, rest);
}

function narrow(value: unknown, wanted: Wanted, schema: unknown, root: JsonSchema): unknown {
  if (wanted === "all" || typeof value !== "object" || value === null) return value;
  const own = resolve(schema, root);
  if (!Array.isArray(value)) return narrowObject(value as JsonObject, wanted, own, root);
  const ofItems = wanted.get("*");
  return ofItems === undefined ? value : value.map((item: unknown) => narrow(item, ofItems, own["items"], root));
}

function narrowObject(data: JsonObject, wishes: Wishes, schema: JsonSchema, root: JsonSchema): JsonObject {
  const required = new Set(requiredNames(schema, root));
  const properties = asSchema(schema["properties"]);
  const kept = Object.entries(data).flatMap(([name, value]) => {
    const wanted = wishes.get(name) ?? (required.has(name) ? "all" : undefined);
    return wanted === undefined ? [] : [[name, narrow(value, wanted, properties[name], root)] as const];
  });
  // Entries become own properties, whatever their names are.
  return Object.freeze(Object.fromEntries(kept)) as JsonObject;
}

/** Also those that a part of `allOf` requires. */
function requiredNames(schema: JsonSchema, root: JsonSchema): string[] {
  const { required, allOf } = schema as { readonly required?: unknown; readonly allOf?: unknown };
  const own = Array.isArray(required) ? required.filter((name) => typeof name === "string") : [];
  const parts = Array.isArray(allOf) ? allOf : [];
  return [...own, ...parts.flatMap((part) => requiredNames(resolve(part, root), root))];
}

/** Follows local references. */
function resolve(schema: unknown, root: JsonSchema, depth = 0): JsonSchema {
  const own = asSchema(schema);
  const reference = own["$ref"];
  if (typeof reference !== "string" || !reference.startsWith("#") || depth > 32) return own;
  let target: unknown = root;
  for (const segment of reference.slice(1).split("/").slice(1).map(unescapeSegment)) target = asSchema(target)[segment];
  return resolve(target, root, depth + 1);
}

function asSchema(value: unknown): JsonSchema {
  return typeof value === "object" && value !== null ? (value as JsonSchema) : {};
}
