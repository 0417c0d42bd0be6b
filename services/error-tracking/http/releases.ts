import { decodeCursor, linkHeader, pageOf, pageParameters, principalOf } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { listReleases, type Release } from "../issues/issue-notes.js";
import { type Commit, type Deploy, saveRelease } from "../issues/save-release.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, projectParameter } from "./api-schemas.js";
import { releaseExample, releaseSchema } from "./workflow-schemas.js";

const time = { type: "string", format: "date-time" } as const;
const webAddress = { type: "string", maxLength: 2048, pattern: "^https?://[^\\s]+$" } as const;
const shortText = { type: "string", maxLength: 256 } as const;

const bodySchema = {
  type: "object",
  required: ["version"],
  additionalProperties: false,
  properties: {
    version: { type: "string", minLength: 1, maxLength: 250, pattern: "^(?![\\\\/]+$)[^\\r\\n\\t]+$" },
    date_released: { ...time, type: ["string", "null"] },
    url: { ...webAddress, type: ["string", "null"] },
    commits: {
      type: "array",
      maxItems: 1000,
      description:
        "Oldest first; they replace those that were known. What a new one says to fix, as `fixes SHOP-42`, is resolved in this release.",
      items: {
        type: "object",
        required: ["id"],
        additionalProperties: false,
        properties: {
          id: { type: "string", pattern: "^[0-9a-f]{7,40}$" },
          message: { type: "string", maxLength: 4096 },
          author: shortText,
          date: time,
          paths: {
            type: "array",
            maxItems: 1000,
            items: { type: "string", minLength: 1, maxLength: 1024 },
            description: "Files that it touched, from the root of the repository.",
          },
        },
      },
    },
    deploys: {
      type: "array",
      maxItems: 100,
      description: "Oldest first; they replace those that were known.",
      items: {
        type: "object",
        required: ["environment"],
        additionalProperties: false,
        properties: { environment: { ...shortText, maxLength: 64 }, name: shortText, url: webAddress, date: time },
      },
    },
  },
  examples: [
    {
      version: "shop@1.4.1",
      commits: [{ id: "0123abc", message: "Count again, fixes SHOP-42", paths: ["src/cart.ts"] }],
    },
  ],
} as const;

interface Body {
  readonly version: string;
  readonly date_released?: string | null;
  readonly url?: string | null;
  readonly commits?: readonly Commit[];
  readonly deploys?: readonly Deploy[];
}

/** Releases: what is known of them, and what people and pipelines say about them. */
export function registerReleaseRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { database, projects } = dependencies;
  const answer = (what: string) => jsonAnswer(what, releaseSchema, releaseExample);

  app.get<{ Params: { id: number }; Querystring: { limit: number; cursor?: string } }>("/projects/:id/releases", {
    config: { access: { scope: "errors:read" }, errors: ["ET_PROJECT_NOT_FOUND", "invalid_cursor", "unavailable"] },
    schema: {
      summary: "List the releases of a project",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      querystring: { type: "object", properties: pageParameters },
      response: {
        200: jsonAnswer("The releases, newest first.", { type: "array", items: releaseSchema }, [releaseExample]),
      },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? undefined : decodeCursor(cursor, isReleasePosition);
      const rows = await listReleases(database, project.id, limit + 1, before);
      const page = pageOf(rows, limit, (row) => [row.created_at_ms, row.id]);
      const { nextCursor } = page;
      const link = nextCursor === undefined ? undefined : linkHeader(request.originalUrl, limit, { nextCursor });
      if (link !== undefined) reply.header("link", link);
      return page.items.map(showRelease);
    },
  });

  app.post<{ Params: { id: number }; Body: Body }>("/projects/:id/releases", {
    config: { access: { scope: "errors:write" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Make a release, or say more about one",
      tags: ["errors"],
      params: { type: "object", properties: { id: projectParameter } },
      body: bodySchema,
      response: { 200: answer("The release as it is now."), 201: answer("The new release.") },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const { version, date_released: released, url, commits, deploys } = request.body;
      const changes = {
        ...(released === undefined ? {} : { releasedAtMs: released === null ? null : Date.parse(released) }),
        ...(url === undefined ? {} : { url }),
        ...(commits === undefined ? {} : { commits }),
        ...(deploys === undefined ? {} : { deploys }),
      };
      const actor = principalOf(request).subject;
      const { release, isNew } = await saveRelease(dependencies, { project, version, changes, actor });
      return reply.code(isNew ? 201 : 200).send(showRelease(release));
    },
  });
}

export function showRelease(release: Release) {
  const timeText = (atMs: number | null) => (atMs === null ? null : new Date(atMs).toISOString());
  return {
    version: release.version,
    projects: [release.project_id],
    date_created: timeText(release.created_at_ms),
    date_released: timeText(release.released_at_ms),
    url: release.url,
    new_issues: release.new_issues,
    first_event: timeText(release.first_event_ms),
    last_event: timeText(release.last_event_ms),
    commits: JSON.parse(release.commits),
    deploys: JSON.parse(release.deploys),
  };
}

function isReleasePosition(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isSafeInteger);
}
