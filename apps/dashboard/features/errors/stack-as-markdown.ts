import type { ExceptionValue } from "./event-payload.js";

/** A chain of exceptions as a program prints it. */
export function stackAsText(chain: readonly ExceptionValue[]): string {
  return chain.map(exceptionAsText).join("\n\n");
}

/** A chain of exceptions for a comment in the forge. */
export function stackAsMarkdown(chain: readonly ExceptionValue[]): string {
  return chain
    .map((exception) => {
      const text = exceptionAsText(exception);
      const fence = "`".repeat(Math.max(3, longestRunOfBackticks(text) + 1));
      return [fence, text, fence].join("\n");
    })
    .join("\n\n");
}

function exceptionAsText({ type, value, stacktrace }: ExceptionValue): string {
  const lines = [...(stacktrace?.frames ?? [])]
    .reverse()
    .map(
      ({ function: name, filename, lineno, colno }) =>
        `    at ${name ?? "?"} (${[filename ?? "unknown", lineno, colno].filter((part) => part !== undefined).join(":")})`,
    );
  return [[type ?? "Error", value].filter(Boolean).join(": "), ...lines].join("\n");
}

function longestRunOfBackticks(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
}
