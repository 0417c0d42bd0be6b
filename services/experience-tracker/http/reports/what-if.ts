import type { Definition } from "@signalbox/experience";
import { HttpProblem } from "@signalbox/http";
import { trackerProblem } from "../../errors.js";
import { tenantOfRequest } from "../dependencies.js";
import { answeringForStore } from "../store-answer.js";
import type { ReportRoute } from "./routes.js";
import { experienceRow } from "./rows.js";
import {
  chargeGapsParameter,
  experienceParameter,
  experienceRowExample,
  experienceRowProperties,
  object,
} from "./schemas.js";
import { type WindowQuery, windowBody, windowExample, windowOf, windowParameters, windowProperties } from "./window.js";

interface WhatIfQuery extends WindowQuery {
  readonly experience: string;
  readonly charge_gaps: boolean;
  readonly threshold_s?: number;
  readonly timeout_s?: number;
  readonly apdex_pct?: number;
  readonly error_pct?: number;
}

const percentage = (description: string, example: number) =>
  ({ type: "number", exclusiveMinimum: 0, exclusiveMaximum: 100, description, examples: [example] }) as const;

export function registerWhatIf({ app, config, dependencies, knownExperience }: ReportRoute): void {
  const { reports, clock } = dependencies;
  app.get<{ Querystring: WhatIfQuery }>("/reports/what-if", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Judge past runs by other terms",
      description:
        "The row of the report as it is, and as it would be with another threshold, timeout or objective. What is not given stays: each run is judged by the threshold and the timeout that it had. With a longer timeout, runs that ended late count by their end; those that nobody heard of again stay timeouts. Nothing is changed by it.",
      tags: ["experiences"],
      querystring: {
        type: "object",
        additionalProperties: false,
        required: ["experience"],
        properties: {
          ...windowParameters,
          experience: experienceParameter,
          threshold_s: {
            type: "number",
            exclusiveMinimum: 0,
            maximum: 600,
            description: "Seconds up to which a run satisfies.",
            examples: [3],
          },
          timeout_s: {
            type: "number",
            exclusiveMinimum: 0,
            maximum: 604_800,
            description: "Seconds after which a run has failed.",
            examples: [60],
          },
          apdex_pct: percentage("Objective: satisfied runs, of 100.", 99.5),
          error_pct: percentage("Objective: failed runs, of 100, at most.", 0.1),
          charge_gaps: chargeGapsParameter,
        },
      },
      response: {
        200: {
          description: "Both rows.",
          ...object({
            ...windowProperties,
            real: object(experienceRowProperties),
            what_if: object(experienceRowProperties),
          }),
          examples: [{ ...windowExample, real: experienceRowExample, what_if: experienceRowExample }],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const { query } = request;
        const definition = knownExperience(query.experience);
        const changed = changedBy(definition, query);
        const tenant = tenantOfRequest(request, dependencies);
        const window = windowOf(query, clock.nowMs());
        const [real] = await reports.experiences(tenant, window, [definition]);
        // The tracker's own canary is in no report.
        if (!real) throw trackerProblem("definition_not_found");
        const whatIf = await reports.whatIf(tenant, window, definition.id, {
          thresholdMs: query.threshold_s === undefined ? undefined : changed.thresholdMs,
          timeoutMs: query.timeout_s === undefined ? undefined : changed.timeoutMs,
        });
        const context = { chargeGaps: query.charge_gaps, gapS: await reports.gapSeconds(window) };
        return {
          ...windowBody(window),
          real: experienceRow(real, definition, context),
          what_if: experienceRow(whatIf, changed, context),
        };
      }),
  });
}

/** @throws {HttpProblem} 400 for terms that no definition could have */
function changedBy(definition: Definition, query: WhatIfQuery): Definition {
  const thresholdMs = query.threshold_s === undefined ? definition.thresholdMs : millis(query.threshold_s);
  const timeoutMs = query.timeout_s === undefined ? definition.timeoutMs : millis(query.timeout_s);
  if (timeoutMs < thresholdMs)
    throw new HttpProblem("invalid_parameter", { detail: "The timeout is shorter than the threshold." });
  const { slo } = definition;
  return {
    ...definition,
    thresholdMs,
    timeoutMs,
    slo: { apdexPct: query.apdex_pct ?? slo.apdexPct, errorPct: query.error_pct ?? slo.errorPct },
  };
}

/** 0.57 s are 570 ms, whatever a computer makes of their product. */
function millis(seconds: number): number {
  return Math.round(seconds * 1_000_000) / 1000;
}
