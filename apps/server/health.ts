import type { DependencyCheck } from "@signalbox/http";

/** What the running roles depend on, for the health routes. It grows while the server starts. */
export interface Health {
  readonly checks: readonly DependencyCheck[];
  add(name: string, check: DependencyCheck["check"]): void;
  /** Everything is up. Before, the server itself counts as down. */
  begin(): void;
}

class StillStarting extends Error {
  readonly code = "starting";
}

export function createHealth(): Health {
  let begun = false;
  const checks: DependencyCheck[] = [
    {
      name: "server",
      // Whoever starts a server asks it from the first moment on.
      quiet: true,
      async check() {
        if (!begun) throw new StillStarting("The server is still starting");
      },
    },
  ];
  return {
    checks,
    add: (name, check) => void checks.push({ name, check }),
    begin() {
      begun = true;
    },
  };
}
