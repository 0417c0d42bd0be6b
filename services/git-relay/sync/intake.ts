import type { Clock, Logger } from "@signalbox/kernel";
import { classOfKind, kinds, type NostrEvent, readEvent } from "@signalbox/nostr";
import type { EventIntake, Verdict } from "../accept-event.js";
import { type EventLimits, findExcess } from "../event-limits.js";
import type { PeerUrl, RejectedIndex } from "./ports.js";
import type { Disposition, ExclusionReason } from "./snapshot.js";

/** How an event of a peer ended. */
export interface Decision {
  readonly disposition: Disposition;
  /** Why it is not stored here although the peer has it. */
  readonly excludedAs?: ExclusionReason;
}

/** An event on its way in. */
export interface Reception {
  /** Absent when it has no readable shape. */
  readonly event: Pick<NostrEvent, "id" | "created_at"> | undefined;
  /** Never rejects. */
  readonly decided: Promise<Decision>;
}

export interface ReceivedFrom {
  readonly peer: PeerUrl;
  readonly correlationId: string;
}

/** Takes what peers send to the relay's one way in. */
export interface PeerIntake {
  /** @param value the parsed JSON of an event @param bytes length of its text */
  receive(value: unknown, bytes: number, from: ReceivedFrom): Reception;
}

export interface PeerIntakeOptions {
  readonly intake: EventIntake;
  readonly rejected: RejectedIndex;
  readonly limits: EventLimits;
  /** Whether the relay is shutting down. */
  isStopping(): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

const busyRetries = 10;
const busyWaitMs = 1_000;
const nobody: ReadonlySet<string> = new Set();
const invalid: Decision = { disposition: "invalid", excludedAs: "rejected" };

/** Each event gets exactly one decision. The same event of several peers is verified once. */
export function createPeerIntake(options: PeerIntakeOptions): PeerIntake {
  const { intake, rejected, limits, clock } = options;
  const { logger } = options;
  /** By id; what several peers send at the same time. */
  const underWay = new Map<string, Promise<Verdict>>();

  const submit = async (event: NostrEvent, from: ReceivedFrom): Promise<Verdict> => {
    const origin = { source: "sync", peer: from.peer, correlationId: from.correlationId } as const;
    for (let tries = 0; ; tries++) {
      const verdict = await intake.accept(event, { origin, authenticated: nobody });
      // Nothing is wrong with the event: what is refused for want of room, or of the store, is offered again.
      const isBusy = verdict.kind === "rejected" && verdict.prefix === "error";
      if (!isBusy || tries === busyRetries || options.isStopping()) return verdict;
      await clock.sleep(busyWaitMs);
    }
  };

  const accept = async (event: NostrEvent, from: ReceivedFrom): Promise<Verdict> => {
    const other = underWay.get(event.id);
    if (other) {
      const verdict = await other;
      // Somebody can send another's id with a wrong signature; that says nothing about this copy.
      if (verdict.kind !== "invalid") return verdict.kind === "saved" ? { kind: "duplicate" } : verdict;
    }
    const verdict = submit(event, from);
    underWay.set(event.id, verdict);
    try {
      return await verdict;
    } finally {
      if (underWay.get(event.id) === verdict) underWay.delete(event.id);
    }
  };

  const decide = async (event: NostrEvent, from: ReceivedFrom): Promise<Decision> => {
    try {
      const verdict = await accept(event, from);
      if (verdict.kind === "rejected") {
        logger.debug("an event of a peer was refused", {
          relay: from.peer,
          event_id: event.id,
          kind: event.kind,
          reason: `${verdict.prefix}: ${verdict.text}`,
        });
        if (verdict.byPolicy && isRemembered(event.kind)) await rejected.add(event, verdict, from.peer);
      }
      return describe(verdict);
    } catch (error) {
      logger.warn("an event of a peer could not be decided", { error, relay: from.peer, event_id: event.id });
      return { disposition: "rejected", excludedAs: "rejected" };
    }
  };

  return {
    receive(value, bytes, from) {
      const read = readEvent(value);
      if (read.kind === "invalid") return { event: undefined, decided: Promise.resolve(invalid) };
      const { event } = read;
      if (findExcess(event, bytes, limits)) return { event, decided: Promise.resolve(invalid) };
      // They are for those who listen when they are made; passed on from relay to relay they would never end.
      if (classOfKind(event.kind) === "ephemeral")
        return { event, decided: Promise.resolve({ disposition: "rejected", excludedAs: "rejected" }) };
      if (intake.isWaiting(event.id))
        return { event, decided: Promise.resolve({ disposition: "waiting", excludedAs: "held" }) };
      return { event, decided: decide(event, from) };
    },
  };
}

function isRemembered(kind: number): boolean {
  return kind === kinds.announcement || kind === kinds.state;
}

function describe(verdict: Verdict): Decision {
  switch (verdict.kind) {
    case "saved":
    case "delivered":
      return { disposition: "saved" };
    case "duplicate":
      return { disposition: "duplicate" };
    case "waiting":
      return { disposition: "waiting", excludedAs: "held" };
    case "invalid":
      return invalid;
    case "rejected":
      // An older version than the one here: nothing new, and not stored.
      if (verdict.prefix === "duplicate") return { disposition: "duplicate", excludedAs: "rejected" };
      return { disposition: "rejected", excludedAs: verdict.text === "expired" ? "expired" : "rejected" };
  }
}
