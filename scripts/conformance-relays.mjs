import { runSource } from "./run-program.mjs";

// npm run conformance:relays [-- RELAY…]: syncs from relays that others wrote, and has their clients use ours.

await runSource("testing/conformance/relays/run.ts", { needsServer: true });
