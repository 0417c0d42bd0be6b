/** The functions of a test runner that a shared suite needs: Vitest's, Jest's, or those of `node:test`. */
export interface SuiteRunner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
}

export interface SuiteOptions {
  /** Default: the global `describe` and `it`. */
  readonly runner?: SuiteRunner;
}

/** A value, or a function that makes it for each test. */
export type Lazy<T> = T | (() => T | Promise<T>);

export async function evaluate<T extends object>(lazy: Lazy<T>): Promise<T> {
  return typeof lazy === "function" ? lazy() : lazy;
}

export function defineSuite(
  { runner }: SuiteOptions,
  name: string,
  tests: Readonly<Record<string, () => Promise<void>>>,
): void {
  const { describe, it } = runner ?? globalRunner();
  describe(name, () => {
    for (const [title, body] of Object.entries(tests)) it(title, body);
  });
}

function globalRunner(): SuiteRunner {
  const { describe, it } = globalThis as Partial<SuiteRunner>;
  if (typeof describe === "function" && typeof it === "function") return { describe, it };
  throw new TypeError("A shared suite needs the test runner's functions: pass `runner: { describe, it }`");
}
