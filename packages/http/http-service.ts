import { type Clock, createService, type Service, systemClock } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";

export interface HttpServiceOptions {
  readonly name: string;
  readonly app: FastifyInstance;
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly clock?: Clock;
}

export interface HttpService extends Service {
  /** Where it listens, e.g. `http://127.0.0.1:8787`. Throws before it has started. */
  readonly url: string;
}

const defaultDeadlineMs = 20_000;

/**
 * Runs a server. Stopping answers new requests with 503, waits for those under way until the deadline, then closes
 * the listener and cuts what is left.
 */
export function createHttpService(options: HttpServiceOptions): HttpService {
  const { name, app, host, port, clock = systemClock } = options;
  const service = createService({
    name,
    async start() {
      await app.listen({ host, port });
    },
    async stop({ deadlineMs = defaultDeadlineMs }) {
      app.beginShutdown();
      const abort = new AbortController();
      const deadline = clock.sleep(deadlineMs, { signal: abort.signal }).catch(() => {});
      await Promise.race([app.shutdown.drained(), deadline]);
      const closed = app.close().then(() => {});
      // A connection that never sent anything, as browsers open them ahead, counts as neither idle nor busy.
      if (app.shutdown.inFlight === 0) app.server.closeAllConnections();
      // Idle connections are closed by now; whoever still sends or reads has had the whole deadline.
      await Promise.race([closed, deadline]);
      abort.abort();
      app.server.closeAllConnections();
      await closed;
    },
  });
  return {
    name: service.name,
    start: () => service.start(),
    stop: (stopOptions) => service.stop(stopOptions),
    get url() {
      return app.listeningOrigin;
    },
  };
}
