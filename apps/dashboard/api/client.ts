import createClient, { type Middleware } from "openapi-fetch";
import { useSyncExternalStore } from "react";
import type { paths } from "./schema.js";

/** An answer that is not what was asked for, with what a person needs to report it. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly correlationId: string | null;
  readonly retryAfterS: number | null;
  /** Address of what was asked for. */
  readonly asked: string | null;

  constructor(fields: {
    readonly status: number;
    readonly code: string;
    readonly message: string;
    readonly correlationId: string | null;
    readonly retryAfterS?: number | null;
    readonly asked?: string | null;
  }) {
    super(fields.message);
    this.name = "ApiError";
    this.status = fields.status;
    this.code = fields.code;
    this.correlationId = fields.correlationId;
    this.retryAfterS = fields.retryAfterS ?? null;
    this.asked = fields.asked ?? null;
  }
}

let csrfToken: string | undefined;

/** What requests that change something carry from now on. */
export function setCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

const carryCsrfToken: Middleware = {
  onRequest({ request }) {
    if (csrfToken !== undefined && request.method !== "GET") request.headers.set("x-csrf-token", csrfToken);
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: window.location.origin, fetch: fetchOrExplain });
api.use(carryCsrfToken);

async function fetchOrExplain(request: Request): Promise<Response> {
  try {
    const response = await fetch(request);
    sayReachable(true);
    return response;
  } catch (cause) {
    sayReachable(false);
    throw new ApiError({
      status: 0,
      code: "unreachable",
      message: `The server cannot be reached (${cause instanceof Error ? cause.message : "unknown reason"}).`,
      correlationId: null,
      asked: addressOf(request.url),
    });
  }
}

function addressOf(url: string): string {
  const { pathname, search } = new URL(url);
  return `${pathname}${search}`;
}

let reachable = true;
const reachableWatchers = new Set<() => void>();

function sayReachable(now: boolean): void {
  if (reachable === now) return;
  reachable = now;
  for (const watcher of reachableWatchers) watcher();
}

/** Whether the server answered when it was asked last. */
export function useReachable(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      reachableWatchers.add(watcher);
      return () => reachableWatchers.delete(watcher);
    },
    () => reachable,
  );
}

export interface Answer<Data> {
  readonly data?: Data;
  readonly error?: unknown;
  readonly response: Response;
}

/** The data of an answer, which is JSON: text is what some routes answer to others. @throws {ApiError} with the problem's code and correlation id */
export async function dataOf<Data>(answer: Promise<Answer<Data>>): Promise<Exclude<Data, string>> {
  const { data, error, response } = await answer;
  if (!response.ok) throw toError(response, error);
  // A successful answer without a body has no data either way.
  return data as Exclude<Data, string>;
}

/** The text of an answer that is asked for with `parseAs: "text"`. @throws {ApiError} as `dataOf` */
export async function textOf(answer: Promise<Answer<string>>): Promise<string> {
  const { data = "", error, response } = await answer;
  if (!response.ok) throw toError(response, error);
  return data;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}

/** A page of a list with the cursor of the next one, as the `Link` header tells. */
export async function pageOf<Item>(answer: Promise<Answer<readonly Item[]>>): Promise<Page<Item>> {
  const { response } = await answer;
  const items = await dataOf(answer);
  return { items, next: nextCursor(response.headers.get("link")) };
}

function nextCursor(link: string | null): string | null {
  const next = /<([^>]+)>;\s*rel="next"/.exec(link ?? "")?.[1];
  return next === undefined ? null : new URL(next, window.location.origin).searchParams.get("cursor");
}

function toError(response: Response, problem: unknown): ApiError {
  const read = (name: string): string | undefined => {
    if (typeof problem !== "object" || problem === null || !(name in problem)) return undefined;
    const value: unknown = Reflect.get(problem, name);
    return typeof value === "string" ? value : undefined;
  };
  const retryAfter = Number(response.headers.get("retry-after"));
  return new ApiError({
    status: response.status,
    code: read("code") ?? String(response.status),
    message: read("detail") ?? read("title") ?? `The server answered ${response.status}.`,
    correlationId: read("correlation_id") ?? response.headers.get("x-correlation-id"),
    retryAfterS: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null,
    asked: response.url === "" ? null : addressOf(response.url),
  });
}
