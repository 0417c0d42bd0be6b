import { HttpProblem, principalOf } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { type VerifyDependencies, verify, verifyChecks } from "../upkeep/verify.js";
import { type ApiDependencies, visibleProject } from "./api-dependencies.js";
import { jsonAnswer, projectParameter } from "./api-schemas.js";

const reportSchema = {
  type: "object",
  required: ["consistent", "total", "open", "checked", "findings"],
  properties: {
    consistent: { type: "boolean", description: "Nothing is wrong any more." },
    total: { type: "integer", description: "Findings, repaired ones included." },
    open: { type: "integer", description: "Findings that are still wrong." },
    checked: {
      type: "object",
      additionalProperties: { type: "integer" },
      description: "Things that each check looked at.",
    },
    findings: {
      type: "array",
      description: "The first 1,000.",
      items: {
        type: "object",
        required: ["check", "project_id", "subject", "message", "repaired"],
        properties: {
          check: { enum: verifyChecks },
          project_id: { type: "integer", description: "0: what it is about belongs to no project." },
          subject: { type: "string" },
          message: { type: "string" },
          repaired: { type: "boolean" },
        },
      },
    },
  },
} as const;

const example = {
  consistent: true,
  total: 0,
  open: 0,
  checked: { ledger: 24, rows: 1700, hours: 96, issues: 42, owners: 57, unfinished: 0, blobs: 3, pending: 0 },
  findings: [],
} as const;

const dayS = 86_400;

/** Whether everything that must agree does. */
export function registerVerifyRoute(app: FastifyInstance, dependencies: ApiDependencies): void {
  app.post<{ Body: { project?: number; since_s: number; repair: boolean } }>("/errors/verify", {
    config: { access: { scope: "errors:admin" }, errors: ["ET_PROJECT_NOT_FOUND", "unavailable"] },
    schema: {
      summary: "Check that ledger, counters, rows, payloads, attachments and queue agree",
      tags: ["errors"],
      body: {
        type: "object",
        additionalProperties: false,
        properties: {
          project: { ...projectParameter, description: "Default: all projects." },
          since_s: {
            type: "integer",
            minimum: 1,
            maximum: 400 * dayS,
            default: dayS,
            description: "Events received within so many seconds are looked at.",
          },
          repair: { type: "boolean", default: false, description: "Writes what is missing; deletes nothing." },
        },
        examples: [{ since_s: dayS, repair: false }],
      },
      response: { 200: jsonAnswer("What was found.", reportSchema, example) },
    },
    async handler(request) {
      const { project, since_s: sinceS, repair } = request.body;
      if (project !== undefined) await visibleProject(request, dependencies.projects, project);
      else if (principalOf(request).projects !== undefined)
        throw new HttpProblem("insufficient_scope", { detail: "The token is narrowed to some projects." });
      const { database, analytics, blobs, clock, defaults } = dependencies;
      const { queues, dead } = dependencies.queue();
      const messages: VerifyDependencies["messages"] = {
        queues,
        dead: { tally: (by) => dead.tally(by), list: (filter, page) => dependencies.letters().list(filter, page) },
      };
      const report = await verify(
        { database, analytics, blobs, messages, clock, groupingVersion: defaults.groupingVersion },
        { projectId: project, sinceMs: clock.nowMs() - sinceS * 1000, repair },
      );
      if (project === undefined) dependencies.onVerified?.(report.openBy);
      return {
        consistent: report.open === 0,
        total: report.total,
        open: report.open,
        checked: report.checked,
        findings: report.findings.map(({ projectId, ...finding }) => ({ ...finding, project_id: projectId })),
      };
    },
  });
}
