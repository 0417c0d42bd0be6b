import { type Level, levels } from "../digest/error-event.js";
import type { Sent } from "./values.js";

const aliases: ReadonlyMap<string, Level> = new Map([
  ...levels.map((level) => [level, level] as const),
  ["critical", "fatal"],
  ["warn", "warning"],
  ["log", "info"],
]);

/** Every level that clients send is one of five; what cannot be read is an error. */
export function readLevel(raw: Sent): Level {
  return (typeof raw === "string" ? aliases.get(raw.toLowerCase()) : undefined) ?? "error";
}
