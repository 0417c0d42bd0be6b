import { type Clock, type Logger, silentLogger, systemClock } from "@signalbox/kernel";
import { HttpProblem } from "./problems.js";

/** Knows which own tokens were revoked. */
export interface Revocations {
  /**
   * True at the latest `maxAgeMs` after the revocation was stored, on every instance.
   * @throws {HttpProblem} 503 `unavailable` when the list is older than that and cannot be read again: a token that may be
   * revoked is not let in.
   */
  isRevoked(tokenId: string): boolean | Promise<boolean>;
}

export interface RevocationsOptions {
  /** Reads the ids of all revoked tokens that have not expired. */
  readonly load: () => Promise<Iterable<string>>;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Beyond this age the list is read again beside the requests. */
  readonly refreshAfterMs?: number;
  /** Beyond this age requests wait for the list. */
  readonly maxAgeMs?: number;
}

/** Keeps the list in memory and reads it again when a request needs it; an idle server reads nothing. */
export function createRevocations(options: RevocationsOptions): Revocations {
  const { load, clock = systemClock, logger = silentLogger, refreshAfterMs = 2000, maxAgeMs = 5000 } = options;
  let revoked: ReadonlySet<string> = new Set();
  let readAtMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<void> | undefined;
  let failed = false;

  const readOnce = async (): Promise<void> => {
    // What is revoked while the list is read may be missing in it: its age counts from the start.
    const startedMs = clock.monotonicMs();
    try {
      revoked = new Set(await load());
      readAtMs = startedMs;
      failed = false;
    } catch (error) {
      if (!failed) logger.warn("the list of revoked tokens cannot be read", { error });
      failed = true;
    }
  };
  const readMerged = (): Promise<void> => {
    reading ??= readOnce().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  const ageMs = (): number => clock.monotonicMs() - readAtMs;

  const readUntilFresh = async (): Promise<void> => {
    await readMerged();
    // One that joined a reading that began long ago may find it too old the moment it arrives.
    if (ageMs() >= maxAgeMs) await readMerged();
    if (ageMs() >= maxAgeMs) throw unavailable();
  };

  return {
    isRevoked(tokenId) {
      const age = ageMs();
      if (age >= maxAgeMs) return readUntilFresh().then(() => revoked.has(tokenId));
      if (age >= refreshAfterMs) void readMerged();
      return revoked.has(tokenId);
    },
  };
}

function unavailable(): HttpProblem {
  return new HttpProblem("unavailable", {
    detail: "Tokens cannot be checked at the moment.",
    headers: { "retry-after": "5" },
  });
}
