import {
  type ExperienceStore,
  type ListCursor,
  type Run,
  type RunFilter,
  reservedIdPrefix,
} from "@signalbox/experience";
import type { Clock } from "@signalbox/kernel";
import type { History } from "./history.js";
import { type RunView, viewOfRun } from "./run-view.js";

export const activeStates = ["open", "orphan"] as const;
export const finalStates = ["succeeded", "failed", "timed_out", "discarded", "orphaned"] as const;

export interface ListRequest {
  readonly tenant: string;
  /** Among open, orphan and the final states. */
  readonly states: readonly Run["state"][];
  /** Only open runs that are older than their threshold. */
  readonly staleOnly: boolean;
  readonly experienceIds: readonly string[] | undefined;
  readonly featureCategories: readonly string[] | undefined;
  readonly urgencies: readonly string[] | undefined;
  readonly types: readonly string[] | undefined;
  readonly anomalies: readonly string[] | undefined;
  /** By start while a run is open, by verdict afterwards. */
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  readonly includeCanary: boolean;
  readonly limit: number;
  readonly after: RunsCursor | undefined;
}

/** Open runs come first, those with a verdict after them. */
export interface RunsCursor {
  readonly part: "active" | "final";
  readonly atMs: number;
  readonly key: string;
}

export interface RunsPage {
  readonly runs: readonly RunView[];
  readonly next: RunsCursor | undefined;
}

export interface ListDependencies {
  readonly store: ExperienceStore;
  readonly history: History;
  readonly clock: Clock;
}

/** Verdicts are in the history soon, but not at once; the latest ones are asked of the store. */
const recentMs = 900_000;
const maxRecent = 5_000;
export const canaryId = `${reservedIdPrefix}canary`;

export async function listRuns(request: ListRequest, dependencies: ListDependencies): Promise<RunsPage> {
  const active = request.states.filter((state) => state === "open" || state === "orphan");
  const final = request.states.filter((state) => state !== "open" && state !== "orphan");
  const inFinal = request.after?.part === "final";
  const runs: RunView[] = [];
  if (active.length > 0 && !inFinal) {
    const page = await listActive(request, active, dependencies);
    if (page.next) return { runs: page.runs, next: { part: "active", ...page.next } };
    runs.push(...page.runs);
  }
  if (final.length === 0) return { runs, next: undefined };
  const room = request.limit - runs.length;
  const first: RunsCursor = { part: "final", atMs: Number.MAX_SAFE_INTEGER, key: "" };
  if (room === 0) return { runs, next: first };
  const rest = await listFinal({ ...request, limit: room }, final, dependencies);
  return { runs: [...runs, ...rest.runs], next: rest.next };
}

async function listActive(
  request: ListRequest,
  states: readonly Run["state"][],
  { store, clock }: ListDependencies,
): Promise<{ readonly runs: readonly RunView[]; readonly next: ListCursor | undefined }> {
  const nowMs = clock.nowMs();
  const page = await store.list(
    { ...filterOf(request, states), matches: (run) => fits(request, run, nowMs) },
    { limit: request.limit, after: request.after },
  );
  return { runs: page.runs.map(viewOfRun), next: page.next };
}

function filterOf(request: ListRequest, states: readonly Run["state"][]): RunFilter {
  const { tenant, experienceIds } = request;
  return { tenant, states, ...(experienceIds ? { experienceIds } : {}) };
}

function fits(request: ListRequest, run: Run, nowMs: number): boolean {
  const view = viewOfRun(run);
  const among = (values: readonly string[] | undefined, value: string): boolean => values?.includes(value) ?? true;
  const atMs = view.verdict?.verdictAtMs ?? view.startedAtMs ?? run.bornAtMs;
  return (
    (request.includeCanary || view.experienceId !== canaryId) &&
    among(request.featureCategories, view.featureCategory) &&
    among(request.urgencies, view.urgency) &&
    among(request.types, view.type) &&
    (request.anomalies?.some((anomaly) => view.anomalies.includes(anomaly)) ?? true) &&
    atMs >= (request.sinceMs ?? Number.NEGATIVE_INFINITY) &&
    atMs < (request.untilMs ?? Number.POSITIVE_INFINITY) &&
    (!request.staleOnly || isStale(run, nowMs))
  );
}

function isStale({ start, terms }: Run, nowMs: number): boolean {
  return start !== undefined && nowMs - start.occurredAtMs > terms.thresholdMs;
}

async function listFinal(
  request: ListRequest,
  states: readonly Run["state"][],
  { store, history, clock }: ListDependencies,
): Promise<RunsPage> {
  const { tenant, limit, includeCanary } = request;
  const after = request.after?.part === "final" && request.after.key !== "" ? request.after : undefined;
  const nowMs = clock.nowMs();
  const [recent, written] = await Promise.all([
    recentVerdicts(request, states, nowMs, store),
    history.verdicts({
      tenant,
      states,
      ...(request.experienceIds ? { experienceIds: request.experienceIds } : {}),
      ...(request.featureCategories ? { featureCategories: request.featureCategories } : {}),
      ...(request.urgencies ? { urgencies: request.urgencies } : {}),
      ...(request.types ? { types: request.types } : {}),
      ...(request.anomalies ? { anomalies: request.anomalies } : {}),
      ...(includeCanary ? {} : { excludeExperienceIds: [canaryId] }),
      sinceMs: request.sinceMs,
      untilMs: request.untilMs,
      after,
      limit: limit + 1,
    }),
  ]);
  const merged = new Map<string, RunView>();
  // The store knows the latest of a run, the history whether it was measured in a gap.
  for (const run of written) merged.set(keyOf(run), run);
  for (const run of recent) {
    if (after && !isBehind(run, after)) continue;
    merged.set(keyOf(run), { ...run, inMeasurementGap: merged.get(keyOf(run))?.inMeasurementGap });
  }
  const sorted = [...merged.values()].sort(newestFirst);
  const runs = sorted.slice(0, limit);
  const last = runs.at(-1);
  const next =
    sorted.length > limit && last ? { part: "final" as const, atMs: verdictMs(last), key: keyOf(last) } : undefined;
  return { runs, next };
}

async function recentVerdicts(
  request: ListRequest,
  states: readonly Run["state"][],
  nowMs: number,
  store: ExperienceStore,
): Promise<RunView[]> {
  const filter = {
    ...filterOf(request, states),
    decidedAfterMs: nowMs - recentMs,
    matches: (run: Run) => fits({ ...request, staleOnly: false }, run, nowMs),
  };
  const runs: Run[] = [];
  let after: ListCursor | undefined;
  do {
    const page = await store.list(filter, { limit: 500, after });
    runs.push(...page.runs);
    after = page.next;
  } while (after && runs.length < maxRecent);
  return runs.map(viewOfRun);
}

function keyOf({ correlationId, experienceId, run }: RunView): string {
  return `${correlationId}|${experienceId}|${run}`;
}

function verdictMs({ verdict }: RunView): number {
  return verdict?.verdictAtMs ?? 0;
}

function newestFirst(a: RunView, b: RunView): number {
  return verdictMs(b) - verdictMs(a) || (keyOf(a) < keyOf(b) ? -1 : 1);
}

function isBehind(run: RunView, after: RunsCursor): boolean {
  const atMs = verdictMs(run);
  return atMs < after.atMs || (atMs === after.atMs && keyOf(run) > after.key);
}
