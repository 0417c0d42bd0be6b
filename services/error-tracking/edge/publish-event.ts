import type { DomainEvent } from "@signalbox/event-store";
import { type Clock, errorCode, isRetryable } from "@signalbox/kernel";
import { IngestError } from "../http/ingest-errors.js";
import type { PublishLine } from "./publish-line.js";

/** The part of the event store that is needed here. */
export interface EventPublisher {
  publish(event: DomainEvent<unknown>): Promise<{ readonly decisions: readonly { readonly decision: string }[] }>;
}

export interface PublishDependencies {
  readonly events: EventPublisher;
  readonly clock: Clock;
  /** Payloads that may wait for their publish at the same time. */
  readonly maxWaitingBytes: number;
  /** What is on its way to the event store. */
  readonly line: PublishLine;
  /** Called with how long each publish took. */
  readonly onPublished?: (route: string, seconds: number) => void;
}

/** How long a transport that does not answer is waited for. */
const publishPatienceMs = 2000;
const publishRetryMs = 100;

/**
 * Resolves with whether this event is new to the transport, once that has it durably.
 * @throws {IngestError} `ET_BACKPRESSURE`, `ET_QUEUE_UNAVAILABLE`
 */
export type Publish = (event: DomainEvent<unknown>, bytes: number, route: string) => Promise<boolean>;

export function createPublish(dependencies: PublishDependencies): Publish {
  const { events, clock, maxWaitingBytes, line, onPublished = () => {} } = dependencies;
  let waitingBytes = 0;
  return async (event, bytes, route) => {
    if (waitingBytes + bytes > maxWaitingBytes) throw backpressure();
    waitingBytes += bytes;
    const leave = (): void => {
      waitingBytes -= bytes;
    };
    const startedMs = clock.monotonicMs();
    try {
      const isNew = await publishPatiently(() => line.join(() => publishOnce(events, event)), clock);
      leave();
      onPublished(route, (clock.monotonicMs() - startedMs) / 1000);
      return isNew;
    } catch (error) {
      // The transport holds on to what nobody waits for any more.
      if (error instanceof UnansweredPublish) error.isNew.then(leave, leave);
      else leave();
      throw error;
    }
  };
}

/** A publish that nobody waits for any more, and that goes on. */
export class UnansweredPublish extends IngestError {
  /** Resolves with whether the event was new to the transport that has taken it after all. */
  readonly isNew: Promise<boolean>;

  constructor(isNew: Promise<boolean>) {
    super("ET_QUEUE_UNAVAILABLE", { headers: unavailableHeaders });
    this.isNew = isNew;
  }
}

/** Decisions after which a subscription has the event, or had it before. */
const heldDecisions: ReadonlySet<string> = new Set(["dispatched", "scheduled", "duplicate", "deduplicated"]);

/**
 * Publishes, and waits a while for a transport that is away: SDKs drop what is answered with 503. Resolves with false when
 * the transport had the event already.
 * @throws {IngestError} `ET_BACKPRESSURE`, `ET_QUEUE_UNAVAILABLE`
 */
async function publishPatiently(publish: () => Promise<boolean>, clock: Clock): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + publishPatienceMs;
  for (;;) {
    try {
      return await withDeadline(publish(), deadlineMs - clock.monotonicMs(), clock);
    } catch (cause) {
      if (cause instanceof UnansweredPublish) throw cause;
      const code = errorCode(cause);
      if (code === "EVT_TRANSPORT_FULL" || code === "EVT_OVERLOADED") throw backpressure(cause);
      if (code !== "EVT_CLOSED" && !isRetryable(cause)) throw cause;
      if (code === "EVT_CLOSED" || clock.monotonicMs() + publishRetryMs >= deadlineMs) throw unavailable(cause);
      await clock.sleep(publishRetryMs);
    }
  }
}

/** Resolves with whether the event is new to the transport. */
async function publishOnce(events: EventPublisher, event: DomainEvent<unknown>): Promise<boolean> {
  const { decisions } = await events.publish(event);
  // An event that nobody holds is lost, however well the publish went.
  if (!decisions.some(({ decision }) => heldDecisions.has(decision))) throw unavailable();
  return decisions.some(({ decision }) => decision !== "duplicate");
}

const unavailableHeaders = { "retry-after": "10" } as const;

function unavailable(cause?: unknown): IngestError {
  return new IngestError("ET_QUEUE_UNAVAILABLE", { cause, headers: unavailableHeaders });
}

function withDeadline(work: Promise<boolean>, remainingMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(Math.max(0, remainingMs), () => reject(new UnansweredPublish(work)));
    work.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}

/** What SDKs are told when no more can be taken: it concerns everybody and every category. */
export function backpressure(
  cause?: unknown,
  code: "ET_BACKPRESSURE" | "ET_DISK_FULL" = "ET_BACKPRESSURE",
): IngestError {
  return new IngestError(code, {
    cause,
    headers: { "retry-after": "60", "x-sentry-rate-limits": "60::organization:backpressure" },
  });
}
