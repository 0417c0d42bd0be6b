import { fullJitterMs } from "@signalbox/kernel/portable";
import type { Breaker } from "./breaker.js";
import { type DropReport, type Drops, formatReport } from "./drops.js";
import { isRetryableStatus, judgeBatch } from "./judge-answer.js";
import type { Time } from "./platform.js";
import { retryAfterMs } from "./retry-after.js";
import type { TokenSource } from "./token-source.js";
import type { BatchAnswer, CheckpointTransport } from "./transport.js";
import { wait } from "./wait.js";
import type { WarnOnce } from "./warn-once.js";

export interface CourierLimits {
  readonly requestTimeoutMs: number;
  /** How long a batch is tried. */
  readonly maxElapsedMs: number;
  readonly maxAttempts: number;
}

export interface CourierOptions<Item> {
  readonly transport: CheckpointTransport;
  readonly token: TokenSource;
  readonly breaker: Breaker;
  readonly drops: Drops;
  readonly limits: CourierLimits;
  readonly clock: Time;
  readonly random: () => number;
  readonly warn: WarnOnce;
  /** Aborted when the client stops. */
  readonly stopping: AbortSignal;
  /** JSON text of a checkpoint as it is sent; absent when its experience turned out to be unknown. */
  readonly encode: (checkpoint: Item, sentAtMs: number) => string | undefined;
  /** Id of the checkpoint's experience, where it is at hand. */
  readonly experienceOf: (checkpoint: Item) => string | undefined;
  readonly onSent: (count: number) => void;
  readonly onRetried: (count: number) => void;
}

/** Takes one batch to the tracker, as often as it takes. */
export interface Courier<Item> {
  /**
   * Resolves when every checkpoint is sent or refused, or with why it gave up. The list then holds what is left, and is
   * empty otherwise. Never rejects.
   */
  deliver(checkpoints: Item[]): Promise<"expired" | "closed" | undefined>;
}

const backoff = { baseMs: 200, maxMs: 20_000 } as const;

/** A batch on its way, smaller with every answer. */
interface Parcel<Item> {
  readonly checkpoints: Item[];
  /** Monotonic. */
  startedAtMs: number;
  attempts: number;
  /** Whether the last answer was that the token is not valid: that time does not count. */
  unauthorised: boolean;
}

