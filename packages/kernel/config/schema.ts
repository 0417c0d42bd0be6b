import type { PropertiesOf, SchemaKeys, Section } from "./properties.js";
import type { Setting } from "./setting.js";

/** All keys of a program. Made by `defineSchema`. */
export interface Schema<Keys extends SchemaKeys = SchemaKeys> {
  readonly keys: Keys;
  /** Every setting by its path, in the order of declaration. */
  readonly settings: ReadonlyMap<string, PlacedSetting>;
  readonly variables: ReadonlyMap<string, PlacedSetting>;
  /** Descriptions of the sections by path. */
  readonly sections: ReadonlyMap<string, Section>;
}

/** A setting and where it stands. */
export interface PlacedSetting {
  /** `experience.redis_prefix` */
  readonly path: string;
  readonly keys: readonly string[];
  readonly variable: string;
  readonly setting: Setting<unknown>;
}

/** The type of the values that a schema describes. */
export type ConfigOf<S extends Schema> = PropertiesOf<S["keys"]>;

export const variablePrefix = "SIGNALBOX_";

/** Keys under one name. A service declares its section, the server puts it into the schema. */
export function section<const Keys extends SchemaKeys>(description: string, keys: Keys): Section<Keys> {
  return Object.freeze({ kind: "section", description, keys: Object.freeze(keys) });
}

/**
 * @throws {TypeError} for mistakes of the programmer: a key that is not snake_case, two keys with one variable,
 * an amount of time or bytes whose name hides its unit.
 */
export function defineSchema<const Keys extends SchemaKeys>(keys: Keys): Schema<Keys> {
  const settings = new Map<string, PlacedSetting>();
  const variables = new Map<string, PlacedSetting>();
  const sections = new Map<string, Section>();
  const place = (entries: SchemaKeys, above: readonly string[]): void => {
    for (const [key, node] of Object.entries(entries)) {
      const placeKeys = [...above, key];
      const path = placeKeys.join(".");
      if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(key)) throw new TypeError(`The key ${path} is not snake_case`);
      if (node.kind === "section") {
        const inner = node as Section;
        sections.set(path, inner);
        place(inner.keys, placeKeys);
        continue;
      }
      const setting = node as Setting<unknown>;
      requireUnitInName(path, setting);
      const variable = setting.variable ?? variablePrefix + placeKeys.join("_").toUpperCase();
      const other = variables.get(variable);
      if (other) throw new TypeError(`The keys ${other.path} and ${path} share the variable ${variable}`);
      const placed = Object.freeze({ path, keys: placeKeys, variable, setting });
      settings.set(path, placed);
      variables.set(variable, placed);
    }
  };
  place(keys, []);
  return Object.freeze({ keys, settings, variables, sections });
}

const unitEndings: Readonly<Record<string, string>> = {
  ms: "ms",
  milliseconds: "ms",
  s: "s",
  seconds: "s",
  minutes: "minutes",
  hours: "hours",
  days: "days",
  bytes: "bytes",
};

/** A bare number of an amount is only readable when its name says of what. */
function requireUnitInName(path: string, setting: Setting<unknown>): void {
  if (setting.unit === undefined) return;
  const ending = unitEndings[setting.unit];
  if (ending !== undefined && !new RegExp(`(^|[._])${ending}$`).test(path)) {
    throw new TypeError(`The key ${path} is given in ${setting.unit}, so its name ends with _${ending}`);
  }
}
