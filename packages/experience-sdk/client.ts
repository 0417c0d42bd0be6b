import { type Activity, type CarriedExperience, newActivity } from "./activity.js";
import { type Carrier, type Extracted, extract, type IgnoredReason, injectHeaders } from "./carrier.js";
import type { Contexts } from "./contexts.js";
import type { DropCounts } from "./drops.js";
import { ExperienceSdkError } from "./errors.js";
import { AbsentExperience, type Experience, type ExperienceHost, StartedExperience } from "./experience.js";
import type { Extras } from "./extras.js";
import type { injectJob, jobCandidates } from "./job-carrier.js";
import type { KnownExperiences } from "./known-experiences.js";
import { isRunName } from "./names.js";
import type { Platform } from "./platform.js";
import type { Recorded, Recorder } from "./recorder.js";
import { createRunTable, type Run } from "./run.js";
import type { FlushResult } from "./sender.js";
import { settling } from "./settling.js";
import type { Signer } from "./signature.js";
import type { WarnOnce } from "./warn-once.js";

/**
 * Records journeys. Nothing here throws into the application, waits, or does I/O in the caller's turn, except where a
 * method says so: in development and test, mistakes of the programmer are thrown.
 */
export interface Client {
  /**
   * Records the start of a journey and makes it active in the current context. With `work` also runs it, ends the journey
   * with it in any case (error when it throws or rejects, unless it ended the journey itself), and returns its result.
   * @throws {ExperienceSdkError} in development and test only: `EXPERIENCE_UNKNOWN`, `EXPERIENCE_RESERVED_KEY`
   * @throws what `work` throws, the same object
   */
  start(id: string, extra?: Extras): Experience;
  start<T>(id: string, extra: Extras | undefined, work: (experience: Experience) => T): T;
  /** The active journey of this id in the current context, else one that was not started. */
  get(id: string): Experience;
  /** All active journeys of the current context. */
  current(): readonly Experience[];
  /** Records start and end of something that is over; it is never active. Times are dates or epoch milliseconds. */
  observed(id: string, what: Observation): void;
  /**
   * Goes on with a journey that another process started: records an intermediate `resume` and makes it active. Without a
   * carrier it is one that the context brought along (see `withContext`). Where there is none, nothing is recorded and
   * `work` runs all the same. `work` ends the journey as it does for `start`.
   */
  resume(id: string, carrier?: Carrier, extra?: Extras): Experience;
  resume<T>(
    id: string,
    carrier: Carrier | undefined,
    extra: Extras | undefined,
    work: (experience: Experience) => T,
  ): T;
  /** Like `resume` without a carrier, under another category than `resume`: for integrations. */
  resumeAs(category: string, id: string): Experience;
  /** Runs `work` in a context of its own: a request, a job. `carrier` is what it brought along: headers or job data. */
  withContext<T>(work: () => T, carrier?: Carrier): T;
  /** Puts the rest of the running work into a context of its own, for hooks that cannot wrap it. */
  enterContext(carrier?: Carrier): void;
  /**
   * Writes the active journeys and the correlation id into outgoing headers (`form` is `headers`) or into the data of a
   * job, and returns the carrier.
   * @param only these journeys instead, where many are under way at once
   */
  inject<C extends Carrier>(carrier: C, form?: "headers" | "job", only?: readonly Experience[]): C;
  /** Reads journeys from headers or job data. What cannot be believed is passed over. */
  extract(carrier: Carrier): Extracted;
  /** Sends what waits. Resolves when all is sent or the time is up; never rejects. */
  flush(timeoutMs?: number): Promise<FlushResult>;
  /** Flushes, then stops for good. What could not be sent is dropped or kept in `spoolDir`. A second call joins the first. */
  shutdown(timeoutMs?: number): Promise<FlushResult>;
  /** Shuts down at `SIGTERM`, `SIGINT` and before the process runs out of work. Never ends the process. */
  installExitHooks(): void;
  stats(): ClientStats;
}

