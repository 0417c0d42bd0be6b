import type { FastifyInstance } from "fastify";
import { findEvent } from "../issues/find-events.js";
import { commitsOf } from "../issues/save-release.js";
import { type SuspectCommit, suspectCommits } from "../issues/suspect-commits.js";
import { type ApiDependencies, visibleIssue } from "./api-dependencies.js";
import { issueParameters, jsonAnswer } from "./api-schemas.js";

const text = { type: ["string", "null"] } as const;

const suspectSchema = {
  type: "object",
  required: ["id", "message", "author", "date", "paths"],
  properties: {
    id: { type: "string" },
    message: text,
    author: text,
    date: { ...text, format: "date-time" },
    paths: {
      type: "array",
      items: { type: "string" },
      description: "Files of the commit through which the error goes.",
    },
  },
} as const;

const suspectExample = {
  id: "0123abc",
  message: "Count the basket once",
  author: "ann",
  date: "2026-03-01T09:30:00Z",
  paths: ["src/cart.ts"],
} as const;

/** Which commits may have brought an error in. */
export function registerSuspectCommitRoute(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.get<{ Params: { id: number; fingerprint: number } }>("/projects/:id/errors/:fingerprint/suspect-commits", {
    config: {
      access: { scope: "errors:read" },
      errors: ["ET_PROJECT_NOT_FOUND", "ET_ISSUE_NOT_FOUND", "unavailable"],
    },
    schema: {
      summary: "List the commits that may have brought an error in",
      description:
        "Commits of the release in which the error was first seen that touched a file of its first event, newest first, five at most.",
      tags: ["errors"],
      params: { type: "object", properties: issueParameters },
      response: {
        200: jsonAnswer("The commits, newest first.", { type: "array", items: suspectSchema }, [suspectExample]),
      },
    },
    async handler(request, reply) {
      const { issue } = await visibleIssue(request, reply, dependencies);
      if (issue === undefined) return reply;
      const { project_id: projectId, first_release: release } = issue;
      const commits = release === null ? [] : await commitsOf(dependencies.database, projectId, release);
      if (!commits.some(({ paths = [] }) => paths.length > 0)) return [];
      const first = await findEvent(dependencies, issue, "oldest");
      return first === undefined ? [] : suspectCommits(first.payload, commits).map(showSuspect);
    },
  });
}

function showSuspect({ commit, paths }: SuspectCommit) {
  const { id, message = null, author = null, date = null } = commit;
  return { id, message, author, date, paths };
}
