/** One field of the data, as the schema states it. */
export interface SchemaField {
  /** JSON Pointer; `*` stands for every item of a list. */
  readonly pointer: string;
  readonly type: string;
  readonly required: boolean;
  readonly description: string;
  /** Bounds, patterns, choices: what else its values must be. */
  readonly constraints: string;
}

type Schema = Readonly<Record<string, unknown>>;

const constraintNames = [
  "const",
  "enum",
  "format",
  "pattern",
  "minimum",
  "exclusiveMinimum",
  "maximum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "uniqueItems",
  "minProperties",
  "maxProperties",
  "default",
] as const;
const maxDepth = 8;

/** The fields of an object schema, in the order in which they are written; local references are followed. */
export function schemaFields(schema: object): readonly SchemaField[] {
  const root = asSchema(schema);
  return [...fieldsOf(root, root, "", 0)];
}

function* fieldsOf(schema: Schema, root: Schema, pointer: string, depth: number): Generator<SchemaField> {
  if (depth > maxDepth) return;
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  for (const [name, raw] of Object.entries(asSchema(schema["properties"]))) {
    const field = resolve(asSchema(raw), root);
    const path = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    yield {
      pointer: path,
      type: typeOf(field, root),
      required: required.has(name),
      description: typeof field["description"] === "string" ? field["description"] : "",
      constraints: constraintsOf(field),
    };
    yield* fieldsOf(field, root, path, depth + 1);
    const items = resolve(asSchema(field["items"]), root);
    yield* fieldsOf(items, root, `${path}/*`, depth + 1);
  }
  for (const part of Array.isArray(schema["allOf"]) ? schema["allOf"] : [])
    yield* fieldsOf(resolve(asSchema(part), root), root, pointer, depth + 1);
}

function typeOf(schema: Schema, root: Schema): string {
  const { type } = schema;
  if (type === "array") return `${typeOf(resolve(asSchema(schema["items"]), root), root)}[]`;
  if (typeof type === "string") return type;
  if (Array.isArray(type)) return type.join(" or ");
  const values = schema["enum"] ?? (schema["const"] === undefined ? undefined : [schema["const"]]);
  if (Array.isArray(values))
    return [...new Set(values.map((value) => (value === null ? "null" : typeof value)))].join(" or ");
  for (const word of ["anyOf", "oneOf"] as const) {
    const branches = schema[word];
    if (Array.isArray(branches))
      return [...new Set(branches.map((branch) => typeOf(resolve(asSchema(branch), root), root)))].join(" or ");
  }
  if (schema["properties"] !== undefined) return "object";
  return "any";
}

function constraintsOf(schema: Schema): string {
  return constraintNames
    .filter((name) => schema[name] !== undefined)
    .map((name) => `${name} ${JSON.stringify(schema[name])}`)
    .join(", ");
}

/** Follows `$ref` inside the document; a reference that leads nowhere, or around, says nothing. */
function resolve(schema: Schema, root: Schema): Schema {
  const seen = new Set<string>();
  let current = schema;
  for (let reference = current["$ref"]; typeof reference === "string"; reference = current["$ref"]) {
    if (!reference.startsWith("#") || seen.has(reference)) return {};
    seen.add(reference);
    let target: unknown = root;
    for (const token of reference.slice(1).split("/").slice(1))
      target = asSchema(target)[decodeURIComponent(token).replaceAll("~1", "/").replaceAll("~0", "~")];
    current = asSchema(target);
  }
  return current;
}

function asSchema(value: unknown): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}
