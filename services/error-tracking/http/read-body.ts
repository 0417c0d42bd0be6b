import type { IncomingMessage } from "node:http";
import type { Clock } from "@signalbox/kernel";
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
   * Resolves when the body is complete or has passed `wholeBytes`. What arrives is added to `account` as it comes.
   * @throws {ProtocolError} `ET_BODY_TOO_LARGE`, if possible before anything is read
   * @throws {IngestError} `ET_BODY_INCOMPLETE` when the client goes away or is too slow; also out of `pieces`
   */
  read(request: IncomingMessage, account: { sentBytes: number }): Promise<Body>;
}

/** What one request has sent so far, and in how much time; the time in which we were busy ourselves does not count. */
interface Progress {
  readonly account: { sentBytes: number };
  bytes: number;
  waitedMs: number;
  /** Since when the client is waited for, and how to end that; undefined while it is not. */
  waiting: { sinceMs: number; lastByteMs: number; readonly cut: (error: Error) => void } | undefined;
}

export function createBodyReader(limits: BodyLimits, clock: Clock): BodyReader {
  const watch = createWatch(limits, clock);

  const count = (progress: Progress, piece: Uint8Array): void => {
    progress.bytes += piece.length;
    progress.account.sentBytes += piece.length;
    if (progress.waiting) progress.waiting.lastByteMs = clock.monotonicMs();
    if (progress.bytes > limits.maxBytes) throw tooLarge(limits);
  };

  async function* rest(request: IncomingMessage, head: readonly Buffer[], progress: Progress): AsyncGenerator<Buffer> {
    yield* head;
    for (;;) {
      const piece = await watch.during(progress, nextPiece(request));
      if (!piece) return;
      count(progress, piece);
      yield piece;
    }
  }

  return {
    async read(request, account) {
      if (Number(request.headers["content-length"] ?? 0) > limits.maxBytes) throw tooLarge(limits);
      const progress: Progress = { account, bytes: 0, waitedMs: 0, waiting: undefined };
      const collected: Buffer[] = [];
      const complete = await watch.during(
        progress,
        collect(request, (piece) => {
          count(progress, piece);
          collected.push(piece);
          return progress.bytes <= limits.wholeBytes;
        }),
      );
      if (!complete) return { kind: "stream", pieces: rest(request, collected, progress) };
      const [only] = collected;
      return { kind: "whole", bytes: collected.length === 1 && only ? only : Buffer.concat(collected) };
    },
  };
}

/** Beyond this a refused body is not worth being received to its end. */
const maxDiscardedBytes = 16 * 1024 * 1024;

/**
 * Throws away what is left of a request's body, so that the next request on its connection is heard. A client that has
 * much more to say is cut off.
 */
export function discardRest(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  let bytes = 0;
  request.on("data", (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > maxDiscardedBytes) request.destroy();
  });
  request.resume();
  // Cut off clients are nobody's failure.
  request.on("error", () => {});
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

/**
 * What has arrived of a request that is paused, as soon as there is something; undefined at its end. Unlike the stream's
 * own iterator it can be given up while it waits.
 */
function nextPiece(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      request.off("readable", onReadable).off("end", onEnd).off("close", onClose).off("error", onError);
      settle();
    };
    const onReadable = (): void => {
      const piece: Buffer | null = request.read();
      if (piece) finish(() => resolve(piece));
    };
    const onEnd = (): void => finish(() => resolve(undefined));
    const onClose = (): void => finish(() => reject(incomplete("aborted")));
    const onError = (error: Error): void => finish(() => reject(incomplete("aborted", error)));
    if (request.readableEnded) resolve(undefined);
    else if (request.destroyed) reject(incomplete("aborted"));
    else request.on("readable", onReadable).on("end", onEnd).on("close", onClose).on("error", onError);
  });
}

/** Ends requests that are too slow. One timer for all: thousands of bodies a second would each set one otherwise. */
function createWatch(limits: BodyLimits, clock: Clock) {
  const open = new Set<Progress>();
  const sweepMs = limits.maxIdleMs / 4;
  let sweeping = false;

  const isTooSlow = ({ bytes, waitedMs, waiting }: Progress, nowMs: number): boolean => {
    if (!waiting) return false;
    if (nowMs - waiting.lastByteMs > limits.maxIdleMs) return true;
    const totalMs = waitedMs + nowMs - waiting.sinceMs;
    return totalMs > limits.maxIdleMs && bytes < (totalMs / 1000) * limits.minBytesPerSecond;
  };
  const sweep = (): void => {
    const nowMs = clock.monotonicMs();
    for (const progress of open) if (isTooSlow(progress, nowMs)) progress.waiting?.cut(incomplete("too_slow"));
    sweeping = false;
    if (open.size > 0) sweepLater();
  };
  const sweepLater = (): void => {
    if (sweeping) return;
    sweeping = true;
    clock.setTimer(sweepMs, sweep);
  };

  return {
    /** Settles as `work` does, or rejects when the client turns out to be too slow meanwhile. */
    during<T>(progress: Progress, work: Promise<T>): Promise<T> {
      sweepLater();
      return new Promise<T>((resolve, reject) => {
        const sinceMs = clock.monotonicMs();
        progress.waiting = { sinceMs, lastByteMs: sinceMs, cut: reject };
        open.add(progress);
        const settle = (): void => {
          progress.waiting = undefined;
          progress.waitedMs += clock.monotonicMs() - sinceMs;
          open.delete(progress);
        };
        work.then(
          (value) => {
            settle();
            resolve(value);
          },
          (error: unknown) => {
            settle();
            reject(error);
          },
        );
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
