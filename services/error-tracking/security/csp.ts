import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";

/** What a Content Security Policy kept a page from doing. Absent texts are empty. */
export interface CspViolation {
  /** Such as `script-src-elem`. */
  readonly directive: string;
  /** Host that was blocked, a scheme such as `data`, or the document's own host; empty where nothing tells. */
  readonly blockedHost: string;
  /** Set when the page itself is at fault and not something that it loads. */
  readonly local: "'unsafe-inline'" | "'unsafe-eval'" | undefined;
}

/** Reads `csp` of an event, in the spelling of reports or in that of events; undefined when there is none. */
export function readCspViolation(csp: unknown): CspViolation | undefined {
  if (!isJsonObject(csp)) return undefined;
  const directive = directiveOf(csp);
  const documentHost = hostOf(field(csp, "document_uri"));
  const blocked = field(csp, "blocked_uri").trim();
  const isOwn = ["", "self", "'self'"].includes(blocked) || (documentHost !== "" && hostOf(blocked) === documentHost);
  return {
    directive,
    blockedHost: isOwn ? documentHost : hostOf(blocked) || schemeOf(blocked),
    local: localViolation(blocked, isOwn, directive, field(csp, "violated_directive")),
  };
}

/** Of a field in either spelling. */
function field(csp: JsonObject, name: string): string {
  const value = csp[name] ?? csp[name.replaceAll("_", "-")];
  return typeof value === "string" ? value : "";
}

function directiveOf(csp: JsonObject): string {
  const [first = ""] = field(csp, "violated_directive").trim().split(/\s+/);
  return (field(csp, "effective_directive").trim() || first).toLowerCase().slice(0, 64);
}

function localViolation(blocked: string, isOwn: boolean, directive: string, violated: string): CspViolation["local"] {
  if (blocked === "inline") return "'unsafe-inline'";
  if (blocked === "eval" || blocked === "wasm-eval") return "'unsafe-eval'";
  if (!isOwn || !/^(?:script|style)-src|^default-src/.test(directive)) return undefined;
  // Older browsers name the page itself and repeat the directive.
  if (violated.includes("'unsafe-inline'")) return "'unsafe-inline'";
  return violated.includes("'unsafe-eval'") ? "'unsafe-eval'" : undefined;
}

/** `data` of `data:…` and of `data`. */
function schemeOf(uri: string): string {
  return uri.replace(/:.*$/s, "").toLowerCase().slice(0, 64);
}

/** Host with the port, unless that is the usual one; empty for what has none. */
function hostOf(uri: string): string {
  const match = /^(?:https?|wss?):\/\/(?:[^/?#@]*@)?([^/?#]+)/i.exec(uri);
  return (match?.[1] ?? "")
    .toLowerCase()
    .replace(/:(?:80|443)$/, "")
    .slice(0, 255);
}

const kinds: readonly (readonly [start: string, kind: string])[] = [
  ["script-src", "script"],
  ["style-src", "style"],
  ["img-src", "image"],
  ["font-src", "font"],
  ["connect-src", "connection"],
  ["media-src", "media"],
  ["object-src", "object"],
  ["frame-src", "frame"],
  ["child-src", "child"],
  ["worker-src", "worker"],
  ["manifest-src", "manifest"],
  ["prefetch-src", "prefetch"],
  ["base-uri", "base"],
  ["form-action", "form"],
  ["frame-ancestors", "ancestor"],
];

/** What a violation is called in lists. */
export function cspTitle({ directive, blockedHost, local }: CspViolation): string {
  const kind = kinds.find(([start]) => directive.startsWith(start))?.[1] ?? (directive || "resource");
  if (local === "'unsafe-inline'") return `Blocked inline ${kind}`;
  if (local === "'unsafe-eval'") return `Blocked unsafe eval() '${kind}'`;
  return `Blocked '${kind}' from '${blockedHost}'`;
}

const foreignSource =
  /^(?:about|chrome|chrome-extension|moz-extension|safari-extension|safari-web-extension|ms-browser-extension|webkit-masked-url|resource|extension)(?::|$)/i;

/** Whether an extension of the browser caused it, or an empty page: nothing that the site could mend. */
export function isForeignCsp(csp: unknown): boolean {
  if (!isJsonObject(csp)) return false;
  return ["blocked_uri", "source_file", "document_uri"].some((name) => foreignSource.test(field(csp, name).trim()));
}
