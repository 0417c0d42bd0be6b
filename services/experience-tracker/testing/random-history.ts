import type { Definition } from "@signalbox/experience";
import { definitionOf } from "@signalbox/experience/testing";
import fc from "fast-check";
import type { ExperienceFigures } from "../reports/experience-figures.js";
import type { Funnel, Step } from "../reports/funnel.js";
import type { Lateness } from "../reports/lateness.js";
import type { OtherTerms } from "../reports/what-if.js";
import type { ReportWindow } from "../reports/window.js";

// Random histories as rows, and what reports must say of them, counted in the plainest way there is.

type State = "succeeded" | "failed" | "timed_out" | "discarded" | "orphaned";
type Outcome = "success" | "error" | "discarded";

export interface PastRun {
  readonly experience: string;
  readonly state: State;
  readonly inactive: boolean;
  /** From start to end; `undefined` when nobody knows. Of a timeout: until its deadline. */
  readonly elapsedMs: number | undefined;
  readonly thresholdMs: number;
  readonly late: { readonly outcome: Outcome; readonly byMs: number } | undefined;
  /** After the beginning of the time looked at; may lie outside. */
  readonly verdictMs: number;
  readonly inGap: boolean;
  readonly counted: boolean;
  readonly steps: readonly PastStep[];
}

interface PastStep {
  readonly type: string;
  readonly kind: "start" | "intermediate" | "end";
  readonly category: string | undefined;
  /** After the step before. */
  readonly afterMs: number;
  readonly sequence: number | undefined;
  readonly applied: boolean;
}

export const reportedWindow: ReportWindow = { fromMs: Date.UTC(2026, 0, 25), toMs: Date.UTC(2026, 1, 3) };
const windowMs = reportedWindow.toMs - reportedWindow.fromMs;

export const definitionsOfReports: readonly Definition[] = [
  definitionOf("buy", { feature_category: "shop" }),
  definitionOf("browse", { feature_category: "shop" }),
  definitionOf("ask", { feature_category: "support" }),
];

const step: fc.Arbitrary<PastStep> = fc.record({
  type: fc.constantFrom("web", "sidekiq"),
  kind: fc.constantFrom("start" as const, "intermediate", "end"),
  category: fc.option(fc.constantFrom("cart", "pay", "other", "=1+1"), { nil: undefined }),
  afterMs: fc.constantFrom(0, 0, 1, 250, 4_000),
  sequence: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
  applied: fc.boolean(),
});

const elapsed = fc.oneof(fc.integer({ min: 0, max: 12_000 }), fc.constantFrom(400, 401, 1_000, 2_000, 10_000, 60_001));

export const randomHistory: fc.Arbitrary<PastRun> = fc.record({
  experience: fc.constantFrom("buy", "buy", "browse", "signalbox_canary", "gone"),
  state: fc.constantFrom(
    "succeeded" as const,
    "succeeded",
    "failed",
    "timed_out",
    "timed_out",
    "discarded",
    "orphaned",
  ),
  inactive: fc.boolean(),
  elapsedMs: fc.option(elapsed, { nil: undefined, freq: 6 }),
  thresholdMs: fc.constantFrom(400, 1_000, 2_000),
  late: fc.option(
    fc.record({
      outcome: fc.constantFrom("success" as const, "error", "discarded"),
      byMs: fc.oneof(
        fc.constantFrom(0, 1, 1_000, 1_001, 15_000, 21_600_000, 21_600_001),
        fc.integer({ min: 0, max: 90_000 }),
      ),
    }),
    { nil: undefined, freq: 3 },
  ),
  verdictMs: fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: windowMs - 1 }) },
    { weight: 2, arbitrary: fc.constantFrom(-1, 0, windowMs - 1, windowMs, -40 * 86_400_000) },
  ),
  inGap: fc.boolean(),
  counted: fc.constantFrom(true, true, true, true, true, true, false),
  steps: fc.array(step, { maxLength: 6 }),
});

