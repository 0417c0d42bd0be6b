/** What JSON can carry. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/** A JSON Schema as data, for readers that do not care which one it is. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A JSON Schema literal, a TypeBox schema, or a schema that a converter marked with `TypedSchema`. */
export type SchemaInput = object;

declare const payload: unique symbol;

/** A schema that knows the type of its data without being read: what converters from other libraries return. */
export interface TypedSchema<D> {
  readonly [payload]?: D;
}

export type DeepReadonly<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly unknown[]
    ? { readonly [Index in keyof T]: DeepReadonly<T[Index]> }
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T;

/**
 * The type of the data that a schema describes. Undeclared properties are left out of it, so that a misspelt one does
 * not compile; at run time they are accepted unless the schema forbids them.
 */
export type DataOf<S> = S extends { readonly static: infer D }
  ? D
  : typeof payload extends keyof S
    ? S extends TypedSchema<infer D>
      ? D
      : never
    : unknown extends Read<S, S>
      ? { readonly [key: string]: unknown }
      : Read<S, S>;

/** Each keyword contributes its part; what is absent contributes `unknown`, which an intersection ignores. */
type Read<S, Root> = S extends { readonly const: infer Value }
  ? Value
  : S extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : S extends { readonly $ref: infer Reference }
      ? Refer<Reference, Root>
      : Own<S, Root> & Alternatives<S, Root> & All<S, Root>;

type Own<S, Root> = S extends { readonly type: infer Names }
  ? Named<Names extends readonly (infer Name)[] ? Name : Names, S, Root>
  : S extends { readonly properties: object }
    ? Properties<S, Root>
    : unknown;

type Named<Name, S, Root> = Name extends "string"
  ? string
  : Name extends "number" | "integer"
    ? number
    : Name extends "boolean"
      ? boolean
      : Name extends "null"
        ? null
        : Name extends "array"
          ? Items<S, Root>
          : Name extends "object"
            ? Properties<S, Root>
            : unknown;

type Items<S, Root> = S extends { readonly prefixItems: infer Tuple extends readonly unknown[] }
  ? { -readonly [Index in keyof Tuple]: Read<Tuple[Index], Root> }
  : S extends { readonly items: infer Tuple extends readonly unknown[] }
    ? { -readonly [Index in keyof Tuple]: Read<Tuple[Index], Root> }
    : S extends { readonly items: infer Item }
      ? Read<Item, Root>[]
      : unknown[];

type RequiredNames<S> = S extends { readonly required: readonly (infer Name extends string)[] } ? Name : never;

type Properties<S, Root> = S extends { readonly properties: infer P extends object }
  ? Flat<
      { -readonly [Name in keyof P as Name extends RequiredNames<S> ? Name : never]: Read<P[Name], Root> } & {
        -readonly [Name in keyof P as Name extends RequiredNames<S> ? never : Name]?: Read<P[Name], Root>;
      } & { [Name in Exclude<RequiredNames<S>, keyof P>]: unknown }
    > &
      Others<S>
  : S extends { readonly additionalProperties: infer Value extends object }
    ? { [key: string]: Read<Value, Root> }
    : { [key: string]: unknown };

/** Names that only a pattern or a schema for the rest covers cannot be checked one by one. */
type Others<S> = S extends { readonly additionalProperties: object } | { readonly patternProperties: object }
  ? { [key: string]: unknown }
  : unknown;

type Alternatives<S, Root> = (S extends { readonly anyOf: readonly (infer Branch)[] } ? Each<Branch, Root> : unknown) &
  (S extends { readonly oneOf: readonly (infer Branch)[] } ? Each<Branch, Root> : unknown);

type Each<Branch, Root> = Branch extends unknown ? Read<Branch, Root> : never;

type All<S, Root> = S extends { readonly allOf: infer Parts extends readonly unknown[] } ? Every<Parts, Root> : unknown;

type Every<Parts extends readonly unknown[], Root> = Parts extends readonly [infer First, ...infer Rest]
  ? Read<First, Root> & Every<Rest, Root>
  : unknown;

type Refer<Reference, Root> = Reference extends "#"
  ? Read<Root, Root>
  : Reference extends `#/$defs/${infer Name}`
    ? Root extends { readonly $defs: { readonly [Key in Name]: infer Target } }
      ? Read<Target, Root>
      : unknown
    : Reference extends `#/definitions/${infer Name}`
      ? Root extends { readonly definitions: { readonly [Key in Name]: infer Target } }
        ? Read<Target, Root>
        : unknown
      : unknown;

type Flat<T> = { [Key in keyof T]: T[Key] };
