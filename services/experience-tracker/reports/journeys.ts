import { type Budgets, budgetsOf, type Figures, type Ratios, ratiosOf, weightedMean } from "../sli.js";
import { type ExperienceFigures, type RunFigures, sumOf } from "./experience-figures.js";

/** Experiences that are one way of a user through the product, and how much each of them matters. */
export type JourneySettings = Readonly<Record<string, readonly { readonly id: string; readonly weight: number }[]>>;

export interface Journey {
  readonly name: string;
  /** Those that have a definition. */
  readonly members: readonly { readonly figures: ExperienceFigures; readonly weight: number }[];
  /** Volumes of all members. Durations of different things are no durations of the journey. */
  readonly sum: RunFigures;
}

export function journeysOf(settings: JourneySettings, experiences: readonly ExperienceFigures[]): readonly Journey[] {
  const byId = new Map(experiences.map((figures) => [figures.definition.id, figures]));
  return Object.entries(settings).map(([name, parts]) => {
    const members = parts.flatMap(({ id, weight }) => {
      const figures = byId.get(id);
      return figures ? [{ figures, weight }] : [];
    });
    const sum = sumOf(members.map(({ figures }) => figures));
    return { name, members, sum: { ...sum, p50S: null, p95S: null, p99S: null } };
  });
}

/** Means of the members' ratios by their weights, of those that had traffic. */
export function journeyRatios(
  { members }: Journey,
  sideOf: (figures: RunFigures) => Figures,
): { readonly ratios: Ratios; readonly budgets: Budgets } {
  const judged = members.map(({ figures, weight }) => {
    const side = sideOf(figures);
    return { weight, ratios: ratiosOf(side), budgets: budgetsOf(side, figures.definition.slo) };
  });
  type Judged = (typeof judged)[number];
  const mean = (of: (member: Judged) => number | null): number | null =>
    weightedMean(judged.map((member) => ({ weight: member.weight, value: of(member) })));
  return {
    ratios: {
      apdexRatio: mean(({ ratios }) => ratios.apdexRatio),
      errorRatio: mean(({ ratios }) => ratios.errorRatio),
      availability: mean(({ ratios }) => ratios.availability),
    },
    budgets: { error: mean(({ budgets }) => budgets.error), apdex: mean(({ budgets }) => budgets.apdex) },
  };
}
