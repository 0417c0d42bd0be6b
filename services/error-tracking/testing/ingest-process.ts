import { startIngestServer } from "./ingest-server.js";

// The edge as a process of its own, for tests that kill it or measure it. Arguments: its data directory, its limits as
// JSON. Nothing is handled, so that what was accepted stays in the transport.
const directory = process.argv[2];
if (directory === undefined) throw new Error("the data directory is missing");
const limits = JSON.parse(process.argv[3] ?? "{}");
const server = await startIngestServer({ directory, limits, maxPending: { count: 1_000_000 } });
process.on("message", () => process.send?.({ rss: process.memoryUsage.rss() }));
process.send?.({ envelopeUrl: server.envelopeUrl, pid: process.pid });
