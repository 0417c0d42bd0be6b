import { maskCredentials } from "../mask-credentials.js";

/** Where a setting tells what is wrong with a value, and asks for what lies outside of the value. */
export interface SettingReader {
  report(problem: ValueProblem): void;
  /** Text of the file that a `file:` reference names; throws what the file system throws. */
  readReference(reference: string): string;
}

export interface ValueProblem {
  /** The place inside the value: `[2]`, `[0].issuer`. Absent for the value itself. */
  readonly within?: string;
  readonly expected: string;
  /** As it was written. Absent when it must not be shown or there is none. */
  readonly value?: string;
  /** Of the catalogue that lists this problem. */
  readonly code?: string;
}

/** One key of the configuration. `Kind` decides the suffix of the property that holds the value. */
export interface Setting<Value, Kind extends string = string> {
  readonly kind: Kind;
  readonly description: string;
  /** For the reference: `duration`, `list of URL`, … */
  readonly type: string;
  /** The accepted form, as it follows the word "expected". */
  readonly expected: string;
  readonly unit: string | undefined;
  /** Its own variable in place of `SIGNALBOX_` + path. */
  readonly variable: string | undefined;
  readonly required: boolean;
  /** Its values are never shown. */
  readonly secret: boolean;
  /** Already read; `undefined` when there is none. */
  readonly default: Value | undefined;
  /** The keys of each item, when the value is a list of maps. */
  readonly itemKeys: Readonly<Record<string, Setting<unknown>>> | undefined;
  /** The value, or `undefined` after reporting what is wrong. `raw` is text, or what YAML holds. */
  read(raw: unknown, reader: SettingReader): Value | undefined;
  /** As a person would write it, secrets masked. */
  format(value: NonNullable<Value>): string;
}

export interface CommonOptions {
  /** One sentence: what it means for the operator. */
  readonly description: string;
  /** A start without it is refused. */
  readonly required?: true;
  /** A fixed variable in place of `SIGNALBOX_` + path. */
  readonly variable?: string;
  readonly default?: unknown;
}

/** With neither a default nor `required` the value may be absent. */
export type Present<Options, Value> = Options extends { default: NonNullable<unknown> } | { required: true }
  ? Value
  : Value | undefined;

export interface Form<Value, Kind extends string> {
  readonly kind: Kind;
  readonly type: string;
  readonly expected: string;
  readonly unit?: string | undefined;
  readonly secret?: boolean;
  readonly itemKeys?: Readonly<Record<string, Setting<unknown>>>;
  read(raw: unknown, reader: SettingReader): Value | undefined;
  format(value: Value): string;
}

/** @throws {TypeError} when the default is not a value that the setting accepts: a mistake of the programmer. */
export function defineSetting<Options extends CommonOptions, Value, Kind extends string>(
  options: Options,
  form: Form<Value, Kind>,
): Setting<Present<Options, Value>, Kind> {
  const setting: Setting<Value, Kind> = {
    kind: form.kind,
    description: options.description,
    type: form.type,
    expected: form.expected,
    unit: form.unit,
    variable: options.variable,
    required: options.required ?? false,
    secret: form.secret ?? false,
    default: options.default === undefined ? undefined : form.read(options.default, refusingReader),
    itemKeys: form.itemKeys,
    read: form.read,
    format: form.format,
  };
  // Whether `undefined` belongs to the type depends on the options alone; at run time both are the same object.
  return Object.freeze(setting) as Setting<Present<Options, Value>, Kind>;
}

const refusingReader: SettingReader = {
  report: ({ within = "", expected }) => {
    throw new TypeError(`The default${within} is not ${expected}`);
  },
  readReference: () => {
    throw new TypeError("A default cannot refer to a file");
  },
};

/** Makes `read` of a function that answers `undefined` for whatever it does not accept. */
export function orReport<Value>(
  expected: string,
  parse: (raw: unknown) => Value | undefined,
  code?: string,
): (raw: unknown, reader: SettingReader) => Value | undefined {
  return (raw, reader) => {
    const value = parse(raw);
    if (value === undefined) reader.report({ expected, value: shown(raw), ...(code !== undefined && { code }) });
    return value;
  };
}

const longestShown = 80;

/** A refused value for a person's eyes: short, without credentials, containers by their kind only. */
export function shown(raw: unknown): string {
  if (Array.isArray(raw)) return "a list";
  if (typeof raw === "object" && raw !== null) return "a map";
  const text = maskCredentials(String(raw));
  return JSON.stringify(text.length > longestShown ? `${text.slice(0, longestShown)}…` : text);
}
