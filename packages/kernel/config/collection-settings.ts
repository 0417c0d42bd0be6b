import { nearestName } from "../nearest.js";
import { type PropertiesOf, propertyName } from "./properties.js";
import {
  type CommonOptions,
  defineSetting,
  type Present,
  type Setting,
  type SettingReader,
  shown,
  type ValueProblem,
} from "./setting.js";

export interface ListOptions extends CommonOptions {
  readonly default?: readonly (string | number)[];
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** A YAML list; in a variable separated by commas, or as JSON. `of` tells the form of each item. */
export function list<Item, Kind extends string, const Options extends ListOptions>(
  of: Setting<Item, Kind>,
  options: Options,
): Setting<Present<Options, readonly NonNullable<Item>[]>, "list"> {
  const expected = `a list${countText(options)}, each ${of.expected}`;
  return defineSetting(options, {
    kind: "list",
    type: `list of ${of.type}`,
    expected,
    secret: of.secret,
    read(raw, reader) {
      const items = typeof raw === "string" ? (fromJson(raw, "[") ?? splitAtCommas(raw)) : raw;
      return readItems(items, options, expected, of.secret, reader, (item, within) => of.read(item, within));
    },
    format: (items) => items.map((item) => of.format(item)).join(", "),
  });
}

export interface ObjectsOptions<Keys extends ObjectKeys> extends CommonOptions {
  readonly of: Keys;
  readonly default?: readonly object[];
  readonly minItems?: number;
  readonly maxItems?: number;
}

export interface ObjectKeys {
  readonly [key: string]: Setting<unknown>;
}

/** A YAML list of maps; in a variable as JSON. Unknown keys of an item are refused by name. */
export function objects<const Keys extends ObjectKeys, const Options extends ObjectsOptions<Keys>>(
  options: Options & { readonly of: Keys },
): Setting<Present<Options, readonly PropertiesOf<Keys>[]>, "objects"> {
  const keys: ObjectKeys = options.of;
  const names = Object.keys(keys);
  const isSecret = Object.values(keys).some((key) => key.secret);
  const expected = `a list${countText(options)} of maps with ${names.join(", ")}`;
  const read = (raw: unknown, reader: SettingReader): readonly object[] | undefined => {
    const items = typeof raw === "string" ? (fromJson(raw, "[") ?? raw) : raw;
    return readItems(items, options, expected, isSecret, reader, (item, within) => readObject(item, keys, within));
  };
  const form = {
    kind: "objects" as const,
    type: "list of maps",
    expected,
    secret: isSecret,
    itemKeys: keys,
    read,
    format: (items: readonly object[]) => JSON.stringify(items.map((item) => formatObject(item, keys))),
  };
  // `readObject` fills in each key by its setting, which is what the type says key by key.
  return defineSetting(options, form) as unknown as Setting<Present<Options, readonly PropertiesOf<Keys>[]>, "objects">;
}

export interface MapOptions extends CommonOptions {
  readonly default?: Readonly<Record<string, string | number>>;
  /** The names that may occur; absent: any. */
  readonly names?: readonly string[];
}

/** A YAML map with free names; in a variable `name=value,name=value`, or as JSON. `of` tells the form of each value. */
export function map<Item, Kind extends string, const Options extends MapOptions>(
  of: Setting<Item, Kind>,
  options: Options,
): Setting<Present<Options, Readonly<Record<string, NonNullable<Item>>>>, "map"> {
  const named = options.names ? ` with ${options.names.join(", ")}` : "";
  const expected = `a map${named}, each value ${of.expected}`;
  return defineSetting(options, {
    kind: "map",
    type: `map to ${of.type}`,
    expected,
    secret: of.secret,
    read(raw, reader) {
      const entries = typeof raw === "string" ? (fromJson(raw, "{") ?? splitPairs(raw)) : raw;
      if (!isMap(entries)) {
        reader.report({ expected, ...(of.secret ? {} : { value: shown(raw) }) });
        return undefined;
      }
      const found: Record<string, NonNullable<Item>> = {};
      for (const [name, value] of Object.entries(entries)) {
        if (options.names && !options.names.includes(name)) reportUnknown(name, options.names, reader);
        const item = of.read(value, inside(reader, `.${name}`));
        if (item !== undefined && item !== null) Object.defineProperty(found, name, { value: item, enumerable: true });
      }
      return found;
    },
    format: (items) => {
      return Object.entries(items)
        .map(([name, item]) => `${name}=${of.format(item)}`)
        .join(", ");
    },
  });
}

interface Count {
  readonly minItems?: number;
  readonly maxItems?: number;
}

function readItems<Item>(
  raw: unknown,
  { minItems = 0, maxItems = Number.POSITIVE_INFINITY }: Count,
  expected: string,
  isSecret: boolean,
  reader: SettingReader,
  readItem: (raw: unknown, reader: SettingReader) => Item | undefined,
): readonly NonNullable<Item>[] | undefined {
  if (!Array.isArray(raw) || raw.length < minItems || raw.length > maxItems) {
    reader.report({ expected, ...(isSecret ? {} : { value: shown(raw) }) });
    return undefined;
  }
  const items: NonNullable<Item>[] = [];
  for (const [index, rawItem] of raw.entries()) {
    const item = readItem(rawItem, inside(reader, `[${index}]`));
    if (item !== undefined && item !== null) items.push(item);
  }
  return items;
}

function readObject(raw: unknown, keys: ObjectKeys, reader: SettingReader): object | undefined {
  if (!isMap(raw)) {
    reader.report({ expected: `a map with ${Object.keys(keys).join(", ")}` });
    return undefined;
  }
  for (const name of Object.keys(raw)) {
    if (!Object.hasOwn(keys, name)) reportUnknown(name, Object.keys(keys), reader);
  }
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(keys)) {
    const rawValue = Object.hasOwn(raw, name) ? raw[name] : undefined;
    if (rawValue !== undefined && rawValue !== null) {
      values[propertyName(name, setting.kind)] = setting.read(rawValue, inside(reader, `.${name}`));
      continue;
    }
    if (setting.required) reader.report({ within: `.${name}`, expected: `${setting.expected}; it is missing` });
    values[propertyName(name, setting.kind)] = setting.default;
  }
  return values;
}

