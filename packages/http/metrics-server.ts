import type { Clock, Logger } from "@signalbox/kernel";
import { render, wantsOpenMetrics } from "./exposition.js";
import { addHealthRoutes, type DependencyCheck } from "./health.js";
import { createHttpService, type HttpService } from "./http-service.js";
import { HttpProblem } from "./problems.js";
import type { FamilySource, PrometheusMetrics } from "./prometheus.js";
import { createHttpServer } from "./server.js";

export interface MetricsServerOptions {
  readonly metrics: Pick<PrometheusMetrics, "exposition">;
  /** Further pages by path, as `/metrics/experience`. They may be added while the server runs. */
  readonly pages?: ReadonlyMap<string, FamilySource>;
  readonly checks: readonly DependencyCheck[];
  readonly host: string;
  readonly port: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** A listener of its own for `/metrics` and the health routes: it answers while the public one is busy or stopping. */
export async function createMetricsServer(options: MetricsServerOptions): Promise<HttpService> {
  const { metrics, checks, host, port } = options;
  const shared = {
    ...(options.logger ? { logger: options.logger } : {}),
    ...(options.clock ? { clock: options.clock } : {}),
  };
  const app = await createHttpServer({ ...shared, rateLimits: false });
  app.get("/metrics", { config: { access: "public", duringShutdown: true } }, async (request, reply) => {
    const { contentType, body } = await metrics.exposition(request.headers.accept);
    return reply.type(contentType).header("vary", "accept").send(body);
  });
  app.get<{ Params: { page: string } }>(
    "/metrics/:page",
    { config: { access: "public", duringShutdown: true } },
    async (request, reply) => {
      const source = options.pages?.get(`/metrics/${request.params.page}`);
      if (!source) throw new HttpProblem("not_found");
      const { contentType, body } = render(await source(), wantsOpenMetrics(request.headers.accept));
      return reply.type(contentType).header("vary", "accept").send(body);
    },
  );
  addHealthRoutes(app, { checks, ...shared });
  return createHttpService({
    name: "metrics-server",
    app,
    host,
    port,
    ...(options.clock ? { clock: options.clock } : {}),
  });
}
