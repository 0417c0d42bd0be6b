// FC_SEED and FC_PATH repeat a property that failed, as its message tells them; FC_RUNS asks for more runs. With CI=true
// the seed is always the same, so that a run says something of the change and not of the day.
const seedOfCi = "20260501";
const {
  FC_SEED: seed = process.env["CI"] === "true" ? seedOfCi : undefined,
  FC_PATH: path,
  FC_RUNS: runs,
} = process.env;

if (seed !== undefined || runs !== undefined) {
  const { default: fc } = await import("fast-check");
  fc.configureGlobal({
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
    ...(runs === undefined ? {} : { numRuns: Number(runs) }),
  });
}
