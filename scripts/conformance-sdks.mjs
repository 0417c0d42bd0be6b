import { runSource } from "./run-program.mjs";

// npm run conformance:sdks [-- LANGUAGE…]: sends with the newest Sentry SDK of each language and with older lines and looks at what arrived.

await runSource("testing/conformance/run.ts", { needsServer: true });
