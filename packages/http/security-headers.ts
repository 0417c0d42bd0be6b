import type { FastifyReply } from "fastify";

/**
 * No script but our own files, nothing embedded from elsewhere, not to be framed. Styles may be inline: the
 * dashboard's component library sets its colours in a style element.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** Set on every HTML answer, unless the route has set a value of its own. */
const documentHeaders: readonly (readonly [string, string])[] = [
  ["content-security-policy", contentSecurityPolicy],
  ["x-frame-options", "DENY"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-opener-policy", "same-origin"],
  ["permissions-policy", "camera=(), geolocation=(), microphone=()"],
];

const activeTypes = /^(?:text\/html|application\/xhtml\+xml|image\/svg\+xml)\b/i;

/**
 * Everything but JSON may not be taken for another type than it says; what a browser would run scripts of also gets
 * the headers of documents. JSON is left alone: no browser takes it for a document, and it is most of what is sent.
 */
export function setSecurityHeaders(reply: FastifyReply): void {
  const type = reply.getHeader("content-type");
  if (typeof type !== "string" || type.startsWith("application/json")) return;
  reply.header("x-content-type-options", "nosniff");
  if (!activeTypes.test(type)) return;
  for (const [name, value] of documentHeaders) if (!reply.hasHeader(name)) reply.header(name, value);
}

const htmlEscapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** `text` as the content of an HTML element or of a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => htmlEscapes[character] ?? character);
}
