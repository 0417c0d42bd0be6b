import { type Logger as PinoLogger, pino } from "pino";
import { currentContext } from "./context.js";
import { type LogDestination, type LogFormat, prettyPrinted, standardOutput } from "./log-destination.js";
import { createFieldPreparer, type FieldPreparer } from "./log-fields.js";

/**
 * Log port. `message` is constant text, everything that varies goes into `fields` (snake_case; durations are float
 * seconds ending `_s`). The correlation id and `meta.*` of the current context are added by themselves.
 * No call throws, whatever is in `fields`.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** Someone must act now. */
  error(message: string, fields?: LogFields): void;
  /** The same log under another component's name. */
  child(component: string): Logger;
  isEnabled(level: LogLevel): boolean;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogFields {
  readonly error?: unknown;
  readonly [field: string]: unknown;
}

export interface LoggerOptions {
  readonly level: LogLevel | "silent";
  readonly component?: string;
  /** Names of further fields whose values are replaced by `[redacted]`, at any depth, in any spelling. */
  readonly redact?: readonly string[];
  /** Default `json`: one object a line. */
  readonly format?: LogFormat;
  /** Default: standard output. */
  readonly destination?: LogDestination;
}

/** Lines reach standard output in order, at the latest when the process exits. */
export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? standardOutput();
  // A terminal's own answer heeds NO_COLOR.
  const colour = options.destination === undefined && process.stdout.isTTY && process.stdout.hasColors();
  const root = pino(
    {
      level: options.level,
      messageKey: "msg",
      base: null,
      timestamp: timeMember,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.format === "pretty" ? prettyPrinted(output, colour) : output,
  );
  return forComponent(root, options.component ?? "server", createFieldPreparer(options.redact ?? []));
}

function forComponent(root: PinoLogger, component: string, prepare: FieldPreparer): Logger {
  const write =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void => {
      if (root.isLevelEnabled(level)) root[level](lineOf(component, fields, prepare), message);
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (name) => forComponent(root, name, prepare),
    isEnabled: (level) => root.isLevelEnabled(level),
  };
}

let writtenMs = Number.NaN;
let writtenTime = "";

/** The line's `time` as a member of its JSON. Under load many lines are of one millisecond. */
function timeMember(): string {
  const nowMs = Date.now();
  if (nowMs !== writtenMs) {
    writtenMs = nowMs;
    writtenTime = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return writtenTime;
}

function lineOf(component: string, fields: LogFields | undefined, prepare: FieldPreparer): object {
  const line = lineInContext(component);
  if (!fields) return line;
  try {
    prepare(fields, line);
    return line;
  } catch {
    // A field's own code threw, as a getter or `toJSON` can. The line is worth more than its fields.
    return { ...lineInContext(component), fields_unreadable: true };
  }
}

function lineInContext(component: string): Record<string, unknown> {
  const { correlationId, causationId, rootCaller, meta } = currentContext();
  const line: Record<string, unknown> = { component };
  if (correlationId) line["correlation_id"] = correlationId;
  if (causationId) line["causation_id"] = causationId;
  if (rootCaller) line["root_caller"] = rootCaller;
  if (meta) for (const key of Object.keys(meta)) line[`meta.${key}`] = meta[key];
  return line;
}
