import { createHttpServer } from "@signalbox/http";
import { rewriteIngestUrl } from "../http/ingest.js";
import { type OpenServiceOptions, openService } from "./open-service.js";

// Ingest and digest in a process of their own, for tests that kill it. Its one argument is JSON.
const options: Pick<OpenServiceOptions, "database" | "analytics" | "environment"> = JSON.parse(process.argv[2] ?? "{}");
const service = await openService({ ...options, limits: { leaseMs: 1000 } });
const app = await createHttpServer({ rewriteUrl: rewriteIngestUrl, rateLimits: false });
await app.register(service.errorTracking.ingest);
await app.listen({ host: "127.0.0.1", port: 0 });
await service.eventStore.start();
const address = app.server.address();
process.send?.({ port: typeof address === "object" && address ? address.port : 0 });
