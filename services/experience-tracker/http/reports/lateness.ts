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

const integer = { type: "integer" } as const;

export function registerLateness({ app, config, dependencies, knownExperience }: ReportRoute): void {
  const { reports, clock } = dependencies;
  app.get<{ Querystring: ExperienceQuery }>("/reports/lateness", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Show what came of timeouts",
      description: "How many runs ended after they had timed out, how late, and which timeout would have been enough.",
      tags: ["experiences"],
      querystring: experienceQuery,
      response: {
        200: {
          description: "What is known of timeouts.",
          ...object({
            ...windowProperties,
            timeout_s: { type: "number", description: "As the definition says now." },
            timeouts: { type: "integer", description: "Runs that timed out." },
            ended_later: {
              description: "How many of them ended after all, and how.",
              ...object({ success: integer, error: integer, discarded: integer }),
            },
            lateness_p50_s: nullable("number", "Seconds after the deadline; null when none ended."),
            lateness_p90_s: nullable("number", "Seconds."),
            lateness_p99_s: nullable("number", "Seconds."),
            bars: {
              description: "How many were late by more than the bar before and at most so long; the last has no end.",
              ...listOf({ up_to_s: nullable("number", "Seconds."), count: integer }),
            },
            known_ends: { type: "integer", description: "Runs that ended, in time or late." },
            suggested_timeout_s: nullable(
              "number",
              "The least timeout, rounded up to two digits, that would have been enough for 99 of 100 of these; null while they are fewer than 100.",
            ),
          }),
          examples: [
            {
              ...windowExample,
              timeout_s: 30,
              timeouts: 14,
              ended_later: { success: 9, error: 1, discarded: 0 },
              lateness_p50_s: 4.2,
              lateness_p90_s: 31,
              lateness_p99_s: 55.7,
              bars: [{ up_to_s: 60, count: 10 }],
              known_ends: 1210,
              suggested_timeout_s: 35,
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const { id, timeoutMs } = knownExperience(request.query.experience);
        const window = windowOf(request.query, clock.nowMs());
        const found = await reports.lateness(tenantOfRequest(request, dependencies), window, id);
        return {
          ...windowBody(window),
          timeout_s: timeoutMs / 1000,
          timeouts: found.timeouts,
          ended_later: found.ended,
          lateness_p50_s: found.p50S,
          lateness_p90_s: found.p90S,
          lateness_p99_s: found.p99S,
          bars: found.bars.map(({ upToS, count }) => ({ up_to_s: upToS, count })),
          known_ends: found.known,
          suggested_timeout_s: found.suggestedTimeoutS,
        };
      }),
  });
}
