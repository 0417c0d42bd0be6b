import { type Logger, silentLogger } from "@signalbox/kernel";

/**
 * Writes warnings and errors to the console, and nothing else: a token that is refused or a misspelled id must not go
 * unseen because nobody gave a logger. The client says each of them once.
 */
export const consoleLogger: Logger = Object.freeze({
  ...silentLogger,
  warn: (message: string, fields?: object) => console.warn(...lineOf(message, fields)),
  error: (message: string, fields?: object) => console.error(...lineOf(message, fields)),
  child: () => consoleLogger,
  isEnabled: (level: string) => level === "warn" || level === "error",
});

function lineOf(message: string, fields: object | undefined): unknown[] {
  const text = `[experience-sdk] ${message}`;
  return fields === undefined ? [text] : [text, fields];
}
