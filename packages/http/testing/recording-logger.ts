import type { LogFields, Logger, LogLevel } from "@signalbox/kernel";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

/** Keeps what is logged, for tests about logging. */
export function createRecordingLogger(): Logger & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLevel) =>
    (message: string, fields?: LogFields): void =>
      void lines.push({ level, message, fields });
  const logger = {
    lines,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
    isEnabled: () => true,
  };
  return logger;
}
