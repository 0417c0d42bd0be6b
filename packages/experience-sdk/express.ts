import type { IncomingMessage, ServerResponse } from "node:http";
import { enterContext, readCorrelation } from "@signalbox/kernel";
import type { Client } from "./client.js";

/** What Express, Connect and the like call for each request. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

/**
 * Opens a context for each request: the journeys that the caller's headers bring along can be resumed, those started
 * here end up in outgoing headers, and answers carry `X-Correlation-ID`.
 *
 *     app.use(experiences(client));
 */
export function experiences(client: Client): Middleware {
  return (request, response, next) => {
    const correlation = readCorrelation(request.headers);
    enterContext(correlation);
    response.setHeader("X-Correlation-ID", correlation.correlationId);
    client.enterContext({ ...request.headers });
    next();
  };
}
