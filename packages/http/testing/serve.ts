import type { FastifyInstance } from "fastify";
import { onTestFinished } from "vitest";
import { createHttpServer, type HttpServerOptions } from "../server.js";

/** A listening server for the running test, closed when the test ends. */
export async function serve(
  options: HttpServerOptions,
  register: (app: FastifyInstance) => void | Promise<void>,
): Promise<{ url: string; app: FastifyInstance }> {
  const app = await createHttpServer(options);
  await register(app);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  return { url, app };
}

/** The JSON body of an answer, as one that tests can look into. */
export async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  const body: unknown = await response.json();
  if (typeof body !== "object" || body === null) throw new Error(`no JSON object: ${JSON.stringify(body)}`);
  return { ...body };
}

export function postJson(
  url: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    body: typeof body === "string" ? body : Buffer.from(body),
    headers: { "content-type": "application/json", ...headers },
  });
}
