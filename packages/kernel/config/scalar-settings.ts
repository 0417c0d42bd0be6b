import { maskCredentials } from "../mask-credentials.js";
import { type CommonOptions, defineSetting, orReport, type Present, type Setting } from "./setting.js";
import { type DurationText, formatDuration, formatSize, parseDuration, parseSize, type SizeText } from "./units.js";

export interface StringOptions extends CommonOptions {
  readonly default?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Needs `expected`, which says in words what it demands. */
  readonly pattern?: RegExp;
  readonly expected?: string;
  /** What no pattern can say. Needs `expected`, too. */
  readonly accepts?: (text: string) => boolean;
}

/** Text. YAML numbers are refused, since `007` and `1.10` would not survive being one. */
export function string<const Options extends StringOptions>(
  options: Options,
): Setting<Present<Options, string>, "string"> {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern, accepts = () => true } = options;
  const length = rangeText(
    { min: options.minLength, max: options.maxLength },
    (count) => `${count} ${count === 1 ? "character" : "characters"}`,
  );
  const expected = options.expected ?? `text${length}`;
  return defineSetting(options, {
    kind: "string",
    type: "text",
    expected,
    read: orReport(expected, (raw) => {
      if (typeof raw !== "string" || raw.length < minLength || raw.length > maxLength) return undefined;
      return (pattern === undefined || pattern.test(raw)) && accepts(raw) ? raw : undefined;
    }),
    format: (value) => value,
  });
}

export interface PathOptions extends CommonOptions {
  readonly default?: string;
}

/** A path of this machine, kept as it is written; a relative one counts from the working directory. */
export function path<const Options extends PathOptions>(options: Options): Setting<Present<Options, string>, "path"> {
  return defineSetting(options, {
    kind: "path",
    type: "path",
    expected: "a path",
    read: orReport("a path", (raw) => {
      return typeof raw === "string" && raw !== "" && !raw.includes("\0") ? raw : undefined;
    }),
    format: (value) => value,
  });
}

export interface NumberOptions extends CommonOptions {
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
  /** An amount of time or bytes must also end the key's name: `_ms`, `_s`, `_days`, `_bytes`, … */
  readonly unit?: string;
}

export function integer<const Options extends NumberOptions>(
  options: Options,
): Setting<Present<Options, number>, "integer"> {
  const expected = `a whole number${rangeText(options, String)}`;
  return defineSetting(options, {
    kind: "integer",
    type: "integer",
    expected,
    unit: options.unit,
    read: orReport(expected, (raw) => {
      const value = typeof raw === "string" && !/^-?\d+$/.test(raw) ? undefined : toNumber(raw);
      return Number.isSafeInteger(value) ? inRange(value, options) : undefined;
    }),
    format: String,
  });
}

export function number<const Options extends NumberOptions>(
  options: Options,
): Setting<Present<Options, number>, "number"> {
  const expected = `a number${rangeText(options, String)}`;
  return defineSetting(options, {
    kind: "number",
    type: "number",
    expected,
    unit: options.unit,
    read: orReport(expected, (raw) => inRange(toNumber(raw), options)),
    format: String,
  });
}

export interface BooleanOptions extends CommonOptions {
  readonly default?: boolean;
}

const booleanWords = new Map([
  ...["true", "yes", "on", "1"].map((word) => [word, true] as const),
  ...["false", "no", "off", "0"].map((word) => [word, false] as const),
]);

export function boolean<const Options extends BooleanOptions>(
  options: Options,
): Setting<Present<Options, boolean>, "boolean"> {
  return defineSetting(options, {
    kind: "boolean",
    type: "boolean",
    expected: "true or false",
    read: orReport("true or false", (raw) => {
      return isScalar(raw) ? booleanWords.get(String(raw).toLowerCase()) : undefined;
    }),
    format: String,
  });
}

export interface DurationOptions extends CommonOptions {
  readonly default?: DurationText;
  readonly min?: DurationText;
  readonly max?: DurationText;
}

/** Written with a unit (`15s`, `1h30m`, `28d`), read as milliseconds into a property that ends `Ms`. */
export function duration<const Options extends DurationOptions>(
  options: Options,
): Setting<Present<Options, number>, "duration"> {
  const range = { min: limit(options.min, parseDuration), max: limit(options.max, parseDuration) };
  const expected = `a duration such as 15s, 5m or 28d${rangeText(range, formatDuration)}`;
  return defineSetting(options, {
    kind: "duration",
    type: "duration",
    expected,
    read: orReport(expected, (raw) => (isScalar(raw) ? inRange(parseDuration(String(raw)), range) : undefined)),
    format: formatDuration,
  });
}

export interface SizeOptions extends CommonOptions {
  readonly default?: SizeText;
  readonly min?: SizeText;
  readonly max?: SizeText;
}

