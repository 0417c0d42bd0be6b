import { type Clock, createPace } from "@signalbox/kernel";
import { classOfKind, type NostrEvent, readEvent, readFilter } from "@signalbox/nostr";
import type { Policy, PolicyContext } from "./policy.js";
import type { Objections } from "./policy-module/objections.js";
import type { Facts, RelayEvents } from "./store/port.js";

/** A stored event that would be refused today. */
export interface UnfitEvent {
  readonly event: NostrEvent;
  /** As its sender would read it. */
  readonly message: string;
}

export interface EventReview {
  /** How many events were looked at. */
  readonly checked: number;
  /** Newest first. */
  readonly unfit: readonly UnfitEvent[];
  /** Whether there may be more of them, because there are so many. */
  readonly isCut: boolean;
}

export interface ReviewOptions {
  readonly events: RelayEvents;
  readonly policy: Policy;
  /** What the operator's own module has against events. Default: there is none. */
  readonly objections?: Objections | undefined;
  /** Seconds since the Unix epoch: only events from then on are looked at. Default: all of them. */
  readonly since?: number;
  readonly clock: Clock;
}

const pageSize = 100;

/**
 * Decides about stored events by the policy of today, newest first, until `maxUnfit` were found that it would refuse.
 * Nothing is changed: what a policy once accepted stays until somebody removes it.
 */
export async function reviewEvents(
  { events, policy, objections, since, clock }: ReviewOptions,
  maxUnfit: number,
  signal: AbortSignal,
): Promise<EventReview> {
  const everything = readFilter(since === undefined ? {} : { since });
  if (everything.kind !== "filter") throw new Error(everything.reason);
  const now = Math.floor(clock.nowMs() / 1_000);
  const stream = events.stream(everything.filter, { now, pageSize });
  const pace = createPace();
  const unfit: UnfitEvent[] = [];
  for (let checked = 0; ; ) {
    signal.throwIfAborted();
    const page = await stream.next();
    if (page.length === 0) return { checked, unfit, isCut: false };
    const texts = await events.load(
      page.map(({ id }) => id),
      now,
    );
    const stored = page.flatMap(({ id }) => {
      const read = readEvent(JSON.parse(texts.get(id) ?? "null"));
      return read.kind === "event" && classOfKind(read.event.kind) !== "ephemeral" ? [read.event] : [];
    });
    const facts = await events.facts(stored);
    for (const event of stored) {
      signal.throwIfAborted();
      // Who stored it was allowed to: proofs of keys are not kept. And an announcement is no reason to accept itself.
      const context = { facts: withoutItself(facts, event), now, authenticated: new Set([event.pubkey]) };
      const objection = await objections?.(event, context, "client");
      const message = refusalOf(event, { ...context, objection }, policy);
      if (message !== undefined) unfit.push({ event, message });
      if (unfit.length > maxUnfit) return { checked, unfit: unfit.slice(0, maxUnfit), isCut: true };
      checked++;
    }
    await pace();
  }
}

function refusalOf(event: NostrEvent, context: PolicyContext, policy: Policy): string | undefined {
  const decision = policy(event, context, "client");
  return decision.kind === "reject" ? `${decision.prefix}: ${decision.text}` : undefined;
}

function withoutItself(facts: Facts, event: NostrEvent): Facts {
  return {
    isStored: (id) => facts.isStored(id),
    currentVersion: (address) => facts.currentVersion(address),
    deletionOf: (one) => facts.deletionOf(one),
    isAnchor: (id) => facts.isAnchor(id),
    isAnnounced: (address) => facts.isAnnounced(address),
    isReferredTo: (one) => facts.isReferredTo(one),
    announcementsOf: (identifier) => facts.announcementsOf(identifier).filter(({ id }) => id !== event.id),
  };
}