export interface Observation {
  readonly startTime: Date | number;
  /** Default: now. */
  readonly endTime?: Date | number;
  /** Present: it ended with this error. */
  readonly error?: unknown;
  readonly extra?: Extras;
}

export interface ClientStats {
  /** Checkpoints that were recorded. */
  readonly queued: number;
  /** Checkpoints that the tracker took. */
  readonly sent: number;
  /** Checkpoints that were sent again, each time. */
  readonly retried: number;
  readonly dropped: DropCounts;
  /** Waiting or on their way. */
  readonly queueEvents: number;
  readonly queueBytes: number;
  readonly breakerOpen: boolean;
  /** Entries of carriers that were passed over. */
  readonly ignoredContexts: Readonly<Partial<Record<IgnoredReason, number>>>;
}

export interface ClientParts {
  readonly platform: Platform;
  readonly definitions: KnownExperiences;
  readonly recorder: Recorder;
  readonly signer: Signer;
  readonly warn: WarnOnce;
  readonly strict: boolean;
  readonly enabled: (id: string) => boolean;
  readonly runName: () => string;
  readonly contexts: Contexts;
  /** Whether runs go on in other processes. */
  readonly distributed: boolean;
  /** How journeys travel in the data of jobs; without it they are written as headers. */
  readonly jobs?: { readonly inject: typeof injectJob; readonly candidates: typeof jobCandidates };
  /** Where all work shares one context: the last handle of each id, ended or not. */
  readonly lastStarted?: Map<string, Experience>;
  readonly delivery: Pick<Client, "flush" | "shutdown" | "installExitHooks"> & {
    stats(): Omit<ClientStats, "ignoredContexts">;
  };
}

