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
   * Resolves at once while all is well. After `close`, waits until every dependency answers; from then on batches may try.
   * @throws {DigestError} `ET_STORE_AWAY` when that takes longer than a batch may be held; the signal's reason.
   */
  pass(signal: AbortSignal): Promise<void>;
  /** Something was found to be away. */
  close(cause: unknown): void;
  /** A batch was stored: whatever was away is back. */
  stored(): void;
}

/** Shorter than the lease and the time limit of a delivery, so that a held batch is put back in good order. */
const longestHoldMs = 30_000;
const backoff = { baseMs: 1000, maxMs: 10_000 };
const reminderMs = 60_000;

interface Outage {
  readonly sinceMs: number;
  saidAtMs: number;
  cause: unknown;
  /** Looks and tries that found it away. */
  failures: number;
  /** Everything answers. That is not enough to be sure: an engine on a full disk answers, too. */
  trying: boolean;
}

export function createOutageGate({ dependencies, clock, logger }: OutageGateOptions): OutageGate {
  let outage: Outage | undefined;
  let probing: Promise<void> | undefined;

  const fail = (cause: unknown): void => {
    const nowMs = clock.monotonicMs();
    outage ??= { sinceMs: nowMs, saidAtMs: Number.NEGATIVE_INFINITY, cause, failures: 0, trying: false };
    Object.assign(outage, { cause, failures: outage.failures + 1, trying: false });
    if (nowMs - outage.saidAtMs < reminderMs) return;
    outage.saidAtMs = nowMs;
    logger.error("events cannot be stored and wait in the queue", {
      error: cause,
      outage_s: (nowMs - outage.sinceMs) / 1000,
    });
  };

  /** One look at everything for all who wait. */
  const probe = (): Promise<void> => {
    probing ??= Promise.all(dependencies.map((dependency) => dependency.ping()))
      .then(() => {
        if (outage) outage.trying = true;
      }, fail)
      .finally(() => {
        probing = undefined;
      });
    return probing;
  };

  return {
    close: fail,
    stored() {
      // One that had begun before says nothing.
      if (!outage?.trying) return;
      logger.info("events are stored again", { outage_s: (clock.monotonicMs() - outage.sinceMs) / 1000 });
      outage = undefined;
    },
    async pass(signal) {
      const deadlineMs = clock.monotonicMs() + longestHoldMs;
      while (outage !== undefined && !outage.trying) {
        if (clock.monotonicMs() >= deadlineMs) throw new DigestError("ET_STORE_AWAY", { cause: outage.cause });
        // What is back the next moment is not waited for.
        if (outage.failures > 1)
          await clock.sleep(backoff.baseMs + fullJitterMs(outage.failures - 1, backoff), { signal });
        await probe();
      }
    },
  };
}
