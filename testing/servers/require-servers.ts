import { findServer } from "./find-server.js";

export interface RequiredServers {
  /** Whether the tests that need them must be left out. */
  readonly skip: boolean;
  /** The title of a suite, with the missing programs in it, so that the list of skipped tests names them. */
  title(text: string): string;
}

export interface RequireServersOptions {
  readonly find?: (name: string) => string | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/**
 * Says whether tests can have the programs they need:
 *
 *     const needed = requireServers(["postgres"]);
 *     describe.skipIf(needed.skip)(needed.title("the PostgreSQL adapter"), () => { … });
 *
 * @throws {Error} when one is missing and `CI` is `true`: there a missing server is a failure.
 */
export function requireServers(names: readonly string[], options: RequireServersOptions = {}): RequiredServers {
  const find = options.find ?? findServer;
  const missing = names.filter((name) => !find(name));
  if (missing.length > 0 && (options.environment ?? process.env)["CI"] === "true")
    throw new Error(`These tests need ${missing.join(", ")}, which this machine lacks.`);
  return {
    skip: missing.length > 0,
    title: (text) => (missing.length > 0 ? `${text} (needs ${missing.join(", ")})` : text),
  };
}
