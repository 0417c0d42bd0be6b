import type { SeriesPoint } from "../../reports/series.js";
import { tenantOfRequest } from "../dependencies.js";
import { answeringForStore } from "../store-answer.js";
import type { ReportRoute } from "./routes.js";
import { figureBody } from "./rows.js";
import { experienceParameter, figureExample, figureProperties, listOf, object } from "./schemas.js";
import {
  type ExperienceQuery,
  experienceQuery,
  type WindowQuery,
  windowBody,
  windowOf,
  windowParameters,
  windowProperties,
} from "./window.js";

const pointsParameter = {
  type: "integer",
  minimum: 1,
  maximum: 200,
  default: 48,
  description: "Into how many parts the time is divided.",
  examples: [48],
} as const;

const pointProperties = { at: { type: "string", format: "date-time" }, ...figureProperties } as const;
const pointExample = { at: "2026-02-06T14:30:00.000Z", ...figureExample } as const;

export function registerSeries({ app, config, dependencies, knownExperience }: ReportRoute): void {
  const { reports, clock } = dependencies;
  app.get<{ Querystring: WindowQuery & { points: number; experience?: string } }>("/reports/series", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Follow experiences over time",
      description: "Figures of parts of the time, oldest first. Parts without traffic are absent.",
      tags: ["experiences"],
      querystring: {
        type: "object",
        additionalProperties: false,
        properties: { ...windowParameters, points: pointsParameter, experience: experienceParameter },
      },
      response: {
        200: {
          description: "A series for each experience with traffic, or for the one asked for.",
          ...object({
            ...windowProperties,
            step_s: { type: "number", description: "Length of a part in seconds." },
            series: listOf({ covered_experience_id: { type: "string" }, points: listOf(pointProperties) }),
          }),
          examples: [
            {
              from: "2026-02-06T14:30:00.000Z",
              to: "2026-02-07T14:30:00.000Z",
              step_s: 1800,
              series: [{ covered_experience_id: "create_merge_request", points: [pointExample] }],
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const { points, experience } = request.query;
        if (experience !== undefined) knownExperience(experience);
        const tenant = tenantOfRequest(request, dependencies);
        const window = windowOf(request.query, clock.nowMs());
        const series = new Map<string, object[]>();
        for (const point of await reports.series(tenant, window, points, experience)) {
          const known = series.get(point.experienceId) ?? [];
          known.push(pointBody(point));
          series.set(point.experienceId, known);
        }
        return {
          ...windowBody(window),
          step_s: Math.ceil((window.toMs - window.fromMs) / points) / 1000,
          series: [...series].map(([id, known]) => ({ covered_experience_id: id, points: known })),
        };
      }),
  });
}

export function registerLatency({ app, config, dependencies, knownExperience }: ReportRoute): void {
  const { reports, clock } = dependencies;
  app.get<{ Querystring: ExperienceQuery }>("/reports/latency", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Show how long runs took",
      description:
        "How many ended runs took up to so long, and longer than the bar before. Timeouts are not among them.",
      tags: ["experiences"],
      querystring: experienceQuery,
      response: {
        200: {
          description: "Bars that have runs, fastest first.",
          ...object({
            ...windowProperties,
            threshold_s: { type: "number" },
            bars: listOf({ up_to_s: { type: "number" }, count: { type: "integer" } }),
          }),
          examples: [
            {
              from: "2026-02-06T14:30:00.000Z",
              to: "2026-02-07T14:30:00.000Z",
              threshold_s: 2,
              bars: [{ up_to_s: 0.5, count: 120 }],
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const { thresholdMs, id } = knownExperience(request.query.experience);
        const window = windowOf(request.query, clock.nowMs());
        const bars = await reports.latency(tenantOfRequest(request, dependencies), window, id);
        return {
          ...windowBody(window),
          threshold_s: thresholdMs / 1000,
          bars: bars.map(({ upToS, count }) => ({ up_to_s: upToS, count })),
        };
      }),
  });
}

function pointBody(point: SeriesPoint) {
  return { at: new Date(point.atMs).toISOString(), ...figureBody(point) };
}
