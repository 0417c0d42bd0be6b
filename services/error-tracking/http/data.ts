import { principalOf } from "@signalbox/http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { ReadError } from "../issues/read-errors.js";
import { type DeletionJob, findDeletion, requestDeletion, runDeletions } from "../upkeep/delete-data.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, maxNumber, projectParameter } from "./api-schemas.js";
import { deletionExample, deletionSchema } from "./workflow-schemas.js";

const params = { type: "object", properties: { id: projectParameter } } as const;
const errors = ["ET_PROJECT_NOT_FOUND", "unavailable"];
const admin = { scope: "errors:admin" } as const;

/** GitLab's route that removes everything of a project: answered when it is gone. */
export function registerProjectRemoval(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects } = dependencies;
  const answersAtOnce = app.prefix.startsWith("/errortracking");

  app.delete<{ Params: { id: number } }>("/projects/:id", {
    config: { ...dependencies.gitlabAccess, access: admin, errors },
    schema: {
      summary: "Delete a project with everything that was stored for it",
      tags: ["projects"],
      params,
      response: answersAtOnce
        ? { 204: { type: "null", description: "It is gone." } }
        : { 202: jsonAnswer("It is hidden; the job tells when everything is gone.", deletionSchema, deletionExample) },
    },
    async handler(request, reply) {
      const project = await visibleProject(request, projects, request.params.id);
      const id = await requestDeletion(dependencies, project.id, { kind: "project" }, principalOf(request).subject);
      if (answersAtOnce) {
        await runDeletions(dependencies);
        return reply.code(204).send();
      }
      return reply.code(202).send({ job_id: id, state: "pending", counts: {} });
    },
  });
}

/** Deletion of what belongs to a user, and how deletions are getting on. */
export function registerDataRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const { projects, database } = dependencies;

  app.post<{ Params: { id: number }; Body: { id?: string; email?: string; ip_address?: string } }>(
    "/projects/:id/errors/delete-user",
    {
      config: { access: admin, errors },
      schema: {
        summary: "Delete all events of a user",
        tags: ["errors"],
        params,
        body: {
          type: "object",
          minProperties: 1,
          additionalProperties: false,
          description: "An event goes when it names any of them.",
          properties: {
            id: { type: "string", minLength: 1, maxLength: 256 },
            email: { type: "string", minLength: 1, maxLength: 256 },
            ip_address: { type: "string", minLength: 1, maxLength: 64 },
          },
          examples: [{ email: "ann@example.com" }],
        },
        response: { 202: jsonAnswer("The job tells when they are gone.", deletionSchema, deletionExample) },
      },
      async handler(request, reply) {
        const project = await visibleProject(request, projects, request.params.id);
        const { id, email, ip_address: address } = request.body;
        const user = { kind: "user", id, email, address } as const;
        const job = await requestDeletion(dependencies, project.id, user, principalOf(request).subject);
        return reply.code(202).send({ job_id: job, state: "pending", counts: {} });
      },
    },
  );

  app.get<{ Params: { id: number; job: number } }>("/projects/:id/errors/deletions/:job", {
    config: { access: admin, errors: ["ET_JOB_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Show how a deletion is getting on",
      tags: ["errors"],
      params: {
        type: "object",
        properties: {
          id: projectParameter,
          job: { type: "integer", minimum: 1, maximum: maxNumber, description: "Its number.", examples: [3] },
        },
      },
      response: { 200: jsonAnswer("The job.", deletionSchema, deletionExample) },
    },
    async handler(request) {
      const job = await visibleJob(request);
      return { job_id: job.id, state: job.state, counts: job.counts };
    },
  });

  /** The job of a project that may be gone itself. */
  const visibleJob = async (request: FastifyRequest<{ Params: { id: number; job: number } }>): Promise<DeletionJob> => {
    const { id, job } = request.params;
    const { projects: allowed } = principalOf(request);
    const found = allowed === undefined || allowed.includes(id) ? await findDeletion(database, id, job) : undefined;
    if (found === undefined) throw new ReadError("ET_JOB_NOT_FOUND");
    return found;
  };
}
