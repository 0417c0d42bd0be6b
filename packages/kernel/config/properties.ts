import type { Setting } from "./setting.js";

/** Settings that belong together; the key under which a schema holds it is the YAML map's name. */
export interface Section<Keys extends SchemaKeys = SchemaKeys> {
  readonly kind: "section";
  readonly description: string;
  readonly keys: Keys;
}

/** Keys are snake_case, as in `signalbox.yaml`. */
export interface SchemaKeys {
  readonly [key: string]: Setting<unknown> | Section;
}

type CamelCase<Key extends string> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Key;

type WithUnit<Name extends string, Node> = Node extends { readonly kind: "duration" }
  ? `${Name}Ms`
  : Node extends { readonly kind: "size" }
    ? Name extends `${string}Bytes` | "bytes"
      ? Name
      : `${Name}Bytes`
    : Name;

/** `poll_every` → `pollEvery`; a duration gains `Ms`, a size `Bytes` (once), since that is what the value holds. */
export type PropertyName<Key, Node> = Key extends string ? WithUnit<CamelCase<Key>, Node> : never;

/** The values of these keys: camelCase properties, sections as nested objects. */
export type PropertiesOf<Keys> = {
  readonly [Key in keyof Keys as PropertyName<Key, Keys[Key]>]: Keys[Key] extends Section<infer Inner>
    ? PropertiesOf<Inner>
    : Keys[Key] extends Setting<infer Value>
      ? Value
      : never;
};

export function propertyName(key: string, kind: string): string {
  const name = key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  if (kind === "duration") return `${name}Ms`;
  return kind === "size" && !/(^b|B)ytes$/.test(name) ? `${name}Bytes` : name;
}
