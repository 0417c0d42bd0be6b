import type { IncomingMessage } from "node:http";
import type { Clock, Timer } from "@signalbox/kernel";
import { ProtocolError } from "@signalbox/sentry-protocol";
import { IngestError } from "./ingest-errors.js";

/** A request's body, still encoded. */
export type Body =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  /** More than `wholeBytes`; can be read once. Ending early leaves the rest of the request unread. */
  | { readonly kind: "stream"; readonly pieces: AsyncIterable<Uint8Array> };

export interface BodyLimits {
  /** Up to this size a body is collected before anything else happens. */
  readonly wholeBytes: number;
  readonly maxBytes: number;
  /** Longest time without a single byte. */
  readonly maxIdleMs: number;
  /** Bodies that are under way for longer than `maxIdleMs` must come at least this fast on average. */
  readonly minBytesPerSecond: number;
}

export interface BodyReader {
  /**
   * Resolves when the body is complete or has passed `wholeBytes`.
   * @throws {ProtocolError} `ET_BODY_TOO_LARGE`, if possible before anything is read
   * @throws {IngestError} `ET_BODY_INCOMPLETE` when the client goes away or is too slow; also out of `pieces`
   */
  read(request: IncomingMessage): Promise<Body>;
}

/** Bytes so far of one request, and how to end it from outside. */
interface Progress {
  readonly startedMs: number;
  lastByteMs: number;
  bytes: number;
  /** Set while the reader can pay attention to new bytes; waiting for our own side is not the client's fault. */
  cut: ((error: Error) => void) | undefined;
}

export function createBodyReader(limits: BodyLimits, clock: Clock): BodyReader {
  const watch = createWatch(limits, clock);

  const count = (progress: Progress, piece: Uint8Array): void => {
    progress.bytes += piece.length;
    progress.lastByteMs = clock.monotonicMs();
    if (progress.bytes > limits.maxBytes) throw tooLarge(limits);
  };

  async function* rest(request: IncomingMessage, head: readonly Buffer[], progress: Progress): AsyncGenerator<Buffer> {
    yield* head;
    const pieces = request.iterator({ destroyOnReturn: false });
    try {
      for (;;) {
        const next = await watch.during(progress, pieces.next());
        if (next.done) return;
        const piece: Buffer = next.value;
        count(progress, piece);
        yield piece;
      }
    } catch (cause) {
      throw cause instanceof ProtocolError || cause instanceof IngestError ? cause : incomplete("aborted", cause);
    } finally {
      watch.end(progress);
      await pieces.return?.();
    }
  }

  return {
    async read(request) {
      if (Number(request.headers["content-length"] ?? 0) > limits.maxBytes) throw tooLarge(limits);
      const progress = watch.begin();
      const collected: Buffer[] = [];
      let handedOver = false;
      try {
        const complete = await watch.during(
          progress,
          collect(request, (piece) => {
            count(progress, piece);
            collected.push(piece);
            return progress.bytes <= limits.wholeBytes;
          }),
        );
        if (complete) {
          const [only] = collected;
          return { kind: "whole", bytes: collected.length === 1 && only ? only : Buffer.concat(collected) };
        }
        handedOver = true;
        return { kind: "stream", pieces: rest(request, collected, progress) };
      } finally {
        if (!handedOver) watch.end(progress);
      }
    },
  };
}

/** Hands pieces to `take` until it says no (false) or the body ends (true). */
function collect(request: IncomingMessage, take: (piece: Buffer) => boolean): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (request.destroyed && !request.complete) {
      reject(incomplete("aborted"));
      return;
    }
    const finish = (settle: () => void): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onError);
      settle();
    };
    const onData = (piece: Buffer): void => {
      try {
        if (take(piece)) return;
        request.pause();
        finish(() => resolve(false));
      } catch (error) {
        request.pause();
        finish(() => reject(error));
      }
    };
    const onEnd = (): void => finish(() => resolve(true));
    const onClose = (): void => finish(() => reject(incomplete("aborted")));
    const onError = (error: Error): void => finish(() => reject(incomplete("aborted", error)));
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onError);
  });
}

/** Ends requests that are too slow. One timer for all: thousands of bodies a second would each set one otherwise. */
function createWatch(limits: BodyLimits, clock: Clock) {
  const open = new Set<Progress>();
  let timer: Timer | undefined;

  const isTooSlow = (progress: Progress, nowMs: number): boolean => {
    if (nowMs - progress.lastByteMs > limits.maxIdleMs) return true;
    const elapsedMs = nowMs - progress.startedMs;
    return elapsedMs > limits.maxIdleMs && progress.bytes < (elapsedMs / 1000) * limits.minBytesPerSecond;
  };
  const sweep = (): void => {
    const nowMs = clock.monotonicMs();
    for (const progress of open) if (isTooSlow(progress, nowMs)) progress.cut?.(incomplete("too_slow"));
    timer = open.size > 0 ? clock.setTimer(limits.maxIdleMs / 4, sweep) : undefined;
  };

  return {
    begin(): Progress {
      const nowMs = clock.monotonicMs();
      const progress: Progress = { startedMs: nowMs, lastByteMs: nowMs, bytes: 0, cut: undefined };
      open.add(progress);
      timer ??= clock.setTimer(limits.maxIdleMs / 4, sweep);
      return progress;
    },
    end(progress: Progress): void {
      open.delete(progress);
    },
    /** Settles as `waiting` does, or rejects when the client turns out to be too slow meanwhile. */
    during<T>(progress: Progress, waiting: Promise<T>): Promise<T> {
      progress.lastByteMs = clock.monotonicMs();
      return new Promise<T>((resolve, reject) => {
        progress.cut = reject;
        waiting.then(resolve, reject).finally(() => {
          progress.cut = undefined;
        });
      });
    },
  };
}

function incomplete(reason: "aborted" | "too_slow", cause?: unknown): IngestError {
  return new IngestError("ET_BODY_INCOMPLETE", { cause, details: { reason }, headers: { connection: "close" } });
}

function tooLarge({ maxBytes }: BodyLimits): ProtocolError {
  return new ProtocolError("ET_BODY_TOO_LARGE", { details: { maxBytes } });
}