/** Written with a unit (`20MiB`, `1GB`) or as plain bytes, read as bytes into a property that ends `Bytes`. */
export function size<const Options extends SizeOptions>(options: Options): Setting<Present<Options, number>, "size"> {
  const range = { min: limit(options.min, parseSize), max: limit(options.max, parseSize) };
  const expected = `a size such as 512KiB, 20MiB or 1GiB${rangeText(range, formatSize)}`;
  return defineSetting(options, {
    kind: "size",
    type: "size",
    expected,
    read: orReport(expected, (raw) => (isScalar(raw) ? inRange(parseSize(String(raw)), range) : undefined)),
    format: formatSize,
  });
}

export interface ChoiceOptions extends CommonOptions {
  readonly choices: readonly string[];
  /** Of the catalogue that lists an unknown choice among its errors. Default: it is a `CONFIG_INVALID` like others. */
  readonly errorCode?: string;
  readonly default?: string;
}

export function choice<const Options extends ChoiceOptions>(
  options: Options,
): Setting<Present<Options, Options["choices"][number]>, "choice"> {
  const choices: readonly Options["choices"][number][] = options.choices;
  const expected = `one of ${choices.join(", ")}`;
  return defineSetting(options, {
    kind: "choice",
    type: expected,
    expected,
    // A choice named `1` or `true` is the word, although YAML reads it unquoted as a number or a boolean.
    read: orReport(
      expected,
      (raw) => (isScalar(raw) ? choices.find((known) => known === String(raw)) : undefined),
      options.errorCode,
    ),
    format: (value) => value,
  });
}

export interface UrlOptions extends CommonOptions {
  readonly default?: string;
  /** Without the colon; default: http and https. */
  readonly protocols?: readonly string[];
}

/** A URL without credentials; for one that may hold a password use `secretUrl`. Kept as it is written. */
export function url<const Options extends UrlOptions>(options: Options): Setting<Present<Options, string>, "url"> {
  const expected = `${urlForm(options.protocols)} without user name and password`;
  return defineSetting(options, {
    kind: "url",
    type: "URL",
    expected,
    read: orReport(expected, (raw) => {
      const parsed = parseUrl(raw, options.protocols);
      return parsed && parsed.username === "" && parsed.password === "" ? String(raw) : undefined;
    }),
    format: maskCredentials,
  });
}

export interface ListenOptions extends CommonOptions {
  readonly default?: string;
}

export interface ListenAddress {
  readonly host: string;
  /** 0 means any free port. */
  readonly port: number;
}

const listenPattern = /^(?:(?:\[([0-9a-f:.]+)\]|([^\s:[\]/]+)):)?(\d{1,5})$/i;

/** `host:port`, `[::1]:port`, or a port alone, which means 127.0.0.1. */
export function listen<const Options extends ListenOptions>(
  options: Options,
): Setting<Present<Options, ListenAddress>, "listen"> {
  const expected = "an address and port such as 127.0.0.1:8787";
  return defineSetting(options, {
    kind: "listen",
    type: "address and port",
    expected,
    read: orReport(expected, (raw): ListenAddress | undefined => {
      const match = isScalar(raw) ? listenPattern.exec(String(raw)) : null;
      const port = Number(match?.[3]);
      if (!match || port > 65_535) return undefined;
      return { host: match[1] ?? match[2] ?? "127.0.0.1", port };
    }),
    format: ({ host, port }) => (host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`),
  });
}

/** @internal shared with the secret URL */
export function parseUrl(raw: unknown, protocols: readonly string[] = ["http", "https"]): URL | undefined {
  if (typeof raw !== "string" || raw !== raw.trim() || !URL.canParse(raw)) return undefined;
  const parsed = new URL(raw);
  return protocols.includes(parsed.protocol.slice(0, -1)) ? parsed : undefined;
}

/** @internal shared with the secret URL */
export function urlForm(protocols: readonly string[] = ["http", "https"]): string {
  return `a URL that starts with ${protocols.map((protocol) => `${protocol}://`).join(" or ")}`;
}

interface Range {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

function inRange(value: number | undefined, { min, max }: Range): number | undefined {
  if (value === undefined || (min !== undefined && value < min) || (max !== undefined && value > max)) return undefined;
  return value;
}

function rangeText({ min, max }: Range, format: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return ` from ${format(min)} to ${format(max)}`;
  if (min !== undefined) return ` of at least ${format(min)}`;
  return max === undefined ? "" : ` of at most ${format(max)}`;
}

function limit(text: string | undefined, parse: (text: string) => number | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = parse(text);
  if (value === undefined) throw new TypeError(`The limit ${text} has no valid form`);
  return value;
}

function toNumber(raw: unknown): number | undefined {
  const value = typeof raw === "string" && /^[+-]?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(raw) ? Number(raw) : raw;
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function isScalar(raw: unknown): raw is string | number | boolean {
  return typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean";
}