const emptyRun: PastRun = {
  experience: "buy",
  state: "succeeded",
  inactive: false,
  elapsedMs: undefined,
  thresholdMs: 1_000,
  late: undefined,
  verdictMs: 0,
  inGap: false,
  counted: true,
  steps: [],
};

const timeoutOf = ({ elapsedMs }: PastRun): number => elapsedMs ?? 30_000;
const startOf = (run: PastRun): number => reportedWindow.fromMs + run.verdictMs - (run.elapsedMs ?? 0);
const text = (timeMs: number): string => new Date(timeMs).toISOString();
const correlationOf = (index: number): string => `01JP0EM7HB39WSJNR${String(index).padStart(9, "0")}`;

/** Each run twice, as a verdict and as what was known of it before: only the newest counts. */
export function verdictRows(tenant: string, history: readonly PastRun[]): object[] {
  return history.flatMap((run, index) => {
    const verdictMs = reportedWindow.fromMs + run.verdictMs;
    const late = run.state === "timed_out" ? run.late : undefined;
    const row = {
      tenant,
      correlation_id: correlationOf(index),
      covered_experience_id: run.experience,
      run: "1",
      feature_category: "as_it_was_then",
      urgency: "sync_fast",
      type: "web",
      state: run.state,
      reason: run.state === "timed_out" ? (run.inactive ? "inactivity" : "timeout") : "",
      error: run.state === "failed" || run.state === "timed_out",
      apdex_success: run.state === "succeeded" && run.elapsedMs !== undefined ? run.elapsedMs <= run.thresholdMs : null,
      started_at: run.elapsedMs === undefined ? null : text(startOf(run)),
      ended_at: null,
      verdict_at: text(verdictMs),
      decided_at: text(verdictMs),
      elapsed_s: run.elapsedMs === undefined ? null : run.elapsedMs / 1000,
      threshold_s: run.thresholdMs / 1000,
      timeout_s: timeoutOf(run) / 1000,
      last_category: "",
      last_type: "",
      checkpoint_count: run.steps.length,
      anomalies: [],
      late_end_at: late ? text(verdictMs + late.byMs) : null,
      late_end_outcome: late?.outcome ?? "",
      lateness_s: late ? late.byMs / 1000 : null,
      discard_reason: "",
      in_measurement_gap: run.inGap,
      definition_version: "",
      counted: run.counted,
      inserted_at: text(verdictMs + 2),
    };
    const before = {
      ...row,
      late_end_at: null,
      late_end_outcome: "",
      lateness_s: null,
      inserted_at: text(verdictMs + 1),
    };
    return [row, before];
  });
}

/** Runs of somebody else, all of them failures. */
export function foreignRows(tenant: string): object[] {
  return verdictRows(`${tenant}-other`, [{ ...emptyRun, state: "failed", elapsedMs: 5 }]);
}

/** Each checkpoint twice, as after a repetition. */
export function checkpointRows(tenant: string, history: readonly PastRun[]): object[] {
  return history.flatMap((run, index) =>
    timesOf(run).flatMap(({ step: { type, kind, category, sequence, applied }, atMs }, place) => {
      const row = {
        tenant,
        correlation_id: correlationOf(index),
        covered_experience_id: run.experience,
        run: "1",
        event_id: String(place),
        checkpoint: kind,
        checkpoint_category: category ?? "",
        type,
        feature_category: "shop",
        urgency: "sync_fast",
        client_timestamp: text(atMs),
        server_timestamp: text(atMs),
        occurred_at: text(atMs),
        sequence: sequence ?? null,
        applied,
        outcome: "",
        error_message: "",
        discard_reason: "",
        anomalies: [],
        meta: {},
        producer: "",
        definition_version: "",
        inserted_at: text(atMs),
      };
      return [row, row];
    }),
  );
}

function timesOf(run: PastRun): { readonly step: PastStep; readonly atMs: number }[] {
  let atMs = startOf(run);
  return run.steps.map((step) => {
    atMs += step.afterMs;
    return { step, atMs };
  });
}

