import type { Step } from "../../reports/funnel.js";
import { tenantOfRequest } from "../dependencies.js";
import { answeringForStore } from "../store-answer.js";
import type { ReportRoute } from "./routes.js";
import { listOf, nullable, object } from "./schemas.js";
import {
  type ExperienceQuery,
  experienceQuery,
  windowBody,
  windowExample,
  windowOf,
  windowProperties,
} from "./window.js";

const stepProperties = {
  type: { type: "string", description: "The component that sends it." },
  step: {
    type: "string",
    description:
      "Its category, or which kind of checkpoint it is; `other` for categories beyond the first 50, of which those of the definition are the first.",
  },
} as const;
const usualNext = (description: string) =>
  ({
    anyOf: [object(stepProperties), { type: "null" }],
    description,
  }) as const;

const stepExample = {
  type: "web",
  step: "saved",
  runs: 990,
  share: 0.99,
  p50_s: 0.2,
  p95_s: 0.8,
  p99_s: 1.4,
  usual_next: { type: "sidekiq", step: "job_started" },
} as const;

export function registerFunnel({ app, config, dependencies, knownExperience }: ReportRoute): void {
  const { reports, clock } = dependencies;
  app.get<{ Querystring: ExperienceQuery }>("/reports/funnel", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Show how far runs come",
      description:
        "The steps in their usual order, which is that of their median place in runs that succeed, and where runs that time out were seen last.",
      tags: ["experiences"],
      querystring: experienceQuery,
      response: {
        200: {
          description: "The funnel.",
          ...object({
            ...windowProperties,
            runs: { type: "integer", description: "Runs that ended or timed out." },
            looked_at: {
              type: "integer",
              description: "Of these: looked at. All, or an even sample where they are more than 200,000.",
            },
            steps: listOf({
              ...stepProperties,
              runs: { type: "integer", description: "Runs looked at that reached it." },
              share: nullable("number", "Of all runs looked at."),
              p50_s: nullable("number", "From this step to the next, in seconds."),
              p95_s: nullable("number", "Seconds."),
              p99_s: nullable("number", "Seconds."),
              usual_next: usualNext("What follows most often in runs that succeed."),
            }),
            died_after: listOf({
              ...stepProperties,
              count: { type: "integer", description: "Runs that timed out and were seen last here." },
              share: nullable("number", "Of all timeouts."),
              usual_next: usualNext("What should have come."),
            }),
          }),
          examples: [
            {
              ...windowExample,
              runs: 1000,
              looked_at: 1000,
              steps: [stepExample],
              died_after: [{ type: "web", step: "saved", count: 4, share: 1, usual_next: stepExample.usual_next }],
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const definition = knownExperience(request.query.experience);
        const window = windowOf(request.query, clock.nowMs());
        const funnel = await reports.funnel(tenantOfRequest(request, dependencies), window, definition);
        const died = funnel.diedAfter.reduce((sum, { count }) => sum + count, 0);
        return {
          ...windowBody(window),
          runs: funnel.runs,
          looked_at: funnel.lookedAt,
          steps: funnel.steps.map((step) => ({
            ...stepBody(step),
            runs: step.runs,
            share: funnel.lookedAt === 0 ? null : step.runs / funnel.lookedAt,
            p50_s: step.gapP50S,
            p95_s: step.gapP95S,
            p99_s: step.gapP99S,
            usual_next: step.usualNext && stepBody(step.usualNext),
          })),
          died_after: funnel.diedAfter.map((last) => ({
            ...stepBody(last),
            count: last.count,
            share: died === 0 ? null : last.count / died,
            usual_next: last.usualNext && stepBody(last.usualNext),
          })),
        };
      }),
  });
}

function stepBody({ type, step }: Step) {
  return { type, step };
}
