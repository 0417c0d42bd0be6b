import type { Pair, Request } from "../digest/error-event.js";
import { at, type Place } from "./notes.js";
import { fittedField, keepUnknown, object, pairs, type Sent, text } from "./values.js";

const bodyBytes = 8 * 1024;
const envBytes = 16 * 1024;

/** The HTTP request that the event is about. */
export function normaliseRequest(raw: Sent, root: Place): Request | undefined {
  const sent = object(raw, root, "request");
  if (sent === undefined) return undefined;
  const place = at(root, "request");
  const env = object(sent["env"], place, "env");
  const fittedEnv = env && object(fittedField(env, envBytes, place, "env"), place, "env");
  const body = sent["data"];
  const request: Request = {
    url: text(sent["url"], place, "url", 8192),
    method: text(sent["method"], place, "method", 32)?.toUpperCase(),
    query_string: pairs(sent["query_string"], place, "query_string", parseQuery),
    headers: pairs(sent["headers"], place, "headers", parseHeaders)?.map(([name, value]) => [titleCase(name), value]),
    cookies: pairs(sent["cookies"], place, "cookies", parseCookies),
    env: fittedEnv,
    data: body === undefined || body === null ? undefined : fittedField(body, bodyBytes, place, "data"),
  };
  return keepUnknown(request, sent, requestKeys);
}

function parseQuery(sent: string): Pair[] {
  return [...new URLSearchParams(sent.startsWith("?") ? sent.slice(1) : sent)];
}

function parseHeaders(sent: string): Pair[] {
  return sent.split(/\r?\n/).flatMap((line) => splitOnce(line, ":"));
}

function parseCookies(sent: string): Pair[] {
  return sent.split(";").flatMap((cookie) => splitOnce(cookie, "="));
}

function splitOnce(line: string, separator: string): Pair[] {
  const end = line.indexOf(separator);
  return end <= 0 ? [] : [[line.slice(0, end).trim(), line.slice(end + 1).trim()]];
}

/** `user-agent` and `User-Agent` are one header; the usual spelling is kept. */
function titleCase(header: string): string {
  return header.toLowerCase().replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

const requestKeys = new Set(["url", "method", "query_string", "headers", "cookies", "env", "data"]);
