import type { Analytics } from "@signalbox/analytics";
import type { Blobs } from "@signalbox/blobs";
import type { Database } from "@signalbox/database";
import { allowsProject, encodeCursor, linkHeader, principalOf, type RouteConfig } from "@signalbox/http";
import type { Clock } from "@signalbox/kernel";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { LetterStore } from "../digest/dead-events.js";
import type { TransactionalPublisher } from "../digest/digest.js";
import type { QueueState } from "../digest/pending-events.js";
import type { ChangeDependencies } from "../issues/change-issues.js";
import { findIssue } from "../issues/find-issue.js";
import type { Issue } from "../issues/list-issues.js";
import type { KeysetPage } from "../keyset-page.js";
import { ProjectError } from "../projects/project-errors.js";
import type { InstanceDefaults } from "../projects/project-settings.js";
import type { Project, Projects } from "../projects/projects.js";
import type { Quota } from "../projects/quotas.js";
import type { VerifyCheck } from "../upkeep/verify.js";

/** What the routes of the API need. */
export interface ApiDependencies {
  readonly database: Database;
  readonly analytics: Analytics;
  /** Where attachments are; without it there are none. */
  readonly blobs?: Blobs | undefined;
  readonly projects: Projects;
  readonly clock: Clock;
  readonly publisher: () => TransactionalPublisher;
  /** Counts changes of issues. */
  readonly countChange?: NonNullable<ChangeDependencies["countChange"]>;
  /** Address under which people reach the server; asked for each time. */
  serverUrl(): string;
  /** What the instance decides for projects that do not. */
  readonly defaults: InstanceDefaults;
  /** What waits to be digested, and what was given up. */
  readonly queue: () => QueueState;
  /** How GitLab's clients prove themselves on the routes that they call. */
  readonly gitlabAccess?: Pick<RouteConfig, "readPrincipal">;
  /** What could not be stored. */
  readonly letters: () => LetterStore;
  /** Called with what a check of consistency of all projects found and did not mend. */
  readonly onVerified?: (findings: Readonly<Record<VerifyCheck, number>>) => void;
  /** Of projects that have no quotas of their own. Default: none. */
  readonly projectQuotas?: readonly Quota[];
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

/** What a path says of an issue. */
export interface IssueParams {
  readonly id: number;
  readonly fingerprint: number;
}

/**
 * The issue of a path. One that was merged into another is answered by a redirect to that one, and is missing here.
 * @throws {ProjectError} `ET_PROJECT_NOT_FOUND`
 * @throws {ReadError} `ET_ISSUE_NOT_FOUND`
 */
export async function visibleIssue(
  request: FastifyRequest<{ Params: IssueParams }>,
  reply: FastifyReply,
  { projects, database }: ApiDependencies,
): Promise<{ readonly project: Project; readonly issue: Issue | undefined }> {
  const { id, fingerprint } = request.params;
  const project = await visibleProject(request, projects, id);
  const issue = await findIssue(database, project.id, fingerprint);
  if (issue.merged_into === null) return { project, issue };
  const location = request.originalUrl.replace(`/errors/${fingerprint}`, `/errors/${issue.merged_into}`);
  await reply.code(301).header("location", location).send();
  return { project, issue: undefined };
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