export function createClientOn(parts: ClientParts): Client {
  const { platform, contexts, definitions, recorder, signer, warn, strict } = parts;
  const runs = createRunTable();
  const ignoredContexts: Partial<Record<IgnoredReason, number>> = {};

  const host: ExperienceHost = {
    record(experience, checkpoint) {
      record(experience.runRecord, checkpoint);
      if (checkpoint.kind !== "end") return;
      const active = platform.activity()?.active;
      if (active?.get(experience.id) === experience) active.delete(experience.id);
    },
    errorMarked: ({ correlationId }, error) => platform.errorMarked?.(correlationId, error),
    misused(id, misuse) {
      warn(`misuse ${id} ${misuse}`, "an experience is used in a way that does nothing", {
        covered_experience_id: id,
        misuse,
      });
    },
  };

  const record = (run: Run, checkpoint: Recorded): void => {
    try {
      recorder.record(run, checkpoint);
    } catch (error) {
      if (strict && error instanceof ExperienceSdkError) throw error;
      warn("record", "a checkpoint could not be recorded", { error });
    }
  };

  /** @throws {ExperienceSdkError} `EXPERIENCE_UNKNOWN`, only when strict */
  const isKnown = (id: string): boolean => {
    if (definitions.find(id) !== undefined) return true;
    const name = String(id).slice(0, 64);
    if (strict)
      throw new ExperienceSdkError("EXPERIENCE_UNKNOWN", {
        message: `There is no definition of the experience \`${name}\`.`,
        details: { id: name },
      });
    warn(`unknown ${name}`, "there is no definition of this experience", { covered_experience_id: name });
    return false;
  };

  /** What a function of the options says. */
  const ask = <T>(option: string, byDefault: T, say: () => T): T => {
    try {
      return say();
    } catch (error) {
      warn(option, "a function of the options throws; its default is taken", { option, error });
      return byDefault;
    }
  };

  const runName = (): string => {
    const name = ask("run", "1", parts.runName);
    if (isRunName(name)) return name;
    warn("run name", "a run name is not valid and is left out");
    return "1";
  };

  const openRun = (entry: CarriedExperience, seenAtMs: number, ambientCorrelationId: string | undefined): Run => {
    const known = runs.find(entry.id, entry.correlationId, entry.run);
    if (known && !known.dropped) return known;
    const run = newRun(entry, seenAtMs, ambientCorrelationId);
    runs.remember(run);
    return run;
  };

  const newRun = (entry: CarriedExperience, seenAtMs: number, ambientCorrelationId: string | undefined): Run => {
    const definition = definitions.find(entry.id);
    return {
      experienceId: entry.id,
      correlationId: entry.correlationId,
      name: entry.run,
      startedAtMs: entry.startedAtMs,
      seenAtMs,
      seenMonotonicMs: platform.clock.monotonicMs(),
      ambientCorrelationId,
      known: definition === "pending" ? undefined : definition,
      nextSequence: 0,
      prefix: undefined,
      dropped: false,
      waitingEnd: undefined,
    };
  };

  const begin = (id: string, extra: Extras | undefined): Experience => {
    if (!isKnown(id) || !ask("enabled", true, () => parts.enabled(id))) return new AbsentExperience(id);
    const activity = platform.activity();
    const { correlationId, ambient, isNew } = contexts.correlate();
    const nowMs = platform.clock.nowMs();
    const entry = { id, correlationId, run: runName(), startedAtMs: nowMs };
    // Nobody can have met a new correlation id; the run is remembered once it can be met again.
    const run = isNew ? newRun(entry, nowMs, ambient) : openRun(entry, nowMs, ambient);
    record(run, { kind: "start", extra });
    return begun(new StartedExperience(run, host), activity);
  };

  const begun = (experience: StartedExperience, activity: Activity | undefined): StartedExperience => {
    // Taken out before: the map's order is that of the starts.
    activity?.active.delete(experience.id);
    activity?.active.set(experience.id, experience);
    parts.lastStarted?.set(experience.id, experience);
    return experience;
  };

  const findCarried = (id: string, carrier: Carrier | undefined): CarriedExperience | undefined =>
    carrier === undefined ? platform.activity()?.carried.get(id) : readCarrier(carrier).experiences.get(id);

  const goOn = (id: string, carrier: Carrier | undefined, extra: Extras | undefined, category: string): Experience => {
    if (!isKnown(id)) return new AbsentExperience(id);
    const activity = platform.activity();
    const active = carrier === undefined ? activity?.active.get(id) : undefined;
    if (active?.state === "active") return active.checkpoint(category, extra);
    const carried = parts.distributed ? findCarried(id, carrier) : undefined;
    if (!carried) return new AbsentExperience(id);
    const experience = new StartedExperience(openRun(carried, platform.clock.nowMs(), undefined), host);
    experience.checkpoint(category, extra);
    activity?.carried.delete(id);
    return begun(experience, activity);
  };

  /** Runs `work` and ends the journey with it; without `work` the journey is the caller's to end. */
  const runWithin = <T>(experience: Experience, work: ((experience: Experience) => T) | undefined): Experience | T => {
    if (!work) return experience;
    const { correlationId } = experience;
    if (correlationId === undefined || !(experience instanceof StartedExperience)) return work(experience);
    const activity = platform.activity() ?? newActivity();
    activity.active.set(experience.id, experience);
    runs.remember(experience.runRecord);
    const ambient = platform.ambient().correlationId ?? correlationId;
    const run = (): T => platform.runIn(activity, ambient, () => work(experience));
    return settling(run, (failure) => end(experience, failure));
  };

  const readCarrier = (carrier: Carrier | undefined): Extracted =>
    extract(carrier, {
      signer,
      nowMs: platform.clock.nowMs(),
      isKnown: (id) => definitions.find(id) !== undefined,
      otherCandidates: parts.jobs?.candidates,
      onIgnored: (reason) => {
        ignoredContexts[reason] = (ignoredContexts[reason] ?? 0) + 1;
      },
    });

  /** One that was ended from another context may still stand in the map. */
  const activeNow = (): StartedExperience[] =>
    [...(platform.activity()?.active.values() ?? [])].filter(({ state }) => state === "active");

  const toCarry = ({ runRecord }: StartedExperience): CarriedExperience => {
    // It may come back to this process.
    runs.remember(runRecord);
    const { experienceId: id, correlationId, name: run, startedAtMs } = runRecord;
    return { id, correlationId, run, startedAtMs };
  };

  /** The newest first. */
  const carriedNow = (only: readonly Experience[] | undefined): CarriedExperience[] => {
    if (!parts.distributed) return [];
    const chosen = only ? only.filter((experience) => experience instanceof StartedExperience) : activeNow();
    const active = chosen.map(toCarry).reverse();
    return only ? active : [...active, ...(platform.activity()?.carried.values() ?? [])];
  };

  function start(id: string, extra?: Extras): Experience;
  function start<T>(id: string, extra: Extras | undefined, work: (experience: Experience) => T): T;
  function start<T>(id: string, extra?: Extras, work?: (experience: Experience) => T): Experience | T {
    return runWithin(begin(id, extra), work);
  }

  function resume(id: string, carrier?: Carrier, extra?: Extras): Experience;
  function resume<T>(
    id: string,
    carrier: Carrier | undefined,
    extra: Extras | undefined,
    work: (experience: Experience) => T,
  ): T;
  function resume<T>(
    id: string,
    carrier?: Carrier,
    extra?: Extras,
    work?: (experience: Experience) => T,
  ): Experience | T {
    return runWithin(goOn(id, carrier, extra, "resume"), work);
  }

  return {
    start,
    resume,
    resumeAs: (category, id) => goOn(id, undefined, undefined, category),
    get(id) {
      const active = platform.activity()?.active.get(id);
      if (active?.state === "active") return active;
      const last = parts.lastStarted?.get(id);
      if (last) return last;
      return new AbsentExperience(id, isKnown(id) ? (misuse) => host.misused(id, misuse) : undefined);
    },
    current: activeNow,
    observed(id, { startTime, endTime, extra, ...rest }) {
      if (!isKnown(id)) return;
      const nowMs = platform.clock.nowMs();
      const startedAtMs = toMs(startTime, nowMs);
      const endedAtMs = Math.max(startedAtMs, toMs(endTime, nowMs));
      const { correlationId, ambient } = contexts.correlate();
      const run = openRun({ id, correlationId, run: runName(), startedAtMs }, nowMs, ambient);
      const failed = rest.error !== undefined;
      record(run, { kind: "start", atMs: startedAtMs, extra });
      record(run, { kind: "end", atMs: endedAtMs, outcome: failed ? "error" : "success", ...rest, extra });
    },
    withContext: (work, carrier) => contexts.run(readCarrier(carrier), work),
    enterContext: (carrier) => contexts.enter(readCarrier(carrier)),
    inject(carrier, form = "headers", only = undefined) {
      const write = form === "job" && parts.jobs ? parts.jobs.inject : injectHeaders;
      const entries = carriedNow(only);
      const ambient = platform.ambient().correlationId;
      const correlationId = only ? (entries[0]?.correlationId ?? ambient) : (ambient ?? entries[0]?.correlationId);
      try {
        write(carrier, entries, correlationId, signer);
      } catch (error) {
        warn("inject", "experiences could not be injected", { error });
      }
      return carrier;
    },
    extract: readCarrier,
    flush: parts.delivery.flush,
    shutdown: parts.delivery.shutdown,
    installExitHooks: parts.delivery.installExitHooks,
    stats: () => ({ ...parts.delivery.stats(), ignoredContexts: { ...ignoredContexts } }),
  };
}

/** Ends a journey that nobody ended meanwhile. */
function end(experience: Experience, failure: { readonly error: unknown } | undefined): void {
  if (experience.state !== "active") return;
  if (failure) experience.error(failure.error);
  experience.complete();
}

function toMs(time: Date | number | undefined, nowMs: number): number {
  const timeMs = time instanceof Date ? time.getTime() : time;
  return typeof timeMs === "number" && Number.isFinite(timeMs) ? Math.round(timeMs) : nowMs;
}
