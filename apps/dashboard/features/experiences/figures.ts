import type { paths } from "../../api/schema.js";

type Answer<Path extends keyof paths> = paths[Path] extends {
  get: { responses: { 200: { content: { "application/json": infer Body } } } };
}
  ? Body
  : never;

export type ExperienceReport = Answer<"/api/v1/experience/reports/experiences">["experiences"][number];
export type JourneyReport = Answer<"/api/v1/experience/reports/experiences">["journeys"][number];
export type ProducerReport = Answer<"/api/v1/experience/reports/experiences">["producers"][number];
export type SeriesAnswer = Answer<"/api/v1/experience/reports/series">;
export type SeriesPoint = SeriesAnswer["series"][number]["points"][number];
export type BurnRatesAnswer = Answer<"/api/v1/experience/reports/burn-rates">;
export type LatencyAnswer = Answer<"/api/v1/experience/reports/latency">;
export type LatenessAnswer = Answer<"/api/v1/experience/reports/lateness">;
export type WhatIfAnswer = Answer<"/api/v1/experience/reports/what-if">;
export type FunnelAnswer = Answer<"/api/v1/experience/reports/funnel">;

/** One value for each part of the time, zero where there was no traffic. */
export function spread(
  answer: { readonly from: string; readonly to: string; readonly step_s: number },
  points: readonly SeriesPoint[],
  figureOf: (point: SeriesPoint) => number,
): readonly { readonly atMs: number; readonly count: number }[] {
  const fromMs = Date.parse(answer.from);
  const stepMs = answer.step_s * 1000;
  const parts = Math.max(1, Math.round((Date.parse(answer.to) - fromMs) / stepMs));
  const values = new Map(
    points.map((point) => [Math.round((Date.parse(point.at) - fromMs) / stepMs), figureOf(point)]),
  );
  return Array.from({ length: parts }, (_, part) => ({ atMs: fromMs + part * stepMs, count: values.get(part) ?? 0 }));
}

/** The worse of the two budgets; null without traffic. */
export function worstBudget({
  error_budget_remaining: error,
  apdex_budget_remaining: apdex,
}: ExperienceReport): number | null {
  if (error === null) return apdex;
  return apdex === null ? error : Math.min(error, apdex);
}
