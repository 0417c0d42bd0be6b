import { currentContext, type LogFields, type Logger, type LogLevel } from "@signalbox/kernel";

export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
  /** Of the context in which it was written. */
  readonly correlationId: string | undefined;
}

/** A log that is kept, with those of all its children. */
export function recordingLogger(): { readonly logger: Logger; readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: LogLevel) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push({ level, message, fields, correlationId: currentContext().correlationId });
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
    isEnabled: () => true,
  };
  return { logger, lines };
}
