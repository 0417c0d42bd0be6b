import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { bundlePage } from "./bundle-page.js";

const program = fileURLToPath(new URL("../sdk-apps/browser-journeys.mjs", import.meta.url));

/** A web site with one page that records journeys, on an origin of its own. */
export interface JourneySite {
  readonly origin: string;
  readonly pageUrl: string;
  /** What the page gives the client when it is loaded next. */
  options: Readonly<Record<string, unknown>>;
  /** Elements that the server puts into the page's head. */
  head: string;
  /** Of the page. */
  headers: Readonly<Record<string, string>>;
  /** Headers of the requests that the page made to `/api`. */
  readonly calls: IncomingHttpHeaders[];
  close(): Promise<void>;
}

export async function openJourneySite(): Promise<JourneySite> {
  const { code } = await bundlePage(program);
  const calls: IncomingHttpHeaders[] = [];
  const answer = (asked: string, headers: IncomingHttpHeaders, response: ServerResponse): void => {
    if (asked === "/page") {
      response.writeHead(200, { "content-type": "text/html", "cache-control": "no-cache", ...site.headers });
      response.end(pageWith(site));
    } else if (asked === "/page.js") response.setHeader("content-type", "text/javascript").end(code);
    else if (asked === "/api") {
      calls.push(headers);
      response.end("{}");
    } else response.setHeader("content-type", "text/html").end("<title>Elsewhere</title>");
  };
  const server = createServer(({ url = "", headers }, response) => answer(url, headers, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The site has no port.");
  const origin = `http://127.0.0.1:${address.port}`;
  const site: JourneySite = {
    origin,
    pageUrl: `${origin}/page`,
    options: {},
    head: "",
    headers: {},
    calls,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return site;
}

function pageWith({ options, head }: JourneySite): string {
  return `<!doctype html>
<html lang="en">
<head><title>Journeys</title><link rel="icon" href="data:,">${head}</head>
<body>
<script type="application/json" id="options">${JSON.stringify(options).replaceAll("<", "\\u003c")}</script>
<script src="/page.js"></script>
</body>
</html>`;
}
