import { ProtocolError } from "./errors.js";

/** Where an SDK sends to and with which key: `{scheme}://{key}[:{secret}]@{host}[:{port}]{prefix}/{project}`. */
export interface Dsn {
  readonly scheme: "http" | "https";
  readonly key: string;
  /** Host name with port where the DSN names one; IPv6 in brackets. */
  readonly host: string;
  /** Path before the project, without trailing slash; empty when there is none. */
  readonly prefix: string;
  readonly project: number;
}

const keyPattern = /^[A-Za-z0-9_-]{1,64}$/;
const projectPattern = /^[0-9]{1,16}$/;
const dsnPattern = /^(https?):\/\/([^\s:/@?#]+)(?::[^\s/@?#]*)?@([^\s/@?#]+)((?:\/[^\s/?#]*)*?)\/([^\s/?#]+)\/?$/i;

export function isKey(text: string): boolean {
  return keyPattern.test(text);
}

/** @throws {ProtocolError} `ET_KEY_INVALID` */
export function parseKey(text: string): string {
  if (!isKey(text)) throw new ProtocolError("ET_KEY_INVALID");
  return text;
}

/**
 * The project's number; leading zeros are allowed.
 * @throws {ProtocolError} `ET_PROJECT_INVALID` for everything but a decimal integer from 1 to 2^53 - 1
 */
export function parseProjectId(text: string): number {
  const project = projectPattern.test(text) ? Number(text) : 0;
  if (project < 1 || !Number.isSafeInteger(project)) throw new ProtocolError("ET_PROJECT_INVALID");
  return project;
}

/**
 * Reads a DSN; a secret is accepted and forgotten.
 * @throws {ProtocolError} `ET_DSN_INVALID`, `ET_KEY_INVALID`, `ET_PROJECT_INVALID`
 */
export function parseDsn(text: string): Dsn {
  const match = text.length <= 2048 ? dsnPattern.exec(text) : null;
  if (!match) throw new ProtocolError("ET_DSN_INVALID");
  const [, scheme = "", key = "", host = "", prefix = "", project = ""] = match;
  return {
    scheme: scheme.toLowerCase() === "https" ? "https" : "http",
    key: parseKey(key),
    host,
    prefix,
    project: parseProjectId(project),
  };
}

export function formatDsn(dsn: Dsn): string {
  return `${dsn.scheme}://${dsn.key}@${dsn.host}${dsn.prefix}/${dsn.project}`;
}

/**
 * The DSN of a key on a server whose public address is `serverUrl` (http or https, with or without path).
 * @throws {TypeError} when `serverUrl` is no such address
 */
export function dsnFor(serverUrl: string, key: string, project: number): string {
  const url = new URL(serverUrl);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw new TypeError("a server address is http or https");
  return formatDsn({
    scheme: url.protocol === "https:" ? "https" : "http",
    key,
    host: url.host,
    prefix: url.pathname.replace(/\/+$/, ""),
    project,
  });
}
