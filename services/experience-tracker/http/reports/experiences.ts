import type { FastifyReply } from "fastify";
import { journeysOf } from "../../reports/journeys.js";
import type { ReportWindow } from "../../reports/window.js";
import { tenantOfRequest } from "../dependencies.js";
import { answeringForStore } from "../store-answer.js";
import { columnsOf, toCsv } from "./csv.js";
import { producerExample, producerRows, producersSchema } from "./producers.js";
import type { ReportRoute } from "./routes.js";
import { categoryRow, experienceRow, journeyRow, type RowContext, smallestBudgetFirst } from "./rows.js";
import {
  chargeGapsParameter,
  experienceRowExample,
  experienceRowProperties,
  formatParameter,
  jsonOrCsv,
  listOf,
  nullable,
  object,
  rowExample,
  rowProperties,
} from "./schemas.js";
import { type WindowQuery, windowBody, windowExample, windowOf, windowParameters, windowProperties } from "./window.js";

interface ReportQuery extends WindowQuery {
  readonly charge_gaps: boolean;
  readonly format: "json" | "csv";
}

interface ExperiencesQuery extends ReportQuery {
  readonly by: "experience" | "producer";
}

const querystring = {
  type: "object",
  additionalProperties: false,
  properties: { ...windowParameters, charge_gaps: chargeGapsParameter, format: formatParameter },
} as const;

const byParameter = {
  enum: ["experience", "producer"],
  default: "experience",
  description: "What a row stands for; the other list is empty.",
  examples: ["experience"],
} as const;

/** Most open runs that are counted for a row. */
const maxOpen = 1_000;

const openProperty = { type: "integer", description: "Runs under way now, at most 1,000 are counted." } as const;
const exampleRow = { ...experienceRowExample, open: 12 } as const;

const journeyProperties = {
  journey: { type: "string", description: "Name in the configuration." },
  experiences: listOf({ id: { type: "string" }, weight: { type: "number" } }),
  ...rowProperties,
} as const;
const journeyExample = {
  journey: "contribute",
  experiences: [{ id: "create_merge_request", weight: 3 }],
  ...rowExample,
  p50_s: null,
  p95_s: null,
  p99_s: null,
} as const;

export function registerExperiences({ app, config, dependencies }: ReportRoute): void {
  const { definitions, reports, store, clock, journeys, activity, quarantine } = dependencies;

  const countOpen = async (tenant: string): Promise<ReadonlyMap<string, number>> => {
    const { runs } = await store.list({ tenant, states: ["open"] }, { limit: maxOpen });
    const counts = new Map<string, number>();
    for (const { identity } of runs) counts.set(identity.experienceId, (counts.get(identity.experienceId) ?? 0) + 1);
    return counts;
  };

  const readProducers = async (tenant: string, window: ReportWindow) =>
    producerRows(tenant, await reports.producers(tenant, window), await activity.lastHour(tenant), quarantine);

  app.get<{ Querystring: ExperiencesQuery }>("/reports/experiences", {
    config,
    schema: {
      summary: "Report on experiences",
      description:
        "One row for each definition, the smallest budget first, and one for each journey of the configuration: sums of its experiences, and the means of their ratios by weight. As CSV a journey's name is in the first column. By producer: what each has sent, the odd ones first.",
      tags: ["experiences"],
      querystring: { ...querystring, properties: { ...querystring.properties, by: byParameter } },
      response: {
        200: jsonOrCsv(
          "The rows.",
          object({
            ...windowProperties,
            experiences: listOf({ ...experienceRowProperties, open: openProperty }),
            journeys: listOf(journeyProperties),
            producers: producersSchema,
          }),
          { ...windowExample, experiences: [exampleRow], journeys: [journeyExample], producers: [] },
          toCsv(["journey", ...columnsOf(exampleRow)], [exampleRow]),
        ),
      },
    },
    handler: (request, reply) =>
      answeringForStore(async () => {
        const tenant = tenantOfRequest(request, dependencies);
        const window = windowOf(request.query, clock.nowMs());
        if (request.query.by === "producer") {
          const producers = await readProducers(tenant, window);
          if (request.query.format === "csv") return sendCsv(reply, columnsOf(producerExample), producers);
          return { ...windowBody(window), experiences: [], journeys: [], producers };
        }
        const figures = await reports.experiences(tenant, window, definitions.registry.definitions);
        const context = contextOf(request.query, await reports.gapSeconds(window));
        const open = await countOpen(tenant);
        const experiences = smallestBudgetFirst(
          figures.map((row) => ({
            ...experienceRow(row, row.definition, context),
            open: open.get(row.definition.id) ?? 0,
          })),
          (row) => row.covered_experience_id,
        );
        const journeyRows = smallestBudgetFirst(
          journeysOf(journeys, figures).map((journey) => journeyRow(journey, context)),
          (row) => row.journey,
        );
        if (request.query.format === "csv")
          return sendCsv(reply, ["journey", ...columnsOf(exampleRow)], [...experiences, ...journeyRows]);
        return { ...windowBody(window), experiences, journeys: journeyRows, producers: [] };
      }),
  });
}

const categoryProperties = {
  feature_category: { type: "string" },
  experiences: { type: "integer", description: "How many definitions name it." },
  ...rowProperties,
  spent_minutes: nullable("number", "The time, by as much as was missing from availability; null without traffic."),
  allowed_minutes: { type: "number", description: "The part of the time that 99.95 % leaves; 20.16 for 28 days." },
} as const;
const categoryExample = {
  feature_category: "code_review_workflow",
  experiences: 1,
  ...rowExample,
  spent_minutes: 405.216,
  allowed_minutes: 20.16,
} as const;

export function registerCategories({ app, config, dependencies }: ReportRoute): void {
  const { definitions, reports, clock } = dependencies;
  app.get<{ Querystring: ReportQuery }>("/reports/feature-categories", {
    config,
    schema: {
      summary: "Report on feature categories",
      description:
        "One row for each category that a definition names, the smallest budget first. Budgets are the means of those of its experiences, weighed by their runs.",
      tags: ["experiences"],
      querystring,
      response: {
        200: jsonOrCsv(
          "The rows.",
          object({ ...windowProperties, feature_categories: listOf(categoryProperties) }),
          { ...windowExample, feature_categories: [categoryExample] },
          toCsv(columnsOf(categoryExample), [categoryExample]),
        ),
      },
    },
    handler: (request, reply) =>
      answeringForStore(async () => {
        const tenant = tenantOfRequest(request, dependencies);
        const window = windowOf(request.query, clock.nowMs());
        const figures = await reports.categories(tenant, window, definitions.registry.definitions);
        const context = contextOf(request.query, await reports.gapSeconds(window));
        const rows = smallestBudgetFirst(
          figures.map((category) => categoryRow(category, context, window)),
          (row) => row.feature_category,
        );
        if (request.query.format === "csv") return sendCsv(reply, columnsOf(categoryExample), rows);
        return { ...windowBody(window), feature_categories: rows };
      }),
  });
}

function contextOf({ charge_gaps: chargeGaps }: ReportQuery, gapS: number): RowContext {
  return { chargeGaps, gapS };
}

function sendCsv(reply: FastifyReply, columns: readonly string[], rows: readonly object[]): FastifyReply {
  return reply.type("text/csv; charset=utf-8; header=present").send(toCsv(columns, rows));
}
