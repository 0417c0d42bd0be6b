import type { FilteredEvent } from "./filtered-event.js";

/** Names by which programs that read the web for machines introduce themselves. */
const crawlers =
  /bot\b|crawler|spider|slurp|googleother|google-inspectiontool|mediapartners|feedfetcher|facebookexternalhit|meta-externalagent|lighthouse|headlesschrome|phantomjs|pingdom|uptimerobot|statuscake|yandex\w*|baiduspider|bingpreview|duckduckgo-favicons|whatsapp|embedly|petalbot|ia_archiver/i;

export function filterCrawlers({ userAgent }: FilteredEvent): boolean {
  return crawlers.test(userAgent);
}

const extensionSchemes =
  /^(?:chrome-extension|moz-extension|safari-extension|safari-web-extension|ms-browser-extension|webkit-masked-url|resource):\/\//i;

/** Messages that only extensions and programs around browsers cause. */
const extensionMessages = [
  /extension context invalidated/i,
  /could not establish connection\. receiving end does not exist/i,
  /atomicfindclose/i,
  /__gcrweb/,
  /can't find variable: (?:zalosdk|gmo|instantsearchsdkjsbridgeclearhighlight|dyldstats)/i,
  /jigsaw is not defined/i,
  /originalcreatenotification/i,
];

/** A frame inside an extension is where the failure comes from, or has at least touched it. */
export function filterExtensions({ files, messages }: FilteredEvent): boolean {
  return (
    files.some((file) => extensionSchemes.test(file)) ||
    messages.some((message) => extensionMessages.some((pattern) => pattern.test(message)))
  );
}

const localHosts = /^(?:localhost|.*\.localhost|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[::1\])$/;

export function filterLocalhost({ url }: FilteredEvent): boolean {
  if (/^file:\/\//i.test(url)) return true;
  try {
    return localHosts.test(new URL(url).hostname);
  } catch {
    return false;
  }
}

/** The first version of each browser that is not taken for old: those that know modules and asynchronous functions. */
const firstModern: readonly { readonly pattern: RegExp; readonly version: number }[] = [
  { pattern: /\bEdge\/(\d+)/, version: 79 },
  { pattern: /\bOPR\/(\d+)/, version: 50 },
  { pattern: /\bFirefox\/(\d+)/, version: 67 },
  { pattern: /\b(?:Chrome|CriOS)\/(\d+)/, version: 63 },
  { pattern: /\bVersion\/(\d+)(?:\.\d+)*(?: Mobile\/\S+)? Safari\//, version: 12 },
];

export function filterLegacyBrowsers({ userAgent }: FilteredEvent): boolean {
  if (/\bMSIE |\bTrident\/|\bOpera Mini\/|^Opera\//.test(userAgent)) return true;
  for (const { pattern, version } of firstModern) {
    const found = pattern.exec(userAgent);
    if (found) return Number(found[1]) < version;
  }
  return false;
}