export function createCourier<Item>(options: CourierOptions<Item>): Courier<Item> {
  const { limits, clock, drops, breaker, stopping } = options;

  const giveUp = (checkpoints: Item[], reason: "rejected" | "too_large"): void => {
    for (const _ of checkpoints.splice(0)) drops.count(reason);
  };

  const isOver = ({ startedAtMs, attempts, unauthorised }: Parcel<Item>): boolean => {
    if (unauthorised) return false;
    return attempts >= limits.maxAttempts || clock.monotonicMs() - startedAtMs >= limits.maxElapsedMs;
  };

  const deliver = async (parcel: Parcel<Item>): Promise<"expired" | "closed" | undefined> => {
    while (parcel.checkpoints.length > 0) {
      await breaker.pass(stopping);
      if (stopping.aborted) return "closed";
      if (parcel.unauthorised)
        Object.assign(parcel, { startedAtMs: clock.monotonicMs(), attempts: 0, unauthorised: false });
      if (parcel.attempts > 0) options.onRetried(parcel.checkpoints.length);
      parcel.attempts++;
      const delayMs = await attempt(parcel);
      // Asked behind the attempt: a batch that only waited for the breaker has its chance.
      if (parcel.checkpoints.length > 0 && isOver(parcel)) return "expired";
      if (delayMs > 0) await wait(clock, delayMs, stopping);
    }
    return undefined;
  };

  /** Makes one request and takes out of the parcel what is settled. Resolves with the pause before the next one. */
  const attempt = async (parcel: Parcel<Item>): Promise<number> => {
    const encoded = encodeAll(parcel.checkpoints);
    if (encoded.length === 0) {
      breaker.succeeded();
      return 0;
    }
    const report = drops.takeReport();
    const answer = await request(encoded, report);
    const accepted = answer !== undefined && answer.status >= 200 && answer.status < 300;
    if (!accepted) drops.giveBack(report);
    if (answer?.status === 401) {
      breaker.open();
      // Nothing is lost because a key was changed.
      parcel.unauthorised = true;
      options.warn("unauthorised", "the experience tracker refuses the token; checkpoints wait");
      return 0;
    }
    if (answer === undefined || isRetryableStatus(answer.status)) {
      breaker.failed();
      return pauseAfter(answer, parcel.attempts);
    }
    breaker.succeeded();
    if (answer.status === 413) return splitOrGiveUp(parcel);
    if (!accepted) {
      options.warn(`status ${answer.status}`, "the experience tracker refuses checkpoints", { status: answer.status });
      giveUp(parcel.checkpoints, "rejected");
      return 0;
    }
    return settle(parcel, answer);
  };

  /** Removes checkpoints of experiences that nobody defined, which is known only now. */
  const encodeAll = (checkpoints: Item[]): string[] => {
    const encoded: string[] = [];
    const sentAtMs = clock.nowMs();
    for (const checkpoint of checkpoints.splice(0)) {
      const text = options.encode(checkpoint, sentAtMs);
      if (text === undefined) drops.count("rejected");
      else {
        encoded.push(text);
        checkpoints.push(checkpoint);
      }
    }
    return encoded;
  };

  const request = async (checkpoints: string[], report: DropReport | undefined): Promise<BatchAnswer | undefined> => {
    const first = await requestOnce(checkpoints, report, false);
    if (first?.status !== 401 || !options.token.canRefresh) return first;
    return requestOnce(checkpoints, report, true);
  };

  /** Absent when there was no answer in time, or no token to ask with. */
  const requestOnce = async (
    checkpoints: string[],
    report: DropReport | undefined,
    refresh: boolean,
  ): Promise<BatchAnswer | undefined> => {
    const over = new AbortController();
    const { signal } = over;
    const send = async (): Promise<BatchAnswer | undefined> => {
      const token = await options.token.get(refresh);
      if (signal.aborted) return undefined;
      return options.transport.send({ checkpoints, token, dropped: formatReport(report), signal });
    };
    try {
      const answer = await Promise.race([send(), wait(clock, limits.requestTimeoutMs, stopping, signal)]);
      return answer ?? undefined;
    } catch (error) {
      options.warn("unreachable", "the experience tracker cannot be reached; checkpoints wait", { error });
      return undefined;
    } finally {
      over.abort();
    }
  };

  const pauseAfter = (answer: BatchAnswer | undefined, attempts: number): number => {
    const jitterMs = fullJitterMs(attempts, backoff, options.random);
    if (answer?.status !== 429 && answer?.status !== 503) return jitterMs;
    const askedMs = retryAfterMs(answer.retryAfter, clock.nowMs());
    return askedMs === 0 ? jitterMs : Math.max(jitterMs, askedMs + options.random() * 1_000);
  };

  const splitOrGiveUp = async (parcel: Parcel<Item>): Promise<number> => {
    if (parcel.checkpoints.length === 1) {
      giveUp(parcel.checkpoints, "too_large");
      return 0;
    }
    // In order: what comes later waits for what came before.
    const later = parcel.checkpoints.splice(Math.ceil(parcel.checkpoints.length / 2));
    const half: Parcel<Item> = { ...parcel, attempts: 0 };
    const reason = await deliver(half);
    parcel.checkpoints.push(...later);
    parcel.attempts = reason === undefined ? 0 : parcel.attempts;
    return 0;
  };

  const settle = (parcel: Parcel<Item>, answer: BatchAnswer): number => {
    const { accepted, rejected, retryable, reasons } = judgeBatch(parcel.checkpoints, answer.body);
    options.onSent(accepted.length);
    for (const [reason, checkpoint] of reasons)
      options.warn(`rejected ${reason}`, "the experience tracker refused a checkpoint", {
        reason,
        covered_experience_id: options.experienceOf(checkpoint),
      });
    giveUp(rejected, "rejected");
    parcel.checkpoints.splice(0, parcel.checkpoints.length, ...retryable);
    return retryable.length === 0 ? 0 : pauseAfter(undefined, parcel.attempts);
  };

  return {
    async deliver(checkpoints) {
      try {
        return await deliver({ checkpoints, startedAtMs: clock.monotonicMs(), attempts: 0, unauthorised: false });
      } catch (error) {
        // Nothing above throws by itself; should it all the same, the application must not notice.
        giveUp(checkpoints, "rejected");
        options.warn("courier", "checkpoints could not be sent", { error });
        return undefined;
      }
    },
  };
}
