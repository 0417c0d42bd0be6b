import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Configure } from "@signalbox/event-store";
import { ServerError } from "../../errors.js";

/**
 * The configure functions that a module exports, as `configure` or as its default: one or a list.
 * @throws {ServerError} `APP_UNUSABLE`.
 */
export async function loadApp(path: string): Promise<readonly Configure[]> {
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    throw new ServerError("APP_UNUSABLE", { cause, message: `${path} cannot be loaded` });
  }
  const found = [module["configure"] ?? module["default"]].flat();
  if (found.length > 0 && found.every(isConfigure)) return found;
  throw new ServerError("APP_UNUSABLE", {
    message: `${path} exports neither \`configure\` nor a default that is a configure function or a list of them`,
  });
}

function isConfigure(value: unknown): value is Configure {
  return typeof value === "function";
}
