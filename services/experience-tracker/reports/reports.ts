import type { Analytics } from "@signalbox/analytics";
import type { Definition } from "@signalbox/experience";
import type { Figures } from "../sli.js";
import { readUntilNow } from "./burn-figures.js";
import {
  type CategoryFigures,
  type ExperienceFigures,
  type RunFigures,
  readCategories,
  readExperiences,
} from "./experience-figures.js";
import { type Funnel, readFunnel } from "./funnel.js";
import { readGapSeconds } from "./gap-seconds.js";
import { type Lateness, readLateness } from "./lateness.js";
import { type ProducerFigures, readProducers } from "./producers.js";
import { type LatencyBar, readLatency, readSeries, type SeriesPoint } from "./series.js";
import { type OtherTerms, readWhatIf } from "./what-if.js";
import { type ReportWindow, reportReader } from "./window.js";

/** Sums over what became of the runs of a tenant. Reads history alone, so the newest verdicts may be missing for a moment. */
export interface Reports {
  /** Of each definition, also of those without traffic; the tracker's own canary is left out. */
  experiences(
    tenant: string,
    window: ReportWindow,
    definitions: readonly Definition[],
  ): Promise<readonly ExperienceFigures[]>;
  /** Of each category that a definition names now. */
  categories(
    tenant: string,
    window: ReportWindow,
    definitions: readonly Definition[],
  ): Promise<readonly CategoryFigures[]>;
  /** What each producer has sent, those who sent most first. */
  producers(tenant: string, window: ReportWindow): Promise<readonly ProducerFigures[]>;
  /** `points` parts of equal length for each experience that had traffic, or for one; parts without traffic are absent. */
  series(tenant: string, window: ReportWindow, points: number, experienceId?: string): Promise<readonly SeriesPoint[]>;
  latency(tenant: string, window: ReportWindow, experienceId: string): Promise<readonly LatencyBar[]>;
  /** How far runs come, and where those that time out were seen last. */
  funnel(tenant: string, window: ReportWindow, definition: Definition): Promise<Funnel>;
  /** What came of timeouts, and which timeout would have been enough. */
  lateness(tenant: string, window: ReportWindow, experienceId: string): Promise<Lateness>;
  /** The figures of the same runs, judged by other terms. */
  whatIf(tenant: string, window: ReportWindow, experienceId: string, terms: OtherTerms): Promise<RunFigures>;
  /** What happened within each of these seconds until now, by them; those without traffic are absent. */
  untilNow(
    tenant: string,
    nowMs: number,
    seconds: readonly number[],
    experienceId: string,
  ): Promise<ReadonlyMap<number, Figures>>;
  /** How long no checkpoint could arrive, in seconds. */
  gapSeconds(window: ReportWindow): Promise<number>;
}

export function createReports(analytics: Analytics): Reports {
  const read = reportReader(analytics);
  return {
    experiences: (tenant, window, definitions) => readExperiences(read, tenant, window, definitions),
    categories: (tenant, window, definitions) => readCategories(read, tenant, window, definitions),
    producers: (tenant, window) => readProducers(read, tenant, window),
    series: (tenant, window, points, experienceId) => readSeries(read, tenant, window, points, experienceId),
    latency: (tenant, window, experienceId) => readLatency(read, tenant, window, experienceId),
    funnel: (tenant, window, { id, checkpointCategories }) =>
      readFunnel(read, tenant, window, { id, categories: checkpointCategories }),
    lateness: (tenant, window, experienceId) => readLateness(read, tenant, window, experienceId),
    whatIf: (tenant, window, experienceId, terms) => readWhatIf(read, tenant, window, experienceId, terms),
    untilNow: (tenant, nowMs, seconds, experienceId) => readUntilNow(read, tenant, nowMs, seconds, experienceId),
    gapSeconds: (window) => readGapSeconds(read, window),
  };
}