type Counted = Omit<ExperienceFigures, "definition">;

const isIn = ({ verdictMs, counted }: PastRun): boolean => counted && verdictMs >= 0 && verdictMs < windowMs;
const isOperation = ({ state }: PastRun): boolean =>
  state === "succeeded" || state === "failed" || state === "timed_out";
const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

function rank(values: readonly number[], level: number): number | null {
  return ascending(values)[Math.floor(level * values.length)] ?? null;
}

function secondsAt(valuesMs: readonly number[]): Pick<Counted, "p50S" | "p95S" | "p99S"> {
  const values = valuesMs.map((value) => value / 1000);
  return { p50S: rank(values, 0.5), p95S: rank(values, 0.95), p99S: rank(values, 0.99) };
}

function figures(history: readonly PastRun[], experiences: readonly string[]): Counted {
  return whatIfOf(
    history.filter((run) => isIn(run) && experiences.includes(run.experience)),
    {},
  );
}

function whatIf(history: readonly PastRun[], experience: string, terms: OtherTerms): Counted {
  return whatIfOf(
    history.filter((run) => isIn(run) && run.experience === experience),
    terms,
  );
}

/** One run after the other, as a person would judge it. */
function whatIfOf(history: readonly PastRun[], { thresholdMs, timeoutMs }: OtherTerms): Counted {
  const counted = {
    operations: 0,
    errors: 0,
    timeouts: 0,
    apdexWeight: 0,
    apdexSuccess: 0,
    lateSuccess: 0,
    discards: 0,
  };
  const inGap = { operations: 0, errors: 0, timeouts: 0 };
  const durations: number[] = [];
  for (const run of history) {
    if (run.state === "orphaned") continue;
    const outcome: Outcome | undefined = {
      succeeded: "success",
      failed: "error",
      discarded: "discarded",
      timed_out: run.late?.outcome,
    }[run.state] as Outcome | undefined;
    const tookMs = tookOf(run);
    let died = run.state === "timed_out";
    if (timeoutMs !== undefined && tookMs !== undefined && !(died && run.inactive)) died = tookMs > timeoutMs;
    const isRun = died || outcome === "success" || outcome === "error";
    const isError = died || outcome === "error";
    if (isRun) counted.operations++;
    if (isError) counted.errors++;
    if (died) counted.timeouts++;
    if (died && outcome === "success") counted.lateSuccess++;
    if (!died && outcome === "discarded") counted.discards++;
    if (run.inGap && isRun) inGap.operations++;
    if (run.inGap && isError) inGap.errors++;
    if (run.inGap && died) inGap.timeouts++;
    if (died || tookMs === undefined || outcome === "discarded") continue;
    durations.push(tookMs);
    if (outcome !== "success") continue;
    counted.apdexWeight++;
    if (tookMs <= (thresholdMs ?? run.thresholdMs)) counted.apdexSuccess++;
  }
  return { ...counted, ...secondsAt(durations), inGap };
}

/** From start to end, in time or late. */
function tookOf(run: PastRun): number | undefined {
  if (run.elapsedMs === undefined || run.state === "orphaned") return undefined;
  if (run.state !== "timed_out") return run.elapsedMs;
  return run.late && run.elapsedMs + run.late.byMs;
}

function lateness(history: readonly PastRun[], experience: string): Lateness {
  const runs = history.filter((run) => isIn(run) && run.experience === experience);
  const timeouts = runs.filter(({ state }) => state === "timed_out");
  const late = timeouts.flatMap((run) => (run.late ? [run.late] : []));
  const countOf = (wanted: Outcome): number => late.filter(({ outcome }) => outcome === wanted).length;
  const values = late.map(({ byMs }) => byMs / 1000);
  const ends = [1, 5, 15, 60, 300, 1800, 3600, 21_600, null];
  const known = ascending(runs.flatMap((run) => tookOf(run) ?? []));
  const covered = known.filter((_, index) => index + 1 < Math.ceil(known.length * 0.99)).length;
  const enough = known[covered] ?? 0;
  const digits = Math.max(0, String(enough).length - 2);
  return {
    timeouts: timeouts.length,
    ended: { success: countOf("success"), error: countOf("error"), discarded: countOf("discarded") },
    p50S: rank(values, 0.5),
    p90S: rank(values, 0.9),
    p99S: rank(values, 0.99),
    bars: ends.map((upToS, index) => ({
      upToS,
      count: values.filter((value) => (upToS === null || value <= upToS) && value > (ends[index - 1] ?? -1)).length,
    })),
    known: known.length,
    suggestedTimeoutS:
      known.length < 100 ? null : (Math.max(1, Math.ceil(enough / 10 ** digits)) * 10 ** digits) / 1000,
  };
}

