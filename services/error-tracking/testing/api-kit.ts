import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import { type Authenticator, createHttpServer, HttpProblem, type Principal, type Scope } from "@signalbox/http";
import { type Clock, systemClock } from "@signalbox/kernel";
import type { JsonObject } from "@signalbox/sentry-protocol";
import type { FastifyInstance } from "fastify";
import type { LetterStore } from "../digest/dead-events.js";
import { createApi } from "../http/api.js";
import { createTestDigest, type TestDigest, uninterrupted } from "./digest.js";
import { receivedEvent, type SampleOptions } from "./received-event.js";
import { openTestAnalytics, openTestDatabase, type TestAnalytics, type TestDatabase } from "./stores.js";

export interface ApiKit {
  readonly app: FastifyInstance;
  readonly stores: TestDatabase;
  readonly analytics: TestAnalytics["analytics"];
  readonly kit: TestDigest;
  newProject(name?: string): Promise<number>;
  store(projectId: number, ...events: readonly [JsonObject, SampleOptions?][]): Promise<string[]>;
  call(
    method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE",
    url: string,
    body?: object,
    token?: string,
  ): ReturnType<typeof inject>;
  close(): Promise<void>;
}

const inject = (
  app: FastifyInstance,
  method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE",
  url: string,
  body: object | undefined,
  token: string,
) => app.inject({ method, url, headers: { authorization: `Bearer ${token}` }, ...(body ? { payload: body } : {}) });

/**
 * The API on real stores, the analytics server at `analyticsUrl` among them. Tokens: `all`, `read`, `write`, and `only N` for
 * one project, unless another authenticator decides. `watch` may stand between everything and the analytics store.
 */
export async function openApiKit(
  analyticsUrl: string,
  clock: Clock = systemClock,
  blobs?: Blobs,
  options: { readonly watch?: (analytics: Analytics) => Analytics; readonly authenticator?: Authenticator } = {},
): Promise<ApiKit> {
  const { watch = (analytics: Analytics) => analytics, authenticator = testAuthenticator } = options;
  const { analytics: opened, close } = await openTestAnalytics(analyticsUrl);
  const analytics = watch(opened);
  const stores = await openTestDatabase();
  const kit = createTestDigest(stores, { analytics }, { clock });
  const app = await createHttpServer({ authenticator, rateLimits: false });
  await app.register(
    createApi({
      database: stores.database,
      analytics,
      projects: stores.projects,
      clock,
      publisher: () => ({
        publish: async ({ type, correlationId, data }) => void kit.published.push({ type, correlationId, data }),
      }),
      defaults: { retentionDays: 90, groupingVersion: 1 },
      queue: () => kit.queue,
      letters: () => noLetters,
      ...(blobs === undefined ? {} : { blobs }),
      serverUrl: () => "https://signalbox.example",
    }),
  );
  await app.ready();
  return {
    app,
    stores,
    analytics,
    kit,
    newProject: async (name = "Shop") => (await stores.projects.create(name)).id,
    async store(projectId, ...events) {
      const messages = events.map(([payload, options]) => receivedEvent(payload, { projectId, ...options }));
      const { failed } = await kit.digest.handle(messages, uninterrupted);
      if (failed.length > 0) throw failed[0]?.error;
      return messages.map(({ data }) => data.event_id);
    },
    call: (method, url, body, token = "all") => inject(app, method, url, body, token),
    async close() {
      await app.close();
      await stores.close();
      await close();
    },
  };
}

export const noLetters: LetterStore = {
  list: async () => ({ letters: [], next: null }),
  get: async () => null,
  replay: async () => ({ replayed: 0 }),
  discard: async () => ({ discarded: 0 }),
  forget: async () => ({ forgotten: 0 }),
};

/** Takes the tokens of `openApiKit`. */
export const testAuthenticator: Authenticator = {
  async authenticate(token: string | undefined): Promise<Principal> {
    const principal = (scopes: Scope[], projects?: number[]): Principal => ({
      subject: "tester",
      issuer: "test",
      scopes: new Set(scopes),
      tokenId: token ?? "",
      expiresAtMs: Date.now() + 60_000,
      ...(projects ? { projects } : {}),
    });
    if (token === "all") return principal(["admin"]);
    if (token === "read") return principal(["errors:read"]);
    if (token === "write") return principal(["errors:write"]);
    if (token?.startsWith("only "))
      return principal(["errors:read", "errors:write", "errors:admin"], [Number(token.slice(5))]);
    throw new HttpProblem("missing_token");
  },
  isVerified: () => true,
};
