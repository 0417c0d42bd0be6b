import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { nearestName } from "../nearest.js";
import { ConfigError, type ConfigProblem } from "./config-error.js";
import { propertyName } from "./properties.js";
import { type ConfigOf, type PlacedSetting, type Schema, variablePrefix } from "./schema.js";
import type { SettingReader } from "./setting.js";
import { type ConfigFile, type ConfigSource, describeSource, readConfigFile } from "./sources.js";

export interface ReadConfigOptions<S extends Schema> {
  readonly schema: S;
  /** Path of the YAML file, which must exist; with `optional` it may be absent. */
  readonly file?: string | { readonly path: string; readonly optional: boolean } | undefined;
  /** Usually `process.env`. An empty variable counts as absent, as compose files pass them. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By path of the key (`http.listen`), as the command line was read. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** `SIGNALBOX_*` variables that are no settings, such as the path of the configuration file. */
  readonly otherVariables?: readonly string[];
  /** Variables of other programs, by name, that stand in for settings of ours. Below all other sources. */
  readonly aliases?: Readonly<Record<string, Alias>>;
  /** Rules between keys: what is wrong, or nothing. Only asked when every value on its own is right. */
  readonly check?: (values: ConfigOf<S>) => readonly RuleProblem[];
}

/** A variable of another program. */
export interface Alias {
  /** Path of the key of the same meaning. */
  readonly key: string;
  /** Its value, as our variable would have it. Default: the same. */
  readonly translate?: (raw: string) => string;
}

export interface RuleProblem {
  /** Path of the key to change. */
  readonly key: string;
  readonly expected: string;
}

export interface Config<S extends Schema> {
  readonly schema: S;
  /** Frozen to its depths. */
  readonly values: ConfigOf<S>;
  /** One for each key of the schema, in its order, whether it has a value or not. */
  readonly settings: readonly ReadSetting[];
}

export interface ReadSetting {
  readonly path: string;
  readonly placed: PlacedSetting;
  readonly value: unknown;
  readonly source: ConfigSource;
}

/**
 * Reads the configuration once: defaults, then aliases, then the file, then variables, then flags; the later one wins, key by key.
 * A list or map is replaced as a whole.
 * @throws {ConfigError} `CONFIG_INVALID` with every problem of every source, also those that a later source overrides.
 */
export function readConfig<const S extends Schema>(options: ReadConfigOptions<S>): Config<S> {
  const { schema } = options;
  const problems: ConfigProblem[] = [];
  const report = (problem: ConfigProblem): void => void problems.push(problem);
  const candidates = [
    ...candidatesOfAliases(options),
    ...candidatesOfFile(options, report),
    ...candidatesOfEnv(options, report),
    ...candidatesOfFlags(options, report),
  ];
  const found = new Map<string, ReadSetting>();
  for (const { placed, raw, source } of candidates) {
    const value = placed.setting.read(raw, readerFor(placed, source, report));
    found.set(placed.path, { path: placed.path, placed, value, source });
  }
  const settings = [...schema.settings.values()].map((placed): ReadSetting => {
    const known = found.get(placed.path);
    if (known) return known;
    if (placed.setting.required) {
      const expected = `${placed.setting.expected}; set it in the file or as ${placed.variable}`;
      report({ key: placed.path, source: "missing", expected });
    }
    return { path: placed.path, placed, value: placed.setting.default, source: { kind: "default" } };
  });
  if (problems.length > 0) throw new ConfigError(problems);

  // The types of the keys were inferred from the very settings that read the values.
  const values = deepFreeze(valuesOf(settings)) as ConfigOf<S>;
  for (const { key, expected } of options.check?.(values) ?? []) {
    const read = settings.find(({ path }) => path === key);
    report({ key, source: read ? describeSource(read.source) : "configuration", expected });
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({ schema, values, settings: Object.freeze(settings) });
}

/** A raw value that some source holds for a setting. */
interface Candidate {
  readonly placed: PlacedSetting;
  readonly raw: unknown;
  readonly source: ConfigSource;
}

type Report = (problem: ConfigProblem) => void;

function candidatesOfFile({ schema, file }: ReadConfigOptions<Schema>, report: Report): Candidate[] {
  if (file === undefined) return [];
  const configFile = readConfigFile(typeof file === "string" ? { path: file, optional: false } : file, report);
  if (!configFile) return [];
  const candidates: Candidate[] = [];
  walk(configFile, configFile.content, [], schema, report, candidates);
  return candidates;
}

function walk(
  file: ConfigFile,
  content: unknown,
  above: readonly string[],
  schema: Schema,
  report: Report,
  candidates: Candidate[],
): void {
  const sourceAt = (keys: readonly string[]): ConfigSource => ({
    kind: "file",
    path: file.path,
    line: file.lineOf(keys),
  });
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    report({ key: above.join("."), source: describeSource(sourceAt(above)), expected: "expected a map of keys" });
    return;
  }
  for (const [key, raw] of Object.entries(content)) {
    const keys = [...above, key];
    const path = keys.join(".");
    const placed = schema.settings.get(path);
    if (placed && raw !== null) candidates.push({ placed, raw, source: sourceAt(keys) });
    else if (schema.sections.has(path)) {
      if (raw !== null) walk(file, raw, keys, schema, report, candidates);
    } else if (!placed) {
      report({ key: path, source: describeSource(sourceAt(keys)), expected: unknownKey(key, above, schema) });
    }
  }
}

