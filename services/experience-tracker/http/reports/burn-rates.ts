import { trackerProblem } from "../../errors.js";
import { canaryId } from "../../list-runs.js";
import { type BurnWindow, burnStates } from "../../rules/burn-state.js";
import { directWindows, meanWindows } from "../../rules/windows.js";
import { noFigures } from "../../sli.js";
import { tenantOfRequest } from "../dependencies.js";
import { answeringForStore } from "../store-answer.js";
import type { ReportRoute } from "./routes.js";
import { experienceParameter, listOf, nullable, object } from "./schemas.js";

const windowProperties = {
  window: { type: "string", description: "How much of the time until now." },
  runs: { type: "integer", description: "Runs that count." },
  bad: { type: "integer", description: "Of these: failed, or not satisfied." },
  burn_rate: nullable("number", "How many times as fast as it may be spent; null without traffic."),
} as const;
const severity = { enum: ["page", "ticket"] } as const;

const windowsS = [...directWindows, ...meanWindows].map(({ seconds }) => seconds);

export function registerBurnRates({ app, config, dependencies, knownExperience }: ReportRoute): void {
  const { reports, clock } = dependencies;
  app.get<{ Querystring: { experience: string } }>("/reports/burn-rates", {
    config: { ...config, errors: [...config.errors, "definition_not_found"] },
    schema: {
      summary: "Show how fast budgets are spent",
      description:
        "Judged over the windows and factors of the generated alerts. An alert is raised when a pair of windows burns for as long as it says.",
      tags: ["experiences"],
      querystring: {
        type: "object",
        additionalProperties: false,
        required: ["experience"],
        properties: { experience: experienceParameter },
      },
      response: {
        200: {
          description: "Both budgets.",
          ...object({
            at: { type: "string", format: "date-time" },
            alerts_enabled: { type: "boolean", description: "False: the definition switches its alerts off." },
            min_events: { type: "integer", description: "Runs in the long window, without which nothing burns." },
            min_failures: { type: "integer", description: "Bad ones of them, without which nothing burns." },
            budgets: listOf({
              budget: { enum: ["error", "apdex"] },
              allowed: { type: "number", description: "The share of runs that may be bad." },
              burning: { enum: ["page", "ticket", null], description: "The gravest pair that burns; null: none does." },
              pairs: listOf({
                severity,
                for: { type: "string", description: "How long it has to burn." },
                factor: { type: "number", description: "It burns when both windows burn faster than this." },
                burning: { type: "boolean" },
                long: object(windowProperties),
                short: object(windowProperties),
              }),
            }),
          }),
          examples: [
            {
              at: "2026-02-07T14:30:00.000Z",
              alerts_enabled: true,
              min_events: 10,
              min_failures: 3,
              budgets: [
                {
                  budget: "error",
                  allowed: 0.01,
                  burning: null,
                  pairs: [
                    {
                      severity: "page",
                      for: "2m",
                      factor: 13.44,
                      burning: false,
                      long: { window: "1h", runs: 1000, bad: 20, burn_rate: 2 },
                      short: { window: "5m", runs: 80, bad: 0, burn_rate: 0 },
                    },
                  ],
                },
              ],
            },
          ],
        },
      },
    },
    handler: (request) =>
      answeringForStore(async () => {
        const definition = knownExperience(request.query.experience);
        // No rules are made of the tracker's own canary.
        if (definition.id === canaryId) throw trackerProblem("definition_not_found");
        const tenant = tenantOfRequest(request, dependencies);
        const nowMs = clock.nowMs();
        const figures = await reports.untilNow(tenant, nowMs, windowsS, definition.id);
        const states = burnStates(definition, ({ seconds }) => figures.get(seconds) ?? noFigures);
        const { enabled, minEvents, minFailures } = definition.alerts;
        return {
          at: new Date(nowMs).toISOString(),
          alerts_enabled: enabled,
          min_events: minEvents,
          min_failures: minFailures,
          budgets: states.map(({ pairs, ...state }) => ({
            ...state,
            pairs: pairs.map(({ isBurning, long, short, ...pair }) => ({
              ...pair,
              burning: isBurning,
              long: windowBody(long),
              short: windowBody(short),
            })),
          })),
        };
      }),
  });
}

function windowBody({ name, events, bad, burnRate }: BurnWindow) {
  return { window: name, runs: events, bad, burn_rate: burnRate };
}