function formatObject(item: object, keys: ObjectKeys): Record<string, string> {
  const values = new Map<string, unknown>(Object.entries(item));
  const texts: Record<string, string> = {};
  for (const [name, setting] of Object.entries(keys)) {
    const value = values.get(propertyName(name, setting.kind));
    if (value !== undefined && value !== null) texts[name] = setting.format(value);
  }
  return texts;
}

function reportUnknown(name: string, known: readonly string[], reader: SettingReader): void {
  const near = nearestName(name, known);
  const expected = near ? `a known name; did you mean ${near}?` : `one of ${known.join(", ")}`;
  reader.report({ within: `.${name}`, expected });
}

/** Reports about an item as about that place of the whole value. */
function inside(reader: SettingReader, place: string): SettingReader {
  return {
    report: (problem: ValueProblem) => reader.report({ ...problem, within: place + (problem.within ?? "") }),
    readReference: (reference) => reader.readReference(reference),
  };
}

function countText({ minItems, maxItems }: Count): string {
  if (minItems !== undefined && maxItems !== undefined) return ` with ${minItems} to ${maxItems} items`;
  if (minItems !== undefined) return ` with at least ${minItems} items`;
  return maxItems === undefined ? "" : ` with at most ${maxItems} items`;
}

function fromJson(text: string, opening: "[" | "{"): unknown {
  if (!text.trimStart().startsWith(opening)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function splitAtCommas(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function splitPairs(text: string): Record<string, string> | undefined {
  const pairs: [string, string][] = [];
  for (const pair of splitAtCommas(text)) {
    const equals = pair.indexOf("=");
    if (equals < 1) return undefined;
    pairs.push([pair.slice(0, equals).trim(), pair.slice(equals + 1).trim()]);
  }
  return Object.fromEntries(pairs);
}

function isMap(raw: unknown): raw is Readonly<Record<string, unknown>> {
  return typeof raw === "object" && raw !== null && !Array.isArray(raw);
}
