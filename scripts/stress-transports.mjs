import { runSource } from "./run-program.mjs";

// npm run stress:transports [-- NAME…]

await runSource("benchmarks/stress/transports.ts");
