import type { Configure } from "@signalbox/event-store";
import type { Scope } from "@signalbox/http/scopes";
import { createTokenKey, mintToken } from "@signalbox/http/tokens";
import { errorMessage, systemClock } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { directoryHolder } from "../data-directory.js";
import { dataPaths } from "../data-paths.js";
import { oneLine } from "../printable.js";
import { CommandFailed, type Terminal } from "./command.js";

export interface ApiAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Address of the next page. */
  readonly next: string | undefined;
}

type Method = "GET" | "POST" | "PATCH" | "DELETE";

/**
 * The routes below a prefix: those of the running server, else of the same systems on the same stores inside this
 * process. Commands speak to it alone, so that they print the same with and without a server.
 */
export interface CommandApi {
  /** The body of a success answer. @throws {CommandFailed} after saying what the problem is. */
  ask(method: Method, path: string, body?: object): Promise<unknown>;
  /** `undefined` for what there is not. */
  find(path: string): Promise<unknown>;
  /** The items of a list, page after page, at most `limit`. */
  list(path: string, limit: number): Promise<readonly unknown[]>;
}

export interface ApiOptions {
  readonly config: ServerConfig;
  readonly terminal: Terminal;
  /** The command reads the analytics store. */
  readonly withHistory?: boolean;
  /** The configure functions of another program; no running server is asked then. */
  readonly configure?: readonly Configure[];
}

export interface RoutesOptions extends ApiOptions {
  /** What the paths of the routes begin with. */
  readonly prefix: string;
  readonly scopes: readonly Scope[];
  /** A route that answers 200 where the running server has these routes. */
  readonly probe: string;
  /** The work makes no sense without a server. */
  readonly needsServer?: boolean;
}

export async function withApi<T>(options: RoutesOptions, work: (api: CommandApi) => Promise<T>): Promise<T> {
  const { config, terminal, withHistory = false, configure, prefix } = options;
  const holder = directoryHolder(dataPaths(config).directory, systemClock);
  if (holder?.url !== undefined && !configure) {
    const send = await remoteSender(holder.url, config, options);
    const probed = await send("GET", options.probe, undefined, AbortSignal.timeout(patienceMs)).catch(
      (cause: unknown) => {
        terminal.err(`The server (process ${holder.pid}, ${holder.url}) does not answer: ${errorMessage(cause)}`);
        throw new CommandFailed();
      },
    );
    // One that runs other roles alone has no such routes.
    if (probed.status === 200) return work(createApi(send, terminal));
  }
  if (options.needsServer) {
    terminal.err("No server with these routes runs on this data directory (signalbox serve starts one)");
    throw new CommandFailed();
  }
  const withAnalytics = withHistory && (holder === undefined || config.clickhouseUrl !== undefined);
  // All systems: not loaded where a server has them already.
  const { composeLocally } = await import("../compose-locally.js");
  const local = await composeLocally({ config, withAnalytics, ...(configure && { configure }) });
  try {
    const send: Send = async (method, path, body) => {
      const answer = await local.app.inject({ method, url: `${prefix}${path}`, ...(body && { payload: body }) });
      return toAnswer(answer.statusCode, answer.body, answer.headers["link"], prefix);
    };
    return await work(createApi(send, terminal));
  } finally {
    await local.close();
  }
}

type Send = (method: Method, path: string, body?: object, signal?: AbortSignal) => Promise<ApiAnswer>;

/** How long a server may take for the first answer; what is asked of it then may take its time. */
const patienceMs = 10_000;

const tokenLifetimeMs = 3_600_000;

/** Who can read the key may do everything; the token is for this process and is shown to nobody. */
async function remoteSender(
  url: string,
  config: ServerConfig,
  { prefix, scopes }: Pick<RoutesOptions, "prefix" | "scopes">,
): Promise<Send> {
  const key = await createTokenKey(dataPaths(config).directory);
  const { token } = await mintToken(key, {
    subject: "command line",
    scopes: [...scopes],
    lifetimeMs: tokenLifetimeMs,
    audience: config.auth.audience,
  });
  return async (method, path, body, signal) => {
    const answer = await fetch(`${url}${prefix}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
    return toAnswer(answer.status, await answer.text(), answer.headers.get("link") ?? undefined, prefix);
  };
}

function toAnswer(
  status: number,
  text: string,
  link: string | string[] | number | undefined,
  prefix: string,
): ApiAnswer {
  const next = /<([^>]+)>; rel="next"/.exec(String(link ?? ""))?.[1];
  return {
    status,
    body: text === "" ? undefined : parse(text),
    next: next?.startsWith(prefix) ? next.slice(prefix.length) : undefined,
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function createApi(send: Send, terminal: Terminal): CommandApi {
  const refuse = ({ status, body }: ApiAnswer): never => {
    const { detail = `The server answered ${status}`, code = status, errors = [] } = isRecord(body) ? body : {};
    terminal.err(`${oneLine(String(detail))} (${oneLine(String(code))})`);
    for (const error of Array.isArray(errors) ? errors.filter(isRecord) : [])
      terminal.err(
        `  ${oneLine(String(error["pointer"] ?? ""))}: ${oneLine(String(error["message"] ?? error["code"]))}`,
      );
    throw new CommandFailed();
  };
  return {
    async ask(method, path, body) {
      const answer = await send(method, path, body);
      return answer.status < 300 ? answer.body : refuse(answer);
    },
    async find(path) {
      const answer = await send("GET", path);
      if (answer.status === 404) return undefined;
      return answer.status < 300 ? answer.body : refuse(answer);
    },
    async list(path, limit) {
      const items: unknown[] = [];
      const separator = path.includes("?") ? "&" : "?";
      for (
        let next: string | undefined = `${path}${separator}limit=${Math.min(limit, 100)}`;
        next !== undefined && items.length < limit;
      ) {
        const answer = await send("GET", next);
        if (answer.status >= 300 || !Array.isArray(answer.body)) return refuse(answer);
        items.push(...answer.body);
        next = answer.next;
      }
      return items.slice(0, limit);
    },
  };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
