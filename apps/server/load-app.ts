import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Configure, EventStore } from "@signalbox/event-store";
import { ServerError } from "./errors.js";

/** What a program may do in this server beside its subscribers. */
export interface AppContext {
  readonly eventStore: EventStore;
  /** Address under which clients reach the API. */
  readonly serverUrl: string;
  /** Address of the git relay, where its role runs. */
  readonly relayUrl: string | undefined;
}

/** A program whose events and subscribers live in this server. */
export interface App {
  readonly configure: readonly Configure[];
  /** Begins its own work and resolves with what ends it. */
  readonly start: ((context: AppContext) => Promise<() => Promise<void>>) | undefined;
}

/**
 * A module with the configure functions of a program, as `configure` or as its default: one or a list; and perhaps with
 * `start`, which `serve` calls.
 * @throws {ServerError} `APP_UNUSABLE`.
 */
export async function loadApp(path: string): Promise<App> {
  let module: Record<string, unknown>;
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    throw new ServerError("APP_UNUSABLE", {
      cause,
      message: `${path} cannot be loaded: its code, or what it imports, threw an error`,
    });
  }
  const configure = [module["configure"] ?? module["default"]].flat();
  if (configure.length === 0 || !configure.every(isConfigure))
    throw new ServerError("APP_UNUSABLE", {
      message: `${path} exports neither \`configure\` nor a default that is a configure function or a list of them`,
    });
  const { start } = module;
  if (start !== undefined && !isStart(start))
    throw new ServerError("APP_UNUSABLE", { message: `${path} exports a \`start\` that is no function` });
  return { configure, start };
}

function isConfigure(value: unknown): value is Configure {
  return typeof value === "function";
}

function isStart(value: unknown): value is NonNullable<App["start"]> {
  return typeof value === "function";
}
