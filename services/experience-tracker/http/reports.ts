import { type Definition, parseTimestamp } from "@signalbox/experience";
import { HttpProblem } from "@signalbox/http";
import type { FastifyInstance } from "fastify";
import { trackerProblem } from "../errors.js";
import type { ExperienceFigures, ReportWindow, SeriesPoint } from "../reports.js";
import { budgetsOf, ratiosOf } from "../sli.js";
import { type RouteDependencies, tenantOfRequest } from "./dependencies.js";
import { answeringForStore } from "./store-answer.js";

const days = { "7d": 7, "28d": 28 } as const;

const windowParameters = {
  window: {
    enum: Object.keys(days),
    default: "28d",
    description: "Time to look at, until now; unless `from` says otherwise.",
    examples: ["28d"],
  },
  from: { type: "string", description: "Beginning of the time to look at.", examples: ["2026-02-01T00:00:00Z"] },
  to: { type: "string", description: "End of it. Default: now.", examples: ["2026-03-01T00:00:00Z"] },
} as const;

interface WindowQuery {
  readonly window: keyof typeof days;
  readonly from?: string;
  readonly to?: string;
}

const experienceParameter = {
  type: "string",
  description: "Id of the experience.",
  examples: ["create_merge_request"],
} as const;

const pointsParameter = {
  type: "integer",
  minimum: 1,
  maximum: 200,
  default: 48,
  description: "Into how many parts the time is divided.",
  examples: [48],
} as const;

const nullable = (type: string, description: string) => ({ type: [type, "null"], description }) as const;

const figureProperties = {
  operations: { type: "integer", description: "Runs that ended or timed out." },
  errors: { type: "integer", description: "Of these: failed or timed out." },
  timeouts: { type: "integer" },
  apdex_weight: { type: "integer", description: "Runs that count for apdex." },
  apdex_success: { type: "integer", description: "Of these: satisfied." },
  apdex_ratio: nullable("number", "Null without traffic."),
  error_ratio: nullable("number", "Null without traffic."),
  p50_s: nullable("number", "Seconds; null when no run has ended."),
  p95_s: nullable("number", "Seconds."),
  p99_s: nullable("number", "Seconds."),
} as const;

const figureExample = {
  operations: 1000,
  errors: 10,
  timeouts: 4,
  apdex_weight: 990,
  apdex_success: 980,
  apdex_ratio: 0.9899,
  error_ratio: 0.01,
  p50_s: 0.4,
  p95_s: 1.9,
  p99_s: 3.2,
} as const;

const rowExample = {
  covered_experience_id: "create_merge_request",
  feature_category: "code_review_workflow",
  urgency: "sync_fast",
  threshold_s: 2,
  timeout_s: 30,
  slo: { apdex_pct: 99.95, error_pct: 0.05 },
  ...figureExample,
  late_success: 1,
  discards: 3,
  availability: 0.98995,
  error_budget_remaining: -19,
  apdex_budget_remaining: -19.2,
  timeouts_in_gap: 0,
  gap_s: 0,
  complete: true,
  open: 12,
} as const;

const properties = {
  covered_experience_id: { type: "string" },
  feature_category: { type: "string" },
  urgency: { type: "string" },
  threshold_s: { type: "number" },
  timeout_s: { type: "number" },
  slo: {
    type: "object",
    required: ["apdex_pct", "error_pct"],
    properties: { apdex_pct: { type: "number" }, error_pct: { type: "number" } },
  },
  ...figureProperties,
  late_success: { type: "integer", description: "Timeouts whose end came later as a success." },
  discards: { type: "integer" },
  availability: nullable("number", "Apdex and errors together; null without traffic."),
  error_budget_remaining: nullable("number", "1: untouched, 0: used up, negative: overspent."),
  apdex_budget_remaining: nullable("number", "1: untouched, 0: used up, negative: overspent."),
  timeouts_in_gap: { type: "integer", description: "Timeouts while checkpoints could not arrive." },
  gap_s: { type: "number", description: "How long checkpoints could not arrive, in seconds." },
  complete: { type: "boolean", description: "Whether there was no such time." },
  open: { type: "integer", description: "Runs under way now, at most 1,000 are counted." },
} as const;

const pointProperties = { at: { type: "string", format: "date-time" }, ...figureProperties } as const;
const pointExample = { at: "2026-02-06T14:30:00.000Z", ...figureExample } as const;

/** Most open runs that are counted for a row. */
const maxOpen = 1_000;

