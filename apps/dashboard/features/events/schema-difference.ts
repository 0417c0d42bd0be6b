/** A field of a schema by its JSON Pointer, with what is said of it. */
export type FieldTexts = ReadonlyMap<string, string>;

export interface Difference {
  readonly pointer: string;
  readonly kind: "added" | "removed" | "changed";
  readonly before?: string;
  readonly after?: string;
}

/** What is different in the later schema, by pointer. */
export function differencesOf(before: unknown, after: unknown): readonly Difference[] {
  const [left, right] = [fieldsOf(before), fieldsOf(after)];
  const pointers = [...new Set([...left.keys(), ...right.keys()])].sort();
  return pointers.flatMap((pointer): Difference[] => {
    const [was, is] = [left.get(pointer), right.get(pointer)];
    if (was === is) return [];
    if (was === undefined) return [{ pointer, kind: "added", after: is ?? "" }];
    if (is === undefined) return [{ pointer, kind: "removed", before: was }];
    return [{ pointer, kind: "changed", before: was, after: is }];
  });
}

/** Each field of the schema: its type, whether it must be there, and what else limits it. Descriptions say nothing of it. */
export function fieldsOf(schema: unknown): FieldTexts {
  const fields = new Map<string, string>();
  collect(schema, "", false, fields);
  return fields;
}

function collect(schema: unknown, pointer: string, isRequired: boolean, into: Map<string, string>): void {
  if (typeof schema !== "object" || schema === null) return;
  const { properties, required, items, description: _, examples: __, title: ___, ...rest } = schema as Schema;
  if (pointer !== "") into.set(pointer, describe(rest, isRequired));
  const needed = Array.isArray(required) ? required : [];
  for (const [name, field] of Object.entries(properties ?? {}))
    collect(field, `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, needed.includes(name), into);
  if (items !== undefined) collect(items, `${pointer}/*`, false, into);
}

interface Schema {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: unknown;
  readonly items?: unknown;
  readonly description?: unknown;
  readonly examples?: unknown;
  readonly title?: unknown;
}

function describe(rest: object, isRequired: boolean): string {
  const { type, ...limits } = rest as { readonly type?: unknown };
  const words = [
    type === undefined ? "anything" : Array.isArray(type) ? type.join(" or ") : String(type),
    isRequired ? "required" : "optional",
    ...Object.entries(limits).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
  ];
  return words.join(", ");
}
