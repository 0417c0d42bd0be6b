import type { Analytics } from "@signalbox/analytics";
import type { Database } from "@signalbox/database";
import { allowsProject, encodeCursor, linkHeader, principalOf } from "@signalbox/http";
import type { Clock } from "@signalbox/kernel";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { TransactionalPublisher } from "../digest.js";
import type { KeysetPage } from "../keyset-page.js";
import { ProjectError } from "../project-errors.js";
import type { Project, Projects } from "../projects.js";

/** What the routes of the API need. */
export interface ApiDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  readonly projects: Projects;
  readonly clock: Clock;
  readonly publisher: () => TransactionalPublisher;
}

/**
 * The project of a path, when the token may see it. A project that exists and one that does not are answered alike.
 * @throws {ProjectError} `ET_PROJECT_NOT_FOUND`
 */
export async function visibleProject(request: FastifyRequest, projects: Projects, id: number): Promise<Project> {
  const project = allowsProject(principalOf(request), id) ? await projects.get(id) : undefined;
  if (project === undefined) throw new ProjectError("ET_PROJECT_NOT_FOUND");
  return project;
}

/** Puts the addresses of the neighbouring pages into the `Link` header. */
export function linkPages(
  request: FastifyRequest,
  reply: FastifyReply,
  limit: number,
  { next, previous }: KeysetPage<unknown, unknown>,
): void {
  const link = linkHeader(request.originalUrl, limit, {
    ...(next === undefined ? {} : { nextCursor: encodeCursor(next) }),
    ...(previous === undefined ? {} : { previousCursor: encodeCursor(previous) }),
  });
  if (link !== undefined) reply.header("link", link);
}
