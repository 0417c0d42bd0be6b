import type { Clock } from "@signalbox/kernel";
import { addressOf, encodeEvent, formatAddress, readReferences, type VerifiedEvent } from "@signalbox/nostr";
import type { EventOrigin } from "./store/port.js";

/** An event from a peer that only lacks its relation to a repository. */
export interface WaitingEvent {
  readonly event: VerifiedEvent;
  readonly origin: EventOrigin;
  /** When it came, in milliseconds. */
  readonly sinceMs: number;
  /** When it is given up, in milliseconds; stays the same when it is looked at again. */
  readonly untilMs: number;
}

export interface WaitingRoom {
  readonly size: number;
  /** Drops the oldest when there is no room. */
  add(event: VerifiedEvent, origin: EventOrigin, untilMs?: number): void;
  isWaiting(id: string): boolean;
  /** The oldest first. */
  list(): readonly WaitingEvent[];
  /** Takes out those that refer to the event, or that it refers to. */
  takeRelated(event: VerifiedEvent): WaitingEvent[];
}

export interface WaitingRoomOptions {
  readonly clock: Clock;
  /** Defaults: 600 s, 10,000 events, 32 MiB. */
  readonly waitMs?: number;
  readonly maxEvents?: number;
  readonly maxBytes?: number;
}

/** Gives events that arrive before what relates them the time until that arrives. In memory only: a peer has them. */
export function createWaitingRoom(options: WaitingRoomOptions): WaitingRoom {
  const { clock, waitMs = 600_000, maxEvents = 10_000, maxBytes = 32 * 1024 * 1024 } = options;
  /** Oldest first. */
  const waiting = new Map<string, WaitingEvent & { readonly bytes: number }>();
  /** Waiting ids by what they refer to: an id or an address. */
  const referring = new Map<string, Set<string>>();
  /** Waiting ids by their address. */
  const addressed = new Map<string, Set<string>>();
  let bytes = 0;

  const remove = (id: string): WaitingEvent | undefined => {
    const found = waiting.get(id);
    if (!found) return undefined;
    waiting.delete(id);
    bytes -= found.bytes;
    for (const target of targetsOf(found.event)) drop(referring, target, id);
    const address = addressText(found.event);
    if (address) drop(addressed, address, id);
    return found;
  };
  const trim = (): void => {
    for (const [id, { untilMs }] of waiting) {
      if (untilMs > clock.nowMs() && waiting.size <= maxEvents && bytes <= maxBytes) break;
      remove(id);
    }
  };

  return {
    get size() {
      trim();
      return waiting.size;
    },
    isWaiting(id) {
      trim();
      return waiting.has(id);
    },
    list() {
      trim();
      return [...waiting.values()];
    },
    add(event, origin, untilMs = clock.nowMs() + waitMs) {
      if (waiting.has(event.id)) return;
      const size = encodeEvent(event).length;
      waiting.set(event.id, { event, origin, sinceMs: untilMs - waitMs, untilMs, bytes: size });
      bytes += size;
      for (const target of targetsOf(event)) put(referring, target, event.id);
      const address = addressText(event);
      if (address) put(addressed, address, event.id);
      trim();
    },
    takeRelated(event) {
      trim();
      const address = addressText(event);
      const ids = [
        ...(referring.get(event.id) ?? []),
        ...(address ? (referring.get(address) ?? []) : []),
        ...targetsOf(event).flatMap((target) => [target, ...(addressed.get(target) ?? [])]),
      ];
      return ids.flatMap((id) => remove(id) ?? []);
    },
  };
}

function targetsOf(event: VerifiedEvent): string[] {
  const { ids, addresses } = readReferences(event);
  return [...ids, ...addresses];
}

function addressText(event: VerifiedEvent): string | undefined {
  const address = addressOf(event);
  return address && formatAddress(address);
}

function put(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key) ?? new Set();
  ids.add(id);
  index.set(key, ids);
}

function drop(index: Map<string, Set<string>>, key: string, id: string): void {
  const ids = index.get(key);
  ids?.delete(id);
  if (ids?.size === 0) index.delete(key);
}
