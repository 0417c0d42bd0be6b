import type { Codec } from "./envelope.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import type { EventBlobs } from "./event-blobs.js";
import { dataRefOf } from "./handled-items.js";
import type { Limits } from "./limits.js";
import type { StoreMetrics } from "./metrics.js";
import type { DeadLetter, Records } from "./records/records.js";
import type { FrozenRegistry } from "./registry.js";
import type { Delivery, Transport } from "./transports/transport.js";

export interface ReplayOptions {
  /** Changes nothing and says what would happen. */
  readonly dryRun?: boolean;
  /** Deliveries become due at this rate. Default 50. */
  readonly ratePerSecond?: number;
  /** Letters that are replayed at most. Default 10,000. */
  readonly limit?: number;
  /** Also letters that were replayed as often as allowed. */
  readonly force?: boolean;
  /** Who forces it, for the log. */
  readonly by?: string;
  /**
   * Told which letters begin to be replayed, before their deliveries exist. When it rejects, they are dead again and the
   * replay rejects.
   */
  readonly onBegin?: (letters: readonly BegunLetter[]) => Promise<void>;
}

/** A letter with the count that its replay raised it to. */
export interface BegunLetter {
  readonly id: string;
  readonly replayCount: number;
}

export interface ReplayFailure {
  readonly id: string;
  readonly code: string;
  /** Where the data does not fit, for `EVT_DATA_INVALID`. */
  readonly pointer: string | null;
}

export interface ReplayPreview {
  readonly wouldReplay: number;
  readonly wouldFail: readonly ReplayFailure[];
  /** More letters match than `limit`. */
  readonly overLimit: boolean;
}

export interface ReplayResult {
  readonly matched: number;
  readonly replayed: number;
  readonly failed: readonly ReplayFailure[];
}

export interface ReplayDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly codec: Codec;
  readonly records: Records;
  readonly eventBlobs: EventBlobs | undefined;
  readonly metrics: StoreMetrics;
  readonly limits: Limits;
}

const lettersAtOnce = 100;

/** Reads every letter as its handler would get it: decoded, brought up to the current version and checked. */
export async function previewReplay(
  letters: readonly DeadLetter[],
  overLimit: boolean,
  dependencies: ReplayDependencies,
): Promise<ReplayPreview> {
  const wouldFail: ReplayFailure[] = [];
  for (const letter of letters) {
    try {
      await readLetter(letter, dependencies);
    } catch (error) {
      wouldFail.push(failureOf(letter.id, error));
    }
  }
  return { wouldReplay: letters.length - wouldFail.length, wouldFail, overLimit };
}

/**
 * Re-enters the letters into the queue of their own subscription. Each is marked before its delivery is enqueued; a
 * crash in between leaves it to `returnStranded`.
 * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`; letters that were not enqueued are dead again.
 */
export async function replayLetters(
  letters: readonly DeadLetter[],
  { ratePerSecond = 50, onBegin }: ReplayOptions,
  nowMs: number,
  dependencies: ReplayDependencies,
): Promise<ReplayResult> {
  const { records, transport, metrics } = dependencies;
  const failed: ReplayFailure[] = [];
  let replayed = 0;
  for (let from = 0; from < letters.length; from += lettersAtOnce) {
    const begun: DeadLetter[] = [];
    for (const letter of letters.slice(from, from + lettersAtOnce)) {
      // Of two replays at once, one wins.
      if (await records.deadLetters.beginReplay(letter.id, nowMs)) begun.push(letter);
      else failed.push({ id: letter.id, code: "EVT_DEAD_LETTER_STATE", pointer: null });
    }
    const deliveries = begun.map((letter, index) =>
      toDelivery(letter, nowMs + Math.floor(((from + index) * 1_000) / ratePerSecond), dependencies.registry),
    );
    try {
      if (begun.length > 0) await onBegin?.(begun.map(({ id, replayCount }) => ({ id, replayCount: replayCount + 1 })));
      for (const { id, body } of deliveries) await holdBlob(body, id, dependencies);
      if (deliveries.length > 0) await transport.enqueue(deliveries);
    } catch (error) {
      await records.deadLetters.returnToDead(begun.map(({ id }) => id));
      throw error;
    }
    replayed += begun.length;
    for (const { subscription } of begun)
      metrics.replays.add(1, { subscription: metrics.labelOf(subscription), result: "replayed" });
  }
  return { matched: letters.length, replayed, failed };
}

/** Letters that wait for a delivery which does not exist, because a replay broke off, are dead again. */
export async function returnStranded(
  beforeMs: number,
  { records, transport }: Pick<ReplayDependencies, "records" | "transport">,
): Promise<void> {
  const letters = await records.deadLetters.replayingSince(beforeMs, lettersAtOnce);
  const idOf = new Map(letters.map((letter) => [replayId(letter, letter.replayCount), letter.id]));
  for (const id of await transport.unsettled([...idOf.keys()])) idOf.delete(id);
  if (idOf.size > 0) await records.deadLetters.returnToDead([...idOf.values()]);
}

function replayId(letter: DeadLetter, replayCount: number): string {
  return `${letter.id}.r${replayCount}`;
}

function toDelivery(letter: DeadLetter, dueAtMs: number, registry: FrozenRegistry): Delivery {
  const { subscription, eventType, event } = letter;
  const wire: unknown = JSON.parse(event);
  const key = typeof wire === "object" && wire !== null && "partitionkey" in wire ? wire.partitionkey : null;
  return {
    id: replayId(letter, letter.replayCount + 1),
    subscriber: subscription.slice(0, subscription.indexOf("/")),
    subscription,
    eventType,
    body: event,
    key: typeof key === "string" ? key : null,
    perKey: registry.subscription(subscription)?.options.concurrency.perKey ?? 1,
    dueAtMs,
    maxPending: null,
    dedup: null,
  };
}

async function holdBlob(body: string, deliveryId: string, { eventBlobs }: ReplayDependencies): Promise<void> {
  const blob = dataRefOf(JSON.parse(body));
  if (blob !== undefined) await eventBlobs?.hold(blob, deliveryId);
}

async function readLetter(letter: DeadLetter, { codec, eventBlobs, registry }: ReplayDependencies): Promise<void> {
  if (!registry.subscription(letter.subscription))
    throw new InvalidEvent("EVT_UNKNOWN_TYPE", { message: `There is no subscription ${letter.subscription}` });
  const envelope = codec.readEnvelope(JSON.parse(letter.event));
  if (envelope.dataRef === undefined) codec.toEvent(envelope, envelope.data ?? {});
  else {
    const bytes = await eventBlobs?.get(envelope.dataRef);
    codec.toEvent(envelope, JSON.parse(new TextDecoder().decode(bytes)));
  }
}

function failureOf(id: string, error: unknown): ReplayFailure {
  if (!(error instanceof EventStoreError)) return { id, code: "EVT_ENVELOPE_INVALID", pointer: null };
  const [first] = Array.isArray(error.details["errors"]) ? (error.details["errors"] as { pointer?: unknown }[]) : [];
  return { id, code: error.code, pointer: typeof first?.pointer === "string" ? first.pointer : null };
}
