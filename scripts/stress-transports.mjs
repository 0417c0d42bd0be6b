import { runSource } from "./run-source.mjs";

// npm run stress:transports [-- NAME…]

await runSource("benchmarks/stress/transports.ts");
