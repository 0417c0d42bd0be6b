import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { bundlePage } from "./bundle-page.js";

const program = fileURLToPath(new URL("../sdk-apps/browser-error.mjs", import.meta.url));

/** A web site that reports errors of its one page, on an origin of its own. */
export interface ShopSite {
  readonly pageUrl: string;
  /** A path of the site that hands on what is posted there: how pages get past blockers of third parties. */
  readonly tunnelUrl: string;
  /** What the page gives the SDK when it is loaded next. */
  use(sentryOptions: Readonly<Record<string, unknown>>): void;
  /** Where posts to `tunnelUrl` go. */
  tunnelTo(url: string): void;
  close(): Promise<void>;
}

export async function openShop(): Promise<ShopSite> {
  const { code: script } = await bundlePage(program);
  let options: Readonly<Record<string, unknown>> = {};
  let target: string | undefined;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const asked = `${request.method} ${request.url}`;
    if (asked === "GET /shop") response.setHeader("content-type", "text/html").end(pageWith(options));
    else if (asked === "GET /shop.js") response.setHeader("content-type", "text/javascript").end(script);
    else if (asked === "POST /monitoring" && target !== undefined) {
      const { status } = await fetch(target, { method: "POST", body: await buffer(request) });
      response.writeHead(status).end();
    } else response.writeHead(404).end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The site has no port.");
  const origin = `http://127.0.0.1:${address.port}`;
  return {
    pageUrl: `${origin}/shop`,
    tunnelUrl: `${origin}/monitoring`,
    use(sentryOptions) {
      options = sentryOptions;
    },
    tunnelTo(url) {
      target = url;
    },
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function pageWith(options: Readonly<Record<string, unknown>>): string {
  return `<!doctype html>
<html lang="en">
<head><title>Shop</title><link rel="icon" href="data:,"></head>
<body>
<button id="add">Add to basket</button>
<button id="check-out">Check out</button>
<script type="application/json" id="sentry-options">${JSON.stringify(options).replaceAll("<", "\\u003c")}</script>
<script src="/shop.js"></script>
</body>
</html>`;
}
