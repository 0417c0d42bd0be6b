import { runSource } from "./run-source.mjs";

// npm run bench [-- NAME… [--keep]]. Some benchmarks start the server.

await runSource("benchmarks/run.ts", { needsServer: true });
