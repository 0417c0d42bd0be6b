import type { JsonObject } from "@signalbox/sentry-protocol";
import type { ErrorEvent } from "../digest/error-event.js";
import { setOwn } from "./values.js";

interface Named {
  readonly name: string;
  readonly version?: string | undefined;
}

interface Sign {
  readonly name: string;
  readonly sign: RegExp;
}

/** Many browsers call themselves by the names of others as well, so the order counts. */
const browsers: readonly Sign[] = [
  { name: "Edge", sign: /\bEdg(?:e|A|iOS)?\/([\d.]{1,20})/ },
  { name: "Opera", sign: /\b(?:OPR|OPiOS|Opera)\/([\d.]{1,20})/ },
  { name: "Samsung Internet", sign: /\bSamsungBrowser\/([\d.]{1,20})/ },
  { name: "Firefox", sign: /\b(?:Firefox|FxiOS)\/([\d.]{1,20})/ },
  { name: "Chrome", sign: /\b(?:Chrome|CriOS|HeadlessChrome)\/([\d.]{1,20})/ },
  { name: "Safari", sign: /\bVersion\/([\d.]{1,20}).{0,100}\bSafari\// },
  { name: "Internet Explorer", sign: /\b(?:MSIE |Trident\/.{0,50}rv:)([\d.]{1,20})/ },
  { name: "curl", sign: /^curl\/([\d.]{1,20})/ },
  { name: "Python Requests", sign: /^python-requests\/([\d.]{1,20})/ },
  { name: "Go HTTP client", sign: /^Go-http-client\/([\d.]{1,20})/ },
];

const systems: readonly Sign[] = [
  { name: "iOS", sign: /\b(?:iPhone|iPad|iPod).{0,60}\bOS (\d{1,3}(?:_\d{1,3}){0,2})/ },
  { name: "Android", sign: /\bAndroid(?: ([\d.]{1,20}))?/ },
  { name: "Windows", sign: /\bWindows NT ([\d.]{1,10})/ },
  { name: "macOS", sign: /\bMac OS X (\d{1,3}(?:[._]\d{1,3}){0,2})/ },
  { name: "Chrome OS", sign: /\bCrOS \S{1,20} ([\d.]{1,20})/ },
  { name: "Ubuntu", sign: /\bUbuntu\b(?:\/([\d.]{1,20}))?/ },
  { name: "Linux", sign: /\bLinux\b/ },
];

/** What Windows calls the versions of its kernel. */
const windowsVersions: ReadonlyMap<string, string> = new Map([
  ["10.0", "10"],
  ["6.3", "8.1"],
  ["6.2", "8"],
  ["6.1", "7"],
  ["6.0", "Vista"],
]);

const maxLength = 1000;

/** Fills the contexts `browser`, `os` and `device` from the request's user agent where the client left them out. */
export function addUserAgentContexts(event: ErrorEvent): void {
  const sent = event.request?.headers?.find(([name]) => name.toLowerCase() === "user-agent")?.[1];
  if (sent === undefined) return;
  const agent = sent.slice(0, maxLength);
  add(event, "browser", find(agent, browsers));
  add(event, "os", systemOf(agent));
  add(event, "device", deviceOf(agent));
}

function add(event: ErrorEvent, name: string, found: Named | undefined): void {
  if (found === undefined || event.contexts?.[name] !== undefined) return;
  const context: JsonObject = { type: name, name: found.name };
  if (found.version !== undefined) context["version"] = found.version;
  event.contexts ??= {};
  setOwn(event.contexts, name, context);
}

function find(agent: string, signs: readonly Sign[]): Named | undefined {
  for (const { name, sign } of signs) {
    const match = sign.exec(agent);
    if (match) return { name, version: match[1]?.replaceAll("_", ".") };
  }
  return undefined;
}

function systemOf(agent: string): Named | undefined {
  const found = find(agent, systems);
  if (found?.name !== "Windows" || found.version === undefined) return found;
  return { name: found.name, version: windowsVersions.get(found.version) ?? found.version };
}

function deviceOf(agent: string): Named | undefined {
  const apple = /\b(iPhone|iPad|iPod)\b/.exec(agent)?.[1];
  if (apple !== undefined) return { name: apple };
  const android = /\bAndroid[^;)]{0,40};\s{0,5}(?:\w\w-\w\w;\s{0,5})?([^;)]{1,60}?)(?:\s+Build\/[^;)]{0,60})?[;)]/.exec(
    agent,
  )?.[1];
  if (android !== undefined && android !== "K" && android !== "Mobile") return { name: android };
  if (/\bMacintosh\b/.test(agent)) return { name: "Mac" };
  if (/bot\b|crawler|spider/i.test(agent)) return { name: "Spider" };
  return undefined;
}
