import type { ExceptionValue } from "./event-payload.js";

/** A chain of exceptions for a comment in the forge. */
export function stackAsMarkdown(chain: readonly ExceptionValue[]): string {
  return chain
    .map(({ type, value, stacktrace }) => {
      const lines = [...(stacktrace?.frames ?? [])]
        .reverse()
        .map(
          ({ function: name, filename, lineno }) => `    at ${name ?? "?"} (${filename ?? "unknown"}:${lineno ?? 0})`,
        );
      const text = [`${type ?? "Error"}: ${value ?? ""}`, ...lines].join("\n");
      const fence = "`".repeat(Math.max(3, longestRunOfBackticks(text) + 1));
      return [fence, text, fence].join("\n");
    })
    .join("\n\n");
}

function longestRunOfBackticks(text: string): number {
  return Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
}
