import { type ClientInfo, parseClientInfo } from "./client-info.js";
import { type Dsn, parseKey } from "./dsn.js";
import { ProtocolError } from "./errors.js";

/** What a request says about who sends it, before the body is read. */
export interface Credentials {
  /** Undefined when the request itself has no key; the envelope header may still bring a DSN. */
  readonly key: string | undefined;
  readonly client: ClientInfo | undefined;
}

/** Header values as Node gives them; names in lower case. */
export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** Newest protocol version that is understood. */
const newestVersion = 8;

/**
 * Collects the key from `X-Sentry-Auth`, `Authorization` (Sentry or Basic), the query and the path, in this order.
 * Several places may name the same key.
 * @throws {ProtocolError} `ET_AUTH_MULTIPLE`, `ET_KEY_INVALID`, `ET_PROTOCOL_UNSUPPORTED`
 */
export function readCredentials(
  headers: HeaderValues,
  query: URLSearchParams = new URLSearchParams(),
  pathKey?: string,
): Credentials {
  const sentryAuth = sentryFields(headerText(headers["x-sentry-auth"]), true);
  const authorization = headerText(headers["authorization"]);
  const authorizationFields = sentryFields(authorization, false);

  const keys = [
    sentryAuth.get("sentry_key"),
    authorizationFields.get("sentry_key"),
    basicUser(authorization),
    ...query.getAll("sentry_key"),
    pathKey,
  ].filter((key) => key !== undefined && key !== "");
  const [key] = keys;
  if (keys.some((other) => other !== key)) throw new ProtocolError("ET_AUTH_MULTIPLE");

  const field = (name: string): string | undefined =>
    sentryAuth.get(name) || authorizationFields.get(name) || query.get(name) || undefined;
  checkVersion(field("sentry_version"));
  return {
    key: key === undefined ? undefined : parseKey(key),
    client: parseClientInfo(field("sentry_client") ?? headerText(headers["user-agent"])),
  };
}

/** The key and project that a request belongs to; `project` is undefined when only the key can tell. */
export interface Claim {
  readonly key: string;
  readonly project: number | undefined;
}

/**
 * Brings together what path, request and envelope header say. A DSN in the envelope is enough by itself.
 * @throws {ProtocolError} `ET_AUTH_MISSING`; `ET_DSN_MISMATCH` when they contradict each other
 */
export function resolveClaim(
  requestKey: string | undefined,
  pathProject: number | undefined,
  envelopeDsn: Dsn | undefined,
): Claim {
  if (!envelopeDsn) {
    if (requestKey === undefined) throw new ProtocolError("ET_AUTH_MISSING");
    return { key: requestKey, project: pathProject };
  }
  const keyDiffers = requestKey !== undefined && requestKey !== envelopeDsn.key;
  const projectDiffers = pathProject !== undefined && pathProject !== envelopeDsn.project;
  if (keyDiffers || projectDiffers) throw new ProtocolError("ET_DSN_MISMATCH");
  return { key: envelopeDsn.key, project: envelopeDsn.project };
}

function headerText(value: string | readonly string[] | undefined): string {
  return (typeof value === "string" ? value : (value?.join(", ") ?? "")).trim();
}

/** The `k=v` list after the scheme word `Sentry`; without that word only where the header can hold nothing else. */
function sentryFields(text: string, schemeOptional: boolean): Map<string, string> {
  const fields = new Map<string, string>();
  const scheme = /^sentry(?:\s+|$)/i.exec(text);
  if (!scheme && !schemeOptional) return fields;
  for (const pair of text.slice(scheme?.[0].length ?? 0).split(",")) {
    const equals = pair.indexOf("=");
    if (equals < 0) continue;
    const name = pair.slice(0, equals).trim().toLowerCase();
    const value = pair
      .slice(equals + 1)
      .trim()
      .replace(/^"(.*)"$/, "$1");
    // Two different keys in one header are as ambiguous as in two headers.
    const earlier = fields.get(name);
    if (name === "sentry_key" && earlier && value && earlier !== value) throw new ProtocolError("ET_AUTH_MULTIPLE");
    if (!earlier) fields.set(name, value);
  }
  return fields;
}

function basicUser(authorization: string): string | undefined {
  const match = /^basic\s+([A-Za-z0-9+/_=-]+)$/i.exec(authorization);
  if (!match) return undefined;
  const [user] = Buffer.from(match[1] ?? "", "base64")
    .toString("latin1")
    .split(":", 1);
  return user;
}

function checkVersion(version: string | undefined): void {
  // A version that is no number says nothing, like any field that is not known.
  if (version !== undefined && Number.parseFloat(version) > newestVersion)
    throw new ProtocolError("ET_PROTOCOL_UNSUPPORTED", { details: { newestVersion } });
}