export function registerReportRoutes(app: FastifyInstance, dependencies: RouteDependencies): void {
  const { definitions, reports, store, clock } = dependencies;
  const config = {
    access: { scope: "experience:read" },
    errors: ["invalid_parameter", "state_store_unavailable", "unavailable"],
  } as const;
  const knownExperience = (id: string): Definition => {
    const definition = definitions.registry.get(id);
    if (!definition) throw trackerProblem("definition_not_found");
    return definition;
  };

  app.get<{ Querystring: WindowQuery & { charge_gaps: boolean } }>("/reports/experiences", {
    config,
    schema: {
      summary: "Report on experiences",
      description: "One row for each definition, the smallest error budget first.",
      tags: ["experiences"],
      querystring: {
        type: "object",
        additionalProperties: false,
        properties: {
          ...windowParameters,
          charge_gaps: {
            type: "boolean",
            default: true,
            description: "False: what timed out or ended while checkpoints could not arrive is left out.",
            examples: [true],
          },
        },
      },
      response: {
        200: {
          description: "The rows.",
          type: "object",
          required: ["from", "to", "experiences"],
          properties: {
            from: { type: "string", format: "date-time" },
            to: { type: "string", format: "date-time" },
            experiences: {
              type: "array",
              items: { type: "object", required: Object.keys(properties), properties },
            },
          },
          examples: [{ from: "2026-02-01T00:00:00.000Z", to: "2026-03-01T00:00:00.000Z", experiences: [rowExample] }],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const tenant = tenantOfRequest(request, dependencies);
        const window = windowOf(request.query, clock.nowMs());
        const { definitions: all } = definitions.registry;
        const rows = await reports.experiences(tenant, window, all, { chargeGaps: request.query.charge_gaps });
        const gapS = await reports.gapSeconds(window);
        const open = await countOpen(tenant);
        const byId = new Map(all.map((definition) => [definition.id, definition]));
        return {
          ...windowBody(window),
          experiences: rows
            .flatMap((row) => {
              const definition = byId.get(row.experienceId);
              return definition ? [rowBody(row, definition, gapS, open.get(row.experienceId) ?? 0)] : [];
            })
            .sort(smallestBudgetFirst),
        };
      }),
  });

  const countOpen = async (tenant: string): Promise<ReadonlyMap<string, number>> => {
    const { runs } = await store.list({ tenant, states: ["open"] }, { limit: maxOpen });
    const counts = new Map<string, number>();
    for (const { identity } of runs) counts.set(identity.experienceId, (counts.get(identity.experienceId) ?? 0) + 1);
    return counts;
  };

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
          type: "object",
          required: ["from", "to", "step_s", "series"],
          properties: {
            from: { type: "string", format: "date-time" },
            to: { type: "string", format: "date-time" },
            step_s: { type: "number", description: "Length of a part in seconds." },
            series: {
              type: "array",
              items: {
                type: "object",
                required: ["covered_experience_id", "points"],
                properties: {
                  covered_experience_id: { type: "string" },
                  points: {
                    type: "array",
                    items: { type: "object", required: Object.keys(pointProperties), properties: pointProperties },
                  },
                },
              },
            },
          },
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

  app.get<{ Querystring: WindowQuery & { experience: string } }>("/reports/latency", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Show how long runs took",
      description:
        "How many ended runs took up to so long, and longer than the bar before. Timeouts are not among them.",
      tags: ["experiences"],
      querystring: {
        type: "object",
        additionalProperties: false,
        required: ["experience"],
        properties: { ...windowParameters, experience: experienceParameter },
      },
      response: {
        200: {
          description: "Bars that have runs, fastest first.",
          type: "object",
          required: ["from", "to", "threshold_s", "bars"],
          properties: {
            from: { type: "string", format: "date-time" },
            to: { type: "string", format: "date-time" },
            threshold_s: { type: "number" },
            bars: {
              type: "array",
              items: {
                type: "object",
                required: ["up_to_s", "count"],
                properties: { up_to_s: { type: "number" }, count: { type: "integer" } },
              },
            },
          },
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

  const stepExample = { step: "saved", runs: 990, share: 0.99, p50_s: 0.2, p95_s: 0.8, p99_s: 1.4, usual_next: "end" };
  app.get<{ Querystring: WindowQuery & { experience: string } }>("/reports/funnel", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Show how far runs come",
      description: "The steps in their usual order, and where runs that time out were seen last.",
      tags: ["experiences"],
      querystring: {
        type: "object",
        additionalProperties: false,
        required: ["experience"],
        properties: { ...windowParameters, experience: experienceParameter },
      },
      response: {
        200: {
          description: "The funnel.",
          type: "object",
          required: ["from", "to", "runs", "steps", "died_after"],
          properties: {
            from: { type: "string", format: "date-time" },
            to: { type: "string", format: "date-time" },
            runs: { type: "integer", description: "Runs that ended or timed out." },
            steps: {
              type: "array",
              items: {
                type: "object",
                required: Object.keys(stepExample),
                properties: {
                  step: { type: "string" },
                  runs: { type: "integer", description: "Runs that reached it." },
                  share: nullable("number", "Of all runs."),
                  p50_s: nullable("number", "From this step to the next, in seconds."),
                  p95_s: nullable("number", "Seconds."),
                  p99_s: nullable("number", "Seconds."),
                  usual_next: nullable("string", "What follows most often in runs that succeed."),
                },
              },
            },
            died_after: {
              type: "array",
              items: {
                type: "object",
                required: ["step", "count", "share", "usual_next"],
                properties: {
                  step: { type: "string" },
                  count: { type: "integer", description: "Runs that timed out and were seen last here." },
                  share: nullable("number", "Of all timeouts."),
                  usual_next: nullable("string", "What should have come."),
                },
              },
            },
          },
          examples: [
            {
              from: "2026-02-06T14:30:00.000Z",
              to: "2026-02-07T14:30:00.000Z",
              runs: 1000,
              steps: [stepExample],
              died_after: [{ step: "saved", count: 4, share: 1, usual_next: "end" }],
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const { id } = knownExperience(request.query.experience);
        const window = windowOf(request.query, clock.nowMs());
        const { runs, steps, diedAfter } = await reports.funnel(tenantOfRequest(request, dependencies), window, id);
        const died = diedAfter.reduce((sum, { count }) => sum + count, 0);
        const usualNext = new Map(steps.map(({ step, usualNext: next }) => [step, next]));
        return {
          ...windowBody(window),
          runs,
          steps: steps.map((step) => ({
            step: step.step,
            runs: step.runs,
            share: runs === 0 ? null : step.runs / runs,
            p50_s: step.gapP50S,
            p95_s: step.gapP95S,
            p99_s: step.gapP99S,
            usual_next: step.usualNext,
          })),
          died_after: diedAfter.map(({ step, count }) => ({
            step,
            count,
            share: died === 0 ? null : count / died,
            usual_next: usualNext.get(step) ?? null,
          })),
        };
      }),
  });
}

function windowOf({ window, from, to }: WindowQuery, nowMs: number): ReportWindow {
  const toMs = to === undefined ? nowMs : timeOf("to", to);
  const fromMs = from === undefined ? toMs - days[window] * 86_400_000 : timeOf("from", from);
  if (fromMs >= toMs) throw new HttpProblem("invalid_parameter", { detail: "`from` is not before `to`." });
  return { fromMs, toMs };
}

function timeOf(name: string, value: string): number {
  const timeMs = parseTimestamp(value);
  if (timeMs === undefined) throw new HttpProblem("invalid_parameter", { detail: `\`${name}\` is not a time.` });
  return timeMs;
}

function windowBody({ fromMs, toMs }: ReportWindow) {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}

type Row = ReturnType<typeof rowBody>;

function rowBody(row: ExperienceFigures, definition: Definition, gapS: number, open: number) {
  const { id, featureCategory, urgency, thresholdMs, timeoutMs, slo } = definition;
  const ratios = ratiosOf(row);
  const budgets = budgetsOf(ratios, slo);
  return {
    covered_experience_id: id,
    feature_category: featureCategory,
    urgency,
    threshold_s: thresholdMs / 1000,
    timeout_s: timeoutMs / 1000,
    slo: { apdex_pct: slo.apdexPct, error_pct: slo.errorPct },
    ...figureBody(row),
    late_success: row.lateSuccess,
    discards: row.discards,
    availability: ratios.availability,
    error_budget_remaining: budgets.error,
    apdex_budget_remaining: budgets.apdex,
    timeouts_in_gap: row.timeoutsInGap,
    gap_s: gapS,
    complete: gapS === 0,
    open,
  };
}

function pointBody(point: SeriesPoint) {
  return { at: new Date(point.atMs).toISOString(), ...figureBody(point) };
}

function figureBody(figures: ExperienceFigures | SeriesPoint) {
  const { apdexRatio, errorRatio } = ratiosOf(figures);
  return {
    operations: figures.operations,
    errors: figures.errors,
    timeouts: figures.timeouts,
    apdex_weight: figures.apdexWeight,
    apdex_success: figures.apdexSuccess,
    apdex_ratio: apdexRatio,
    error_ratio: errorRatio,
    p50_s: figures.p50S,
    p95_s: figures.p95S,
    p99_s: figures.p99S,
  };
}

/** What has no traffic has spent nothing and comes last. */
function smallestBudgetFirst(left: Row, right: Row): number {
  const budget = ({ error_budget_remaining: error, apdex_budget_remaining: apdex }: Row): number =>
    Math.min(error ?? Number.POSITIVE_INFINITY, apdex ?? Number.POSITIVE_INFINITY);
  const [a, b] = [budget(left), budget(right)];
  if (a !== b) return a < b ? -1 : 1;
  return left.covered_experience_id < right.covered_experience_id ? -1 : 1;
}
