import type { Config } from "./read.js";
import type { Schema } from "./schema.js";
import type { Setting } from "./setting.js";
import { describeSource } from "./sources.js";

/** One row of the reference. */
export interface SettingDescription {
  readonly key: string;
  /** Path of the section, empty for keys at the top. */
  readonly section: string;
  readonly type: string;
  readonly unit: string;
  /** As it is written in YAML; empty when there is none. */
  readonly default: string;
  readonly required: boolean;
  /** Empty for the keys of list items, which only come with their list. */
  readonly variable: string;
  readonly expected: string;
  readonly description: string;
}

/** Every key in the order of declaration; the keys of list items follow their list as `auth.issuers[].issuer`. */
export function listSettings(schema: Schema): SettingDescription[] {
  return [...schema.settings.values()].flatMap(({ path, keys, variable, setting }) => {
    const section = keys.slice(0, -1).join(".");
    const items = Object.entries(setting.itemKeys ?? {}).map(([name, item]) =>
      describeSetting(`${path}[].${name}`, section, "", item),
    );
    return [describeSetting(path, section, variable, setting), ...items];
  });
}

function describeSetting(
  key: string,
  section: string,
  variable: string,
  setting: Setting<unknown>,
): SettingDescription {
  return {
    key,
    section,
    type: setting.type,
    unit: setting.unit ?? "",
    default: formatted(setting, setting.default),
    required: setting.required,
    variable,
    expected: setting.expected,
    description: setting.description,
  };
}

/** The reference of all keys as Markdown: one table for each section, in the order of declaration. */
export function describeConfig(schema: Schema): string {
  const settings = listSettings(schema);
  const blocks: string[] = [];
  for (const name of new Set(["", ...schema.sections.keys()])) {
    const rows = settings.filter(({ section }) => section === name);
    const description = schema.sections.get(name)?.description;
    if (rows.length === 0 && description === undefined) continue;
    if (name !== "") blocks.push(`## ${name}`);
    if (description !== undefined) blocks.push(description);
    if (rows.length > 0) blocks.push([...tableHead, ...rows.map(tableRow)].join("\n"));
  }
  return `${blocks.join("\n\n")}\n`;
}

const tableHead = ["| key | type | unit | default | variable | meaning |", "| --- | --- | --- | --- | --- | --- |"];

function tableRow(row: SettingDescription): string {
  const standard = row.required ? "required" : row.default === "" ? "none" : `\`${row.default}\``;
  const meaning = row.expected === row.type ? row.description : `${row.description} Accepts ${row.expected}.`;
  const cells = [
    `\`${row.key}\``,
    row.type,
    row.unit || "–",
    standard,
    row.variable === "" ? "–" : `\`${row.variable}\``,
    meaning,
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

/** One row of the effective configuration. */
export interface PrintedSetting {
  readonly key: string;
  /** Secrets masked; empty when the key has no value. */
  readonly value: string;
  /** `default`, `signalbox.yaml:12`, `SIGNALBOX_LISTEN`, `--listen` */
  readonly source: string;
}

/** The effective configuration for a person's eyes, in the order of the schema. */
export function printConfig(config: Pick<Config<Schema>, "settings">): PrintedSetting[] {
  return config.settings.map(({ path, placed, value, source }) => ({
    key: path,
    value: formatted(placed.setting, value),
    source: describeSource(source),
  }));
}

function formatted(setting: Setting<unknown>, value: unknown): string {
  return value === undefined || value === null ? "" : setting.format(value);
}
