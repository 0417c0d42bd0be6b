import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { Logger } from "@signalbox/kernel";
import type { FastifyPluginAsync, FastifyReply } from "fastify";

/**
 * Addresses of pages. All of them are one document, whose script looks at the address; everything else stays with the
 * API, so that a wrong address there is a 404 and not a page.
 */
const sections = ["overview", "projects", "experiences", "events", "relays", "timeline", "settings"];
const pages = ["/", ...sections.flatMap((section) => [`/${section}`, `/${section}/*`])];

const files = ["/assets/*", "/favicon.svg"];

/**
 * What a browser gets at an address that does not exist: the same document, whose script says so. `undefined` without a
 * build.
 */
export async function notFoundPage(): Promise<string | undefined> {
  return readFile(join(builtFiles(), "index.html"), "utf8").catch(() => undefined);
}

function builtFiles(): string {
  return join(dirname(createRequire(import.meta.url).resolve("@signalbox/dashboard/package.json")), "dist");
}

/** The dashboard, as `apps/dashboard` was built. Without a build there are no pages, and a warning says so. */
export function dashboardPages(logger: Logger): FastifyPluginAsync {
  return async (app) => {
    const root = builtFiles();
    if (!existsSync(join(root, "index.html"))) {
      logger.warn("the dashboard is not built, so there are no pages; `npm start` builds it", { directory: root });
      return;
    }
    // Names of assets hold a hash of their content.
    const cacheControl = (path: string): string =>
      path.includes("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
    await app.register(fastifyStatic, {
      root,
      serve: false,
      preCompressed: true,
      cacheControl: false,
      setHeaders: (reply, path) => void reply.setHeader("cache-control", cacheControl(path)),
    });
    const schema = { hide: true };
    const config = { access: "public" } as const;
    for (const page of pages)
      app.get(page, { config, schema }, (_request, reply: FastifyReply) => reply.sendFile("index.html"));
    for (const file of files)
      app.get(file, { config, schema }, (request, reply) => reply.sendFile(request.url.split("?", 1)[0] ?? ""));
  };
}
