// FC_SEED and FC_PATH repeat a property that failed, as its message tells them; FC_RUNS asks for more runs.
const { FC_SEED: seed, FC_PATH: path, FC_RUNS: runs } = process.env;

if (seed !== undefined || runs !== undefined) {
  const { default: fc } = await import("fast-check");
  fc.configureGlobal({
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
    ...(runs === undefined ? {} : { numRuns: Number(runs) }),
  });
}
