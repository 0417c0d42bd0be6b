import { defineConfig } from "vitest/config";

const shared = {
  // chDB crashes in a worker thread, so every test file gets a process of its own.
  pool: "forks" as const,
  // Integration tests wait for other processes about a third of their time, so that three keep two cores busy.
  maxWorkers: 3,
  // A condition that is polled for holds in the end or not at all; how soon is a matter of the machine.
  expect: { poll: { timeout: 15_000 } },
  testTimeout: 60_000,
  hookTimeout: 60_000,
  setupFiles: ["scripts/property-seed.mjs"],
  // Real servers and browsers on a machine that nobody watches. What needed it is named at the end of the run.
  retry: process.env["CI"] === "true" ? 1 : 0,
};

export default defineConfig({
  resolve: { conditions: ["source"] },
  ssr: { resolve: { conditions: ["source"] } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          ...shared,
          name: "unit",
          include: ["{packages,services,apps,testing,benchmarks,scripts}/**/*.test.ts"],
          exclude: ["**/*.integration.test.ts", "**/node_modules/**", "**/dist/**"],
        },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: "integration",
          globalSetup: ["scripts/build-before-tests.mjs"],
          include: ["{packages,services,apps,testing,benchmarks,scripts}/**/*.integration.test.ts"],
          exclude: ["**/node_modules/**", "**/dist/**"],
          // For what hangs only: a server that starts in two seconds takes twenty where ten programs share a core.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
