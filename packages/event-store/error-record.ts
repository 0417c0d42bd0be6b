import { createHash } from "node:crypto";
import { errorCode, errorMessage } from "@signalbox/kernel";
import type { ErrorRecord } from "./records/records.js";

const maxStackBytes = 8_192;
const maxMessageLength = 4_096;

export function recordError(error: unknown): ErrorRecord {
  return {
    class: error instanceof Error ? error.name || error.constructor.name : typeof error,
    code: errorCode(error) ?? null,
    message: storable(errorMessage(error).slice(0, maxMessageLength)),
    stack: error instanceof Error && error.stack ? storable(cutBytes(error.stack, maxStackBytes)) : null,
  };
}

/** Text columns hold no NUL. */
function storable(text: string): string {
  return text.replaceAll("\0", "");
}

function cutBytes(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes) return text;
  const bytes = Buffer.from(text);
  return bytes.length <= maxBytes
    ? text
    : bytes
        .subarray(0, maxBytes)
        .toString()
        .replace(/\uFFFD$/, "");
}

/**
 * What makes two failures the same: subscription, error class and code, the message without its variable parts, and
 * the top application frames by function and file, so that an edited line does not split a group.
 */
export function fingerprintOf(subscription: string, error: ErrorRecord): string {
  const parts = [subscription, error.class, error.code ?? "", generalMessage(error.message), ...topFrames(error.stack)];
  return createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
}

function generalMessage(message: string): string {
  return (
    message
      .replaceAll(/"[^"]*"|'[^']*'|`[^`]*`/g, "<text>")
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, "<uuid>")
      .replaceAll(/\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b/gi, "<ulid>")
      .replaceAll(/\b\d+\.\d+\b/g, "<number>")
      // A short commit id may look like a number, so both are written alike.
      .replaceAll(/\b(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{6,}|[0-9a-f]{12,})\b/gi, "<number>")
      .replaceAll(/\d+/g, "<number>")
  );
}

function topFrames(stack: string | null): string[] {
  if (stack === null) return [];
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && !/node:|node_modules/.test(line))
    .slice(0, 3)
    .map((line) => line.trim().replace(/:\d+:\d+\)?$/, ""));
}
