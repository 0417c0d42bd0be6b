import { type Codec, checkedData } from "./envelope.js";
import { EventStoreError, InvalidEvent } from "./errors.js";
import type { EventInstance } from "./event.js";
import type { EventBlobs } from "./event-blobs.js";
import type { AttemptRecord } from "./records/records.js";
import type { FrozenRegistry, Subscription } from "./registry.js";
import type { Lease } from "./transports/transport.js";

/** One event of a delivery on its way through a handler. */
export interface Item {
  readonly lease: Lease;
  /** `null` when this process does not declare the subscription any more. */
  readonly subscription: Subscription | null;
  /** The parsed envelope, whatever it may be. */
  readonly wire: unknown;
  readonly eventId: string;
  /** Failures of this item so far. */
  readonly progress: ItemProgress;
  /** The event, or why it cannot be read. */
  readonly read: { readonly event: EventInstance<unknown> } | { readonly error: unknown };
}

/** What is kept of an item's failures between attempts. */
export interface ItemProgress {
  readonly failures: number;
  readonly firstFailedAtMs: number | null;
  /** The last ten. */
  readonly attempts: readonly AttemptRecord[];
}

const noProgress: ItemProgress = Object.freeze({ failures: 0, firstFailedAtMs: null, attempts: Object.freeze([]) });
const maxKeptAttempts = 10;
/** Stacks of earlier attempts would make the record of a large group outgrow the group itself. */
const maxItemsWithAllStacks = 10;

export interface ItemReader {
  readonly registry: FrozenRegistry;
  readonly codec: Codec;
  readonly eventBlobs: EventBlobs | undefined;
}

/** The items of a delivery. Never throws: what cannot be read is an item with an error. Synchronous unless data is in a blob. */
export function readItems(lease: Lease, reader: ItemReader): Item[] | Promise<Item[]> {
  const subscription = reader.registry.subscription(lease.subscription);
  const progress = parseProgress(lease.progress);
  if (lease.unreadable !== undefined) return [unreadableItem(lease, lease.unreadable, subscription)];
  let blobs = false;
  // A damaged envelope may bear the name of another event.
  const ownId = eventIdOf(lease);
  const items = parseBody(lease.body).map((wire) => {
    const eventId = ownId ?? idOf(wire) ?? lease.deliveryId;
    const isElsewhere = hasDataRef(wire);
    blobs ||= isElsewhere;
    const read = !subscription
      ? { error: unknownSubscription(lease.subscription) }
      : isElsewhere
        ? pending
        : readEvent(wire, reader);
    return { lease, subscription, wire, eventId, progress: progress?.[eventId] ?? noProgress, read };
  });
  return blobs ? fetchData(items, reader) : items;
}

function unreadableItem(lease: Lease, reason: string, subscription: Subscription | null): Item {
  const error = new InvalidEvent("EVT_ENVELOPE_INVALID", {
    message: `The transport holds something that is no delivery: ${reason}`,
  });
  return {
    lease,
    subscription,
    wire: lease.body,
    eventId: eventIdOf(lease) ?? lease.deliveryId,
    progress: noProgress,
    read: { error },
  };
}

/** Where the delivery itself tells: groups and replays have a longer id. */
function eventIdOf({ deliveryId, subscription }: Lease): string | undefined {
  const end = deliveryId.length - subscription.length - 1;
  return end > 0 && deliveryId[end] === "." && deliveryId.endsWith(subscription) ? deliveryId.slice(0, end) : undefined;
}

/** Another release of the program may have it. */
function unknownSubscription(subscription: string): InvalidEvent {
  return new InvalidEvent("EVT_UNKNOWN_TYPE", {
    message: `This process has no subscription ${subscription}`,
    details: { subscription },
  });
}

const pending = Object.freeze({ error: undefined });

function readEvent(wire: unknown, { codec }: ItemReader): Item["read"] {
  try {
    const envelope = codec.readEnvelope(wire);
    return { event: codec.toEvent(envelope, envelope.data ?? {}) };
  } catch (error) {
    return { error };
  }
}