/** Names the nearest neighbour, else the nearest key anywhere. */
function unknownKey(key: string, above: readonly string[], schema: Schema): string {
  const prefix = above.map((part) => `${part}.`).join("");
  const paths = [...schema.settings.keys(), ...schema.sections.keys()];
  const neighbours = paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
  const near = nearestName(
    key,
    neighbours.filter((name) => !name.includes(".")),
  );
  if (near) return `unknown key; did you mean ${prefix}${near}?`;
  const elsewhere = paths.find((path) => path.endsWith(`.${key}`)) ?? nearestName(prefix + key, paths);
  return elsewhere ? `unknown key; did you mean ${elsewhere}?` : "unknown key";
}

function candidatesOfEnv(options: ReadConfigOptions<Schema>, report: Report): Candidate[] {
  const { schema, env = {}, otherVariables = [] } = options;
  const candidates: Candidate[] = [];
  for (const [name, raw] of Object.entries(env)) {
    if (raw === undefined || raw === "") continue;
    const placed = schema.variables.get(name);
    if (placed) candidates.push({ placed, raw, source: { kind: "variable", name } });
    else if (name.startsWith(variablePrefix) && !otherVariables.includes(name)) {
      const near = nearestName(name, [...schema.variables.keys(), ...otherVariables]);
      report({
        key: name,
        source: name,
        expected: near ? `unknown variable; did you mean ${near}?` : "unknown variable",
      });
    }
  }
  return candidates;
}

function candidatesOfAliases({ schema, env = {}, aliases = {} }: ReadConfigOptions<Schema>): Candidate[] {
  return Object.entries(aliases).flatMap(([name, { key, translate }]) => {
    const raw = env[name];
    const placed = schema.settings.get(key);
    if (raw === undefined || raw === "" || !placed) return [];
    return [{ placed, raw: translate?.(raw) ?? raw, source: { kind: "variable", name } }];
  });
}

function candidatesOfFlags({ schema, flags = {} }: ReadConfigOptions<Schema>, report: Report): Candidate[] {
  const candidates: Candidate[] = [];
  for (const [path, raw] of Object.entries(flags)) {
    if (raw === undefined) continue;
    const name = `--${path.replaceAll(/[._]/g, "-")}`;
    const placed = schema.settings.get(path);
    if (placed) candidates.push({ placed, raw, source: { kind: "flag", name } });
    else report({ key: path, source: name, expected: unknownKey(path, [], schema) });
  }
  return candidates;
}

function readerFor(placed: PlacedSetting, source: ConfigSource, report: Report): SettingReader {
  const from = describeSource(source);
  // A reference counts from the folder of the file that holds it, else from the working directory.
  const directory = source.kind === "file" ? dirname(source.path) : ".";
  return {
    report: ({ within = "", expected, ...told }) => {
      report({ key: placed.path + within, source: from, expected: `expected ${expected}`, ...told });
    },
    readReference(reference) {
      const path = reference.startsWith("//") ? fileURLToPath(`file:${reference}`) : resolve(directory, reference);
      return readFileSync(path, "utf8").replace(/\r?\n$/, "");
    },
  };
}

function valuesOf(settings: readonly ReadSetting[]): object {
  const root: Record<string, unknown> = {};
  for (const { placed, value } of settings) {
    let target = root;
    for (const key of placed.keys.slice(0, -1)) {
      const name = propertyName(key, "section");
      const inner: Record<string, unknown> = (target[name] as Record<string, unknown> | undefined) ?? {};
      target[name] = inner;
      target = inner;
    }
    target[propertyName(placed.keys.at(-1) ?? "", placed.setting.kind)] = value;
  }
  return root;
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}
