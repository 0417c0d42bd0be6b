import { readFileSync } from "node:fs";
import { createContext, Script } from "node:vm";
import { errorCode } from "@signalbox/kernel";
import { DigestError } from "./digest-errors.js";

/** Ends synchronous work that takes too long, whatever it is at: a loop, a pattern. */
export interface CpuGuard {
  /**
   * What `work` returns or throws. Work that is ended leaves off between any two of its steps, so it must not change
   * what others rely on.
   * @throws {DigestError} `ET_EVENT_TOO_SLOW`
   */
  run<T>(work: () => T): T;
}

export interface CpuGuardOptions {
  /** Processor time of the calling thread that one piece of work may take. Default: 2,000. */
  readonly limitMs?: number;
}

const eventCpuMs = 2000;
/** A machine that is this busy with other things would be slow with anything. */
const maxTries = 5;

/** Each call costs a tenth of a millisecond, for a thread that watches the time. */
export function createCpuGuard({ limitMs = eventCpuMs }: CpuGuardOptions = {}): CpuGuard {
  let watched: ReturnType<typeof createWatched> | undefined;

  return {
    run<T>(work: () => T): T {
      watched ??= createWatched();
      const { script, context } = watched;
      const ended: { readonly result: T }[] = [];
      context["work"] = () => {
        ended.push({ result: work() });
      };
      for (let tries = 1; ; tries++) {
        const before = threadCpuMs();
        try {
          script.runInContext(context, { timeout: limitMs });
        } catch (cause) {
          if (errorCode(cause) !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw cause;
          const after = threadCpuMs();
          // The clock of the wall ran on; whether the work did is another question.
          const isIdle = before !== undefined && after !== undefined && after - before < limitMs / 2;
          if (!isIdle || tries === maxTries) throw new DigestError("ET_EVENT_TOO_SLOW");
        }
        const [done] = ended;
        if (done !== undefined) return done.result;
      }
    },
  };
}

/** Only code that a script runs can be ended from outside. */
function createWatched() {
  return { script: new Script("work()"), context: createContext() };
}

const ticksPerSecond = 100;

/** Processor time of the calling thread; undefined where the system does not tell. */
function threadCpuMs(): number | undefined {
  try {
    const stat = readFileSync("/proc/thread-self/stat", "latin1");
    // The name of the program stands in brackets and may hold anything; user and system time are 12th and 13th after it.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? (ticks * 1000) / ticksPerSecond : undefined;
  } catch {
    return undefined;
  }
}
