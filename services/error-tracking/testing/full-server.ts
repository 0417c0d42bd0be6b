import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Blobs, createFileBlobs } from "@signalbox/blobs";
import type { EventStore } from "@signalbox/event-store";
import { createHttpServer } from "@signalbox/http";
import type { Clock } from "@signalbox/kernel";
import { parseDsn } from "@signalbox/sentry-protocol";
import { rewriteIngestUrl } from "../http/ingest.js";
import { testAuthenticator } from "./api-kit.js";
import { type OpenService, openService } from "./open-service.js";

export interface FullServer extends OpenService {
  readonly blobs: Blobs;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly projectId: number;
  readonly dsn: string;
  readonly key: string;
  /** An ingest address of the project, with the key in the query. */
  ingest(path: string): string;
  /** Calls the API; a JSON body is parsed. Tokens as those of `openApiKit`. */
  call(method: string, path: string, body?: object, token?: string): Promise<Answer>;
  /** Resolves when everything that was accepted is stored or given up. */
  settled(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look at what they expect to be there
  readonly json: any;
}

export interface FullServerOptions {
  readonly analyticsUrl: string;
  readonly clock?: Clock;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Ingest, digest and API together on a real server, database, blob store and the analytics server at `analyticsUrl`. */
export async function startFullServer({ analyticsUrl, ...options }: FullServerOptions): Promise<FullServer> {
  const directory = await mkdtemp(join(tmpdir(), "error-tracking-full-"));
  const blobs = await createFileBlobs({ directory: join(directory, "blobs") });
  const service = await openService({
    ...options,
    database: { path: join(directory, "db") },
    analytics: { url: analyticsUrl },
    blobs,
  });
  const app = await createHttpServer({
    rewriteUrl: rewriteIngestUrl,
    authenticator: testAuthenticator,
    rateLimits: false,
  });
  await app.register(service.errorTracking.ingest);
  await app.register(service.errorTracking.api);
  await app.listen({ host: "127.0.0.1", port: 0 });
  await service.eventStore.start();
  const address = app.server.address();
  const host = `127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
  const { id: projectId, dsn } = await uniqueProject(service);
  const { key } = parseDsn(dsn);
  const url = `http://${host}`;
  return {
    ...service,
    blobs,
    url,
    projectId,
    dsn: `http://${key}@${host}/${projectId}`,
    key,
    ingest: (path) => `${url}/api/${projectId}${path}?sentry_key=${key}`,
    async call(method, path, body, token = "all") {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const text = await response.text();
      const isJson = response.headers.get("content-type")?.includes("json") === true && text !== "";
      return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
    },
    settled: () => untilSettled(service.eventStore),
    async close() {
      const closing = app.close();
      // A client that has its answer may still hold its connection.
      app.server.closeAllConnections();
      await closing;
      await service.close();
      await blobs.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

let projects = 0;

/** Rows of all servers of a test share the analytics engine, so each server has a project that no other has. */
async function uniqueProject({ errorTracking }: OpenService) {
  projects++;
  for (;;) {
    const project = await errorTracking.projects.create("Shop");
    if (project.id >= projects) return project;
  }
}

async function untilSettled({ queues }: EventStore): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const states = await queues.list();
    const waiting = states.reduce(
      (sum, { depth }) => sum + depth.ready + depth.scheduled + depth.running + depth.blocked,
      0,
    );
    if (waiting === 0) return;
    if (Date.now() > deadline) throw new Error("Not everything was handled in time.");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
