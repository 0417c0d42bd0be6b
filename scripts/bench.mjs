import { runBuilt } from "./run-program.mjs";

// npm run bench [-- NAME… [--keep]]: what is built, because that is what users run. Some benchmarks start the server.

await runBuilt("benchmarks/dist/run.js", ["apps/server", "benchmarks"]);
