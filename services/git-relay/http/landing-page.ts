import { escapeHtml } from "@signalbox/http";

export interface LandingPage {
  readonly name: string;
  readonly description: string;
  /** `wss://…` as clients write it. */
  readonly url: string;
}

/** For people who open the relay's address in a browser. */
export function renderLandingPage({ name, description, url }: LandingPage): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(name)}</title>
</head>
<body>
<h1>${escapeHtml(name)}</h1>
<p>${escapeHtml(description)}</p>
<p>This is a Nostr relay. Add <code>${escapeHtml(url)}</code> to a Nostr client.</p>
</body>
</html>
`;
}

/** Nothing may be loaded or run. */
export const landingPagePolicy = "default-src 'none'; frame-ancestors 'none'";
