import { type Clock, fullJitterMs, type Logger } from "@signalbox/kernel";
import { DigestError } from "./digest-errors.js";

/** Something that events are stored in, and that may be away for a while. */
interface Dependency {
  readonly name: string;
  ping(signal?: AbortSignal): Promise<void>;
}

export interface OutageGateOptions {
  readonly dependencies: readonly Dependency[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Holds the digest back while an engine is away, so that the queue waits instead of every event being tried, counted
 * and put back again and again.
 */
export interface OutageGate {
  /**
   * Resolves at once while all is well. After `close`, waits until every dependency answers.
   * @throws {DigestError} `ET_STORE_AWAY` when that takes longer than a batch may be held; the signal's reason.
   */
  pass(signal: AbortSignal): Promise<void>;
  /** Something was found to be away. */
  close(cause: unknown): void;
}

/** Shorter than the lease and the time limit of a delivery, so that a held batch is put back in good order. */
const longestHoldMs = 30_000;
const backoff = { baseMs: 1000, maxMs: 10_000 };

export function createOutageGate({ dependencies, clock, logger }: OutageGateOptions): OutageGate {
  let outage: { readonly sinceMs: number; cause: unknown } | undefined;
  let probing: Promise<boolean> | undefined;

  /** One look at everything for all who wait. */
  const probe = (): Promise<boolean> => {
    probing ??= Promise.all(dependencies.map((dependency) => dependency.ping()))
      .then(
        () => true,
        (error: unknown) => {
          if (outage) outage.cause = error;
          return false;
        },
      )
      .finally(() => {
        probing = undefined;
      });
    return probing;
  };

  const open = (): void => {
    if (outage === undefined) return;
    logger.info("events are stored again", { outage_s: (clock.monotonicMs() - outage.sinceMs) / 1000 });
    outage = undefined;
  };

  return {
    close(cause) {
      if (outage === undefined) logger.error("events cannot be stored and wait in the queue", { error: cause });
      outage ??= { sinceMs: clock.monotonicMs(), cause };
    },
    async pass(signal) {
      const deadlineMs = clock.monotonicMs() + longestHoldMs;
      for (let attempt = 1; outage !== undefined; attempt++) {
        if (await probe()) {
          open();
          return;
        }
        if (clock.monotonicMs() >= deadlineMs) throw new DigestError("ET_STORE_AWAY", { cause: outage?.cause });
        await clock.sleep(backoff.baseMs + fullJitterMs(attempt, backoff), { signal });
      }
    },
  };
}
