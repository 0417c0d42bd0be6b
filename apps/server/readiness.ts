import { type Clock, errorCode, type Logger } from "@signalbox/kernel";

/** Something that a running role cannot work without. */
export interface Dependency {
  /** `database`, `analytics`, … */
  readonly name: string;
  /** Resolves when it answers. */
  check(signal: AbortSignal): Promise<void>;
}

export interface DependencyState {
  readonly name: string;
  readonly ok: boolean;
  /** Code of the failure; messages may name what is not for the public. */
  readonly failure?: string;
  readonly duration_s: number;
}

export interface ReadinessState {
  readonly ready: boolean;
  readonly dependencies: readonly DependencyState[];
}

export interface Readiness {
  /** Asks all dependencies at once. Calls within a second share an answer, so that probes cost nothing. */
  state(): Promise<ReadinessState>;
  /** Not ready from now on, whatever the dependencies say: the server is stopping. */
  end(): void;
}

const checkTimeoutMs = 3_000;
const freshForMs = 1_000;

export function createReadiness(dependencies: readonly Dependency[], clock: Clock, logger: Logger): Readiness {
  let ended = false;
  let asked: { readonly atMs: number; readonly answer: Promise<ReadinessState> } | undefined;
  const lastOk = new Map<string, boolean>();

  const check = async ({ name, check }: Dependency): Promise<DependencyState> => {
    const startedMs = clock.monotonicMs();
    const seconds = (): number => Math.round(clock.monotonicMs() - startedMs) / 1000;
    try {
      await withinLimit(check, clock);
      noteChange(name, true);
      return { name, ok: true, duration_s: seconds() };
    } catch (error) {
      noteChange(name, false, error);
      return { name, ok: false, failure: errorCode(error) ?? "failed", duration_s: seconds() };
    }
  };

  const noteChange = (name: string, ok: boolean, error?: unknown): void => {
    if ((lastOk.get(name) ?? true) !== ok) {
      if (ok) logger.info("dependency answers again", { dependency: name });
      else logger.warn("dependency does not answer", { dependency: name, error });
    }
    lastOk.set(name, ok);
  };

  const checkAll = async (): Promise<ReadinessState> => {
    const states = await Promise.all(dependencies.map(check));
    return { ready: states.every(({ ok }) => ok), dependencies: states };
  };

  return {
    async state() {
      const nowMs = clock.monotonicMs();
      if (!asked || nowMs - asked.atMs >= freshForMs) asked = { atMs: nowMs, answer: checkAll() };
      const state = await asked.answer;
      return ended ? { ...state, ready: false } : state;
    },
    end() {
      ended = true;
    },
  };
}

/** A dependency that ignores its signal is not waited for either. */
async function withinLimit(check: Dependency["check"], clock: Clock): Promise<void> {
  const timeout = new AbortController();
  const timer = clock.setTimer(checkTimeoutMs, () => timeout.abort(new NoAnswer()));
  try {
    await Promise.race([
      check(timeout.signal),
      new Promise((_, reject) => timeout.signal.addEventListener("abort", () => reject(timeout.signal.reason))),
    ]);
  } finally {
    timer.cancel();
  }
}

class NoAnswer extends Error {
  readonly code = "NO_ANSWER";

  constructor() {
    super(`There was no answer within ${checkTimeoutMs} ms`);
  }
}
