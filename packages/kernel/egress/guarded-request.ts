import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { rootCertificates } from "node:tls";
import type { Clock } from "../clock.js";
import { KernelError } from "../kernel-errors.js";
import type { CheckedAddress, EgressGuard } from "./egress-guard.js";

export interface EgressRequestOptions {
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** For everything together: name, connection, redirects, the whole answer. Default 10 s. */
  readonly timeoutMs?: number;
  /** Largest body of the answer, as it comes over the wire. Default 1 MiB. */
  readonly maxResponseBytes?: number;
  /** Default 0: a redirect is an answer like any other. */
  readonly maxRedirects?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface EgressResponse {
  readonly status: number;
  /** Names in lower case; several of one name are joined as HTTP says. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Where the answer came from, after redirects. */
  readonly url: string;
}

interface Surroundings {
  readonly clock: Clock;
  readonly certificateAuthorities: readonly string[];
}

const defaultTimeoutMs = 10_000;
const defaultMaxResponseBytes = 2 ** 20;

/** One hop of a request: what is sent to which URL. */
interface Hop {
  readonly url: string | URL;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

/** @internal Called through `EgressGuard.request`. */
export async function guardedRequest(
  guard: Pick<EgressGuard, "check">,
  url: string | URL,
  options: EgressRequestOptions,
  surroundings: Surroundings,
): Promise<EgressResponse> {
  const { timeoutMs = defaultTimeoutMs, maxRedirects = 0 } = options;
  const limits = limitTime(surroundings.clock, timeoutMs, options.signal);
  try {
    let hop: Hop = { url, method: options.method ?? "GET", headers: options.headers ?? {}, body: options.body };
    for (let redirects = 0; ; redirects++) {
      const checked = await limits.within(guard.check(hop.url));
      const response = await limits.within(send(checked, hop, options, surroundings, limits.signal));
      const location = redirectTarget(response, checked.url);
      if (location === undefined || maxRedirects === 0) return response;
      if (redirects === maxRedirects) throw redirectRefused("too many redirects", maxRedirects);
      hop = nextHop(hop, checked.url, location, response.status);
    }
  } finally {
    limits.done();
  }
}

/** Bounds work in time, also work that cannot be aborted such as asking the operating system for a name. */
function limitTime(clock: Clock, timeoutMs: number, outer: AbortSignal | undefined) {
  const inner = new AbortController();
  const onAbort = (): void => inner.abort(outer?.reason);
  if (outer?.aborted) onAbort();
  outer?.addEventListener("abort", onAbort, { once: true });
  const timer = clock.setTimer(timeoutMs, () => {
    inner.abort(new KernelError("EGRESS_TIMEOUT", { details: { timeout_s: timeoutMs / 1000 } }));
  });
  const { signal } = inner;
  return {
    signal,
    async within<T>(work: Promise<T>): Promise<T> {
      let stop = (): void => {};
      const aborted = new Promise<never>((_, reject) => {
        stop = () => reject(signal.reason);
        if (signal.aborted) stop();
        signal.addEventListener("abort", stop, { once: true });
      });
      try {
        return await Promise.race([work, aborted]);
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    done(): void {
      timer.cancel();
      outer?.removeEventListener("abort", onAbort);
      // Ends whatever lost the race.
      inner.abort();
    },
  };
}

function send(
  checked: CheckedAddress,
  { method, headers, body }: Hop,
  { maxResponseBytes = defaultMaxResponseBytes }: EgressRequestOptions,
  { certificateAuthorities }: Surroundings,
  signal: AbortSignal,
): Promise<EgressResponse> {
  return new Promise((resolve, reject) => {
    const start = checked.url.protocol === "https:" ? requestHttps : requestHttp;
    const request = start(
      checked.url,
      {
        method,
        headers: { ...headers },
        lookup: checked.lookup,
        // A fresh connection each time: a pooled one may lead to an address checked for someone else.
        agent: false,
        signal,
        ...(certificateAuthorities.length > 0 ? { ca: [...rootCertificates, ...certificateAuthorities] } : {}),
      },
      (response) => {
        readBody(response, maxResponseBytes).then((bytes) => {
          resolve({
            status: response.statusCode ?? 0,
            headers: flatten(response.headers),
            body: bytes,
            url: checked.url.href,
          });
        }, fail);
      },
    );
    const fail = (cause: unknown): void => {
      request.destroy();
      if (cause instanceof KernelError) reject(cause);
      else reject(new KernelError("EGRESS_UNREACHABLE", { cause, details: { host: checked.host } }));
    };
    request.on("error", fail);
    request.end(body);
  });
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = (): KernelError => new KernelError("EGRESS_TOO_LARGE", { details: { max_bytes: maxBytes } });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) continue;
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return flat;
}

const redirectStatuses = new Set([301, 302, 303, 307, 308]);

function redirectTarget({ status, headers }: EgressResponse, base: URL): URL | undefined {
  const location = headers["location"];
  if (!redirectStatuses.has(status) || location === undefined) return undefined;
  if (!URL.canParse(location, base.href)) throw redirectRefused("unreadable location");
  return new URL(location, base);
}

/** All that another origin may see of the request's headers: the rest may be credentials. */
const harmlessHeaders = new Set(["accept", "accept-language", "content-type", "user-agent", "x-correlation-id"]);

function nextHop({ method, headers, body }: Hop, from: URL, to: URL, status: number): Hop {
  if (from.protocol === "https:" && to.protocol !== "https:") throw redirectRefused("from https to http");
  const becomesGet = method !== "HEAD" && (status === 303 || (status < 303 && method === "POST"));
  const kept = Object.entries(headers).filter(([name]) => {
    if (becomesGet && name.toLowerCase().startsWith("content-")) return false;
    return from.origin === to.origin || harmlessHeaders.has(name.toLowerCase());
  });
  return {
    url: to,
    method: becomesGet ? "GET" : method,
    headers: Object.fromEntries(kept),
    body: becomesGet ? undefined : body,
  };
}

function redirectRefused(reason: string, maxRedirects?: number): KernelError {
  return new KernelError("EGRESS_REDIRECT_REFUSED", { details: { reason, max_redirects: maxRedirects } });
}
