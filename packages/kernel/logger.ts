import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from "pino";
import { currentContext } from "./context.js";
import { errorCode } from "./errors.js";

/**
 * Log port. `message` is constant text, everything that varies goes into `fields` (snake_case; durations are float
 * seconds ending `_s`). The correlation id and `meta.*` of the current context are added by themselves.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** Someone must act now. */
  error(message: string, fields?: LogFields): void;
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
  /** Names of fields, at any depth of two, whose values are replaced by `[redacted]`. */
  readonly redact?: readonly string[];
  readonly destination?: DestinationStream;
}

const alwaysRedacted = ["password", "secret", "token", "authorization", "cookie", "private_key", "sentry_key", "dsn"];

export function createLogger(options: LoggerOptions): Logger {
  const names = [...alwaysRedacted, ...(options.redact ?? [])];
  const root = pino(
    {
      level: options.level,
      messageKey: "msg",
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: names.flatMap((name) => [name, `*.${name}`]), censor: "[redacted]" },
      mixin: contextFields,
      serializers: { error: serializeError },
    },
    options.destination ?? pino.destination({ dest: 1, sync: false }),
  );
  return wrap(root.child({ component: options.component ?? "server" }));
}

function contextFields(): Record<string, string> {
  const context = currentContext();
  const fields: Record<string, string> = {};
  if (context.correlationId) fields["correlation_id"] = context.correlationId;
  if (context.causationId) fields["causation_id"] = context.causationId;
  if (context.rootCaller) fields["root_caller"] = context.rootCaller;
  for (const [key, value] of Object.entries(context.meta ?? {})) fields[`meta.${key}`] = value;
  return fields;
}

function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { class: typeof error, message: String(error) };
  return {
    class: error.name,
    code: errorCode(error),
    message: error.message,
    stack: error.stack,
    cause: error.cause === undefined ? undefined : serializeError(error.cause),
  };
}

function wrap(target: PinoLogger): Logger {
  const write =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void =>
      fields ? target[level](fields, message) : target[level](message);
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    child: (component) => wrap(target.child({ component })),
    isEnabled: (level) => target.isLevelEnabled(level),
  };
}

const ignore = (): void => {};

/** Writes nothing. The default of every library. */
export const silentLogger: Logger = Object.freeze({
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  child: () => silentLogger,
  isEnabled: () => false,
});
