import { errorCode, type Logger, silentLogger } from "@signalbox/kernel/portable";

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
  return fields === undefined ? [text] : [text, withoutStacks(fields)];
}

/** An error as its message and what caused it: a tracker that is away is no fault in the application's code. */
function withoutStacks(fields: object): object {
  const entries = Object.entries(fields).map(([name, value]) => [
    name,
    value instanceof Error ? reasonOf(value) : value,
  ]);
  return Object.fromEntries(entries);
}

function reasonOf(error: Error): string {
  // Several addresses tried in vain make one error without a message.
  const text = error.message || (errorCode(error) ?? error.name);
  return error.cause instanceof Error ? `${text}: ${reasonOf(error.cause)}` : text;
}