async function fetchData(items: readonly Item[], reader: ItemReader): Promise<Item[]> {
  const fetched: Item[] = [];
  for (const item of items) fetched.push(item.read === pending ? await fetchItem(item, reader) : item);
  return fetched;
}

async function fetchItem(item: Item, { codec, eventBlobs }: ItemReader): Promise<Item> {
  try {
    const envelope = codec.readEnvelope(item.wire);
    if (!eventBlobs || envelope.dataRef === undefined)
      throw new EventStoreError("EVT_CONFIG_INVALID", {
        message: "The event's data is in a blob, but the store has no blob store",
        retryable: true,
        details: { option: "blobs" },
      });
    const bytes = await eventBlobs.get(envelope.dataRef);
    const data = checkedData(JSON.parse(new TextDecoder().decode(bytes)));
    return { ...item, read: { event: codec.toEvent(envelope, data) } };
  } catch (error) {
    return { ...item, read: { error } };
  }
}

function parseBody(body: string): readonly unknown[] {
  try {
    const parsed: unknown = JSON.parse(body);
    if (!Array.isArray(parsed)) return [parsed];
    // A group without events says nothing, and has to end all the same.
    return parsed.length > 0 ? parsed : [body];
  } catch {
    return [body];
  }
}

export function isGroupBody(body: string): boolean {
  return body.startsWith("[");
}

const envelopeMark = '"specversion"';

/** How many events a body has, at most: data that looks like an envelope counts as one. Much cheaper than parsing it. */
export function eventsIn(body: string): number {
  if (!isGroupBody(body)) return 1;
  let count = 0;
  for (let at = body.indexOf(envelopeMark); at >= 0; at = body.indexOf(envelopeMark, at + envelopeMark.length)) count++;
  return Math.max(1, count);
}

export function encodeBody(items: readonly Item[], group: boolean): string {
  return group ? JSON.stringify(items.map((item) => item.wire)) : JSON.stringify(items[0]?.wire);
}

/** What an id may be; everything else is no name for a record about it. */
const printable = /^[ -~]{1,128}$/;

function idOf(wire: unknown): string | undefined {
  if (typeof wire !== "object" || wire === null || !("id" in wire)) return undefined;
  return typeof wire.id === "string" && printable.test(wire.id) ? wire.id : undefined;
}

export function dataRefOf(wire: unknown): string | undefined {
  if (typeof wire !== "object" || wire === null || !("dataref" in wire)) return undefined;
  return typeof wire.dataref === "string" ? wire.dataref : undefined;
}

function hasDataRef(wire: unknown): boolean {
  return dataRefOf(wire) !== undefined;
}

function parseProgress(json: string | null): Readonly<Record<string, ItemProgress>> | null {
  if (json === null) return null;
  try {
    const parsed: unknown = JSON.parse(json);
    return isProgress(parsed) ? parsed : null;
  } catch {
    // Somebody else has been at it: the attempts so far are forgotten, the event is not.
    return null;
  }
}

function isProgress(value: unknown): value is Readonly<Record<string, ItemProgress>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(
    (one: unknown) =>
      typeof one === "object" &&
      one !== null &&
      "failures" in one &&
      Number.isInteger(one.failures) &&
      "attempts" in one &&
      Array.isArray(one.attempts),
  );
}

export function addFailure(progress: ItemProgress, attempt: AttemptRecord, nowMs: number): ItemProgress {
  return {
    failures: progress.failures + 1,
    firstFailedAtMs: progress.firstFailedAtMs ?? nowMs,
    attempts: [...progress.attempts, attempt].slice(-maxKeptAttempts),
  };
}

export function encodeProgress(progress: ReadonlyMap<string, ItemProgress>): string | null {
  if (progress.size === 0) return null;
  const kept = progress.size <= maxItemsWithAllStacks ? progress : new Map([...progress].map(withLastStackOnly));
  return JSON.stringify(Object.fromEntries(kept));
}

function withLastStackOnly([id, progress]: readonly [string, ItemProgress]): readonly [string, ItemProgress] {
  const attempts = progress.attempts.map((attempt, index) =>
    index === progress.attempts.length - 1 ? attempt : { ...attempt, error: { ...attempt.error, stack: null } },
  );
  return [id, { ...progress, attempts }];
}