function funnel(history: readonly PastRun[], experience: string): Funnel {
  const runs = history.filter((run) => isIn(run) && run.experience === experience && isOperation(run));
  const kinds = ["start", "intermediate", "end"];
  const ways = runs.map((run) => ({
    state: run.state,
    way: timesOf(run)
      .filter(({ step: { applied } }) => applied)
      .sort(
        (a, b) =>
          a.atMs - b.atMs ||
          (a.step.sequence ?? 0) - (b.step.sequence ?? 0) ||
          kinds.indexOf(a.step.kind) - kinds.indexOf(b.step.kind) ||
          compare(nameOf(a.step), nameOf(b.step)),
      )
      .map(({ step, atMs }) => ({ name: nameOf(step), atMs })),
  }));
  const names = [...new Set(ways.flatMap(({ way }) => way.map(({ name }) => name)))];
  const placesOf = (name: string, wanted: (state: State) => boolean): number[] =>
    ways.flatMap(({ state, way }) => {
      const place = way.findIndex((step) => step.name === name);
      return place === -1 || !wanted(state) ? [] : [place + 1];
    });
  const usualNext = (name: string): Step | null => {
    const counts = new Map<string, number>();
    for (const { state, way } of ways)
      for (const [index, step] of way.entries()) {
        const following = way[index + 1];
        if (state !== "succeeded" || step.name !== name || !following) continue;
        counts.set(following.name, (counts.get(following.name) ?? 0) + 1);
      }
    const [best] = [...counts].sort(([a, left], [b, right]) => right - left || compare(a, b));
    return best ? stepOf(best[0]) : null;
  };
  const steps = names
    .map((name) => {
      const succeeded = placesOf(name, (state) => state === "succeeded");
      const any = placesOf(name, () => true);
      const gaps = ways.flatMap(({ way }) =>
        way.flatMap((step, index) => {
          const following = way[index + 1];
          return step.name === name && following ? [following.atMs - step.atMs] : [];
        }),
      );
      const { p50S, p95S, p99S } = secondsAt(gaps);
      const isRare = succeeded.length === 0;
      return {
        name,
        isRare,
        place: median(isRare ? any : succeeded),
        shown: {
          ...stepOf(name),
          runs: any.length,
          gapP50S: p50S,
          gapP95S: p95S,
          gapP99S: p99S,
          usualNext: usualNext(name),
        },
      };
    })
    .sort((a, b) => Number(a.isRare) - Number(b.isRare) || a.place - b.place || compare(a.name, b.name));
  const diedAfter = names
    .map((name) => ({
      ...stepOf(name),
      count: ways.filter(({ state, way }) => state === "timed_out" && way.at(-1)?.name === name).length,
      usualNext: usualNext(name),
    }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || compare(`${a.type} ${a.step}`, `${b.type} ${b.step}`));
  return { runs: runs.length, lookedAt: runs.length, steps: steps.map(({ shown }) => shown), diedAfter };
}

function nameOf({ type, category, kind }: PastStep): string {
  return `${type} ${category ?? kind}`;
}

function stepOf(name: string): Step {
  const [type = "", step = ""] = name.split(" ");
  return { type, step };
}

function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export const naive = { figures, whatIf, lateness, funnel, emptyRun };
