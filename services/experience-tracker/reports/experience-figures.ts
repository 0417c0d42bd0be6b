import type { Definition } from "@signalbox/experience";
import { canaryId } from "../list-runs.js";
import { addFigures, type Figures, noFigures } from "../sli.js";
import {
  type Durations,
  durationsOf,
  type FigureRow,
  figureColumns,
  figuresOf,
  inWindow,
  isOperation,
  type ReadReport,
  type ReportWindow,
  type Wide,
  windowParams,
} from "./window.js";

/** What became of runs, also while checkpoints could not arrive. */
export interface RunFigures extends Figures, Durations {
  /** Timeouts whose end came later as a success. */
  readonly lateSuccess: number;
  readonly discards: number;
  /** Verdicts that fell into a time in which checkpoints could not arrive; all of them are in the figures above. */
  readonly inGap: GapFigures;
}

export type GapFigures = Pick<Figures, "operations" | "errors" | "timeouts">;

export interface ExperienceFigures extends RunFigures {
  readonly definition: Definition;
}

export interface CategoryFigures extends RunFigures {
  readonly featureCategory: string;
  readonly experiences: readonly ExperienceFigures[];
}

const columns = `${figureColumns},
  countIf(state = 'timed_out' AND late_end_outcome = 'success') AS late_success,
  countIf(state = 'discarded') AS discards,
  countIf(${isOperation} AND in_measurement_gap) AS gap_operations,
  countIf(state IN ('failed', 'timed_out') AND in_measurement_gap) AS gap_errors,
  countIf(state = 'timed_out' AND in_measurement_gap) AS gap_timeouts`;

/** Of each definition, also of those without traffic; the tracker's own canary is left out. */
export async function readExperiences(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  definitions: readonly Definition[],
): Promise<readonly ExperienceFigures[]> {
  const rows = await read<ExperienceRow>(
    `SELECT covered_experience_id, ${columns} FROM experience_verdicts FINAL WHERE ${inWindow}
     GROUP BY covered_experience_id`,
    windowParams(tenant, window),
  );
  return experiencesOf(definitions, rows);
}

/**
 * Of each category that a definition names now, so that a category is the sum of its experiences even when one of them
 * was moved.
 */
export async function readCategories(
  read: ReadReport,
  tenant: string,
  window: ReportWindow,
  definitions: readonly Definition[],
): Promise<readonly CategoryFigures[]> {
  const reported = definitions.filter(isReported);
  const rows = await read<ExperienceRow & { readonly category: string }>(
    `SELECT covered_experience_id, category, ${columns}
     FROM (SELECT *, transform(covered_experience_id, {ids:Array(String)}, {categories:Array(String)}, '') AS category
       FROM experience_verdicts FINAL WHERE ${inWindow})
     GROUP BY GROUPING SETS ((covered_experience_id), (category))`,
    {
      ...windowParams(tenant, window),
      ids: reported.map(({ id }) => id),
      categories: reported.map(({ featureCategory }) => featureCategory),
    },
  );
  const experiences = experiencesOf(
    definitions,
    rows.filter(({ covered_experience_id: id }) => id !== ""),
  );
  const durations = new Map(rows.filter(({ category }) => category !== "").map((row) => [row.category, row]));
  return [...new Set(experiences.map(({ definition }) => definition.featureCategory))].map((featureCategory) => {
    const members = experiences.filter(({ definition }) => definition.featureCategory === featureCategory);
    return {
      featureCategory,
      experiences: members,
      ...sumOf(members),
      ...durationsOf(durations.get(featureCategory)),
    };
  });
}

/** What adds up of several experiences; percentiles do not. */
export function sumOf(members: readonly RunFigures[]): Omit<RunFigures, keyof Durations> {
  const sum = (of: (member: RunFigures) => number): number => members.reduce((total, next) => total + of(next), 0);
  return {
    ...addFigures(members),
    lateSuccess: sum(({ lateSuccess }) => lateSuccess),
    discards: sum(({ discards }) => discards),
    inGap: {
      operations: sum(({ inGap }) => inGap.operations),
      errors: sum(({ inGap }) => inGap.errors),
      timeouts: sum(({ inGap }) => inGap.timeouts),
    },
  };
}

/** The figures without verdicts that fell into a time in which checkpoints could not arrive. Apdex stays as it is. */
export function withoutGaps({ inGap, ...figures }: Figures & { readonly inGap: GapFigures }): Figures {
  return {
    operations: figures.operations - inGap.operations,
    errors: figures.errors - inGap.errors,
    timeouts: figures.timeouts - inGap.timeouts,
    apdexWeight: figures.apdexWeight,
    apdexSuccess: figures.apdexSuccess,
  };
}

function isReported({ id }: Definition): boolean {
  return id !== canaryId;
}

function experiencesOf(definitions: readonly Definition[], rows: readonly ExperienceRow[]): ExperienceFigures[] {
  const found = new Map(rows.map((row) => [row.covered_experience_id, row]));
  return definitions.filter(isReported).map((definition) => {
    const row = found.get(definition.id);
    return { definition, ...(row ? runFiguresOf(row) : noRuns) };
  });
}

const noRuns: RunFigures = {
  ...noFigures,
  ...durationsOf(undefined),
  lateSuccess: 0,
  discards: 0,
  inGap: { operations: 0, errors: 0, timeouts: 0 },
};

export interface RunFiguresRow extends FigureRow {
  readonly late_success: Wide;
  readonly discards: Wide;
  readonly gap_operations: Wide;
  readonly gap_errors: Wide;
  readonly gap_timeouts: Wide;
}

interface ExperienceRow extends RunFiguresRow {
  readonly covered_experience_id: string;
}

export function runFiguresOf(row: RunFiguresRow): RunFigures {
  return {
    ...figuresOf(row),
    ...durationsOf(row),
    lateSuccess: Number(row.late_success),
    discards: Number(row.discards),
    inGap: {
      operations: Number(row.gap_operations),
      errors: Number(row.gap_errors),
      timeouts: Number(row.gap_timeouts),
    },
  };
}
