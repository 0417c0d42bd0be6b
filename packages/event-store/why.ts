import type { Decision } from "./dispatch.js";
import type { DispatchHistory, DispatchRecord, HandlingRecord } from "./dispatch-log.js";
import type { DeadLetter, Records } from "./records/records.js";
import type { FrozenRegistry, Subscription } from "./registry.js";
import type { QueuedDelivery, Transport } from "./transports/transport.js";

/** What became of one event for one subscription, in one word. */
export type DeliveryOutcome =
  /** Handled. */
  | "delivered"
  /** The handler said that it did not concern it. */
  | "ignored"
  | "waiting"
  | "scheduled"
  /** Waits for an earlier one of its key. */
  | "blocked"
  | "running"
  | "retrying"
  | "dead"
  | "replaying"
  /** By the subscriber's retry policy, or by an operator. */
  | "discarded"
  | "expired"
  /** Handed over and not waiting any more; how it ended is not logged. */
  | "settled"
  | Exclude<Decision, "dispatched" | "scheduled">;

/** One subscription's part in the story of an event. */
export interface SubscriptionExplanation {
  /** `null` when nobody is subscribed. */
  readonly subscription: string | null;
  /** What publishing concluded; `null` when it is not logged. */
  readonly decision: Decision | null;
  readonly conditionUs: number;
  readonly dueAtMs: number | null;
  readonly deliveryId: string | null;
  readonly outcome: DeliveryOutcome;
  /** Oldest first. */
  readonly attempts: readonly HandlingRecord[];
  /** Where the delivery waits now. */
  readonly queued: { readonly state: QueuePlace; readonly dueAtMs: number | null; readonly attempts: number } | null;
  readonly deadLetter: Pick<DeadLetter, "id" | "state" | "reason" | "replayCount" | "note"> | null;
}

/** `waiting`: somewhere in a queue that is too long to look through. */
export type QueuePlace = "ready" | "scheduled" | "blocked" | "running" | "waiting";

/** An event, as far as it is known. */
export interface ExplainedEvent {
  readonly id: string;
  readonly type: string | null;
  readonly subject: string | null;
  readonly correlationId: string | null;
  readonly causationId: string | null;
  readonly rootCaller: string | null;
  readonly publishedAtMs: number | null;
}

export interface EventBranch {
  readonly event: ExplainedEvent;
  /** In dispatch order. */
  readonly subscriptions: readonly SubscriptionExplanation[];
  /** What was published while it was handled, oldest first. */
  readonly children: readonly EventBranch[];
}

export interface DispatchExplanation extends EventBranch {
  /** The whole event, JSON, when a delivery or a dead letter still has it. Sensitive values are in it. */
  readonly envelope: string | null;
  /** There are more descendants than are shown. */
  readonly truncated: boolean;
  /** `unavailable`: the log could not be read, so this is what queues and dead letters tell. `off`: there is none. */
  readonly history: "read" | "unavailable" | "off";
}

export interface WhyDependencies {
  readonly registry: FrozenRegistry;
  readonly transport: Transport;
  readonly records: Records;
  readonly history: DispatchHistory | undefined;
  /** Resolves when the transport can be used. */
  readonly open: () => Promise<void>;
}

const maxDepth = 32;
const maxNodes = 1_000;
const deliveriesLookedAt = 1_000;

/** Puts together what log, queues and dead letters know. Never throws because the log is away. */
export async function explain(eventId: string, dependencies: WhyDependencies): Promise<DispatchExplanation | null> {
  await dependencies.open();
  const family = await readFamily(eventId, dependencies);
  const present = await readPresent(family, dependencies);
  const branch = branchOf(family.root, family, present);
  const known = branch.subscriptions.length > 0 || branch.children.length > 0;
  if (!known) return null;
  const { truncated, history } = family;
  return { ...branch, envelope: wireOf(family.root.event.id, present)?.envelope ?? null, truncated, history };
}

/** An event with what the log says of it. */
interface Member {
  readonly event: ExplainedEvent;
  /** One for each publish; an event that was published again has several. */
  readonly dispatches: readonly DispatchRecord[];
  readonly attempts: HandlingRecord[];
  readonly children: Member[];
}

interface Family {
  readonly root: Member;
  readonly members: ReadonlyMap<string, Member>;
  readonly truncated: boolean;
  readonly history: DispatchExplanation["history"];
}

async function readFamily(eventId: string, { history }: WhyDependencies): Promise<Family> {
  const unlogged: Member = { event: unknownEvent(eventId), dispatches: [], attempts: [], children: [] };
  const alone = { root: unlogged, members: new Map([[eventId, unlogged]]), truncated: false };
  if (!history) return { ...alone, history: "off" };
  try {
    return await readLogged(eventId, history);
  } catch {
    return { ...alone, history: "unavailable" };
  }
}

async function readLogged(eventId: string, history: DispatchHistory): Promise<Family> {
  const own = await history.find([eventId]);
  const root = memberOf(eventId, own.dispatches, own.attempts);
  const members = new Map([[eventId, root]]);
  let truncated = false;
  let generation = [root];
  for (let depth = 1; generation.length > 0; depth++) {
    const room = maxNodes - members.size;
    const ids = generation.map(({ event }) => event.id);
    const caused = await history.causedBy(ids, room + 1);
    // An event that was published again, or that names itself, is in the tree once.
    const born = caused.filter(({ eventId: id }) => !members.has(id));
    if (born.length > 0 && (room <= 0 || depth > maxDepth)) return { root, members, truncated: true, history: "read" };
    truncated ||= caused.length > room;
    generation = addGeneration(born.slice(0, room), members);
  }
  const { attempts } = await history.find([...members.keys()].filter((id) => id !== eventId));
  for (const attempt of attempts) members.get(attempt.eventId)?.attempts.push(attempt);
  return { root, members, truncated, history: "read" };
}

function addGeneration(born: readonly DispatchRecord[], members: Map<string, Member>): Member[] {
  const generation: Member[] = [];
  for (const record of born) {
    if (members.has(record.eventId)) continue;
    const member = memberOf(record.eventId, [record], []);
    members.set(record.eventId, member);
    members.get(record.causationId ?? "")?.children.push(member);
    generation.push(member);
  }
  return generation;
}

function memberOf(eventId: string, dispatches: readonly DispatchRecord[], attempts: readonly HandlingRecord[]): Member {
  const [first] = dispatches;
  const [attempt] = attempts;
  const event: ExplainedEvent = first
    ? {
        id: eventId,
        type: first.eventType,
        subject: first.subject,
        correlationId: first.correlationId,
        causationId: first.causationId,
        rootCaller: first.rootCaller,
        publishedAtMs: first.publishedAtMs,
      }
    : {
        ...unknownEvent(eventId),
        ...(attempt && { type: attempt.eventType, correlationId: attempt.correlationId }),
      };
  return { event, dispatches, attempts: [...attempts], children: [] };
}

function unknownEvent(id: string): ExplainedEvent {
  return {
    id,
    type: null,
    subject: null,
    correlationId: null,
    causationId: null,
    rootCaller: null,
    publishedAtMs: null,
  };
}

/** What waits or has been given up, by delivery and by letter. */
interface Present {
  readonly unsettled: ReadonlySet<string>;
  readonly queued: ReadonlyMap<string, QueuedDelivery>;
  /** Queues that were looked through to their end. */
  readonly wholeQueues: ReadonlySet<string>;
  readonly letters: ReadonlyMap<string, DeadLetter>;
  /** Subscriptions by event type, for events whose publish is not logged. */
  readonly subscriptionsOf: (type: string | null) => readonly Subscription[];
}

async function readPresent(family: Family, dependencies: WhyDependencies): Promise<Present> {
  const { registry, transport, records } = dependencies;
  const subscriptionsOf = (type: string | null): readonly Subscription[] =>
    type === null ? registry.subscriptions : registry.subscribersFor(type);
  const candidates = new Map<string, string>();
  const letterIds: string[] = [];
  for (const member of family.members.values()) {
    for (const { subscription, deliveryId } of placesOf(member, subscriptionsOf)) {
      letterIds.push(letterIdOf(member.event.id, subscription));
      candidates.set(deliveryId, subscription);
    }
  }
  const letters = await readLetters(letterIds, records);
  for (const { id, subscription, replayCount } of letters.values())
    if (replayCount > 0) candidates.set(`${id}.r${replayCount}`, subscription);
  const unsettled = new Set(await transport.unsettled([...candidates.keys()]));
  const queues = new Set([...unsettled].map((id) => candidates.get(id) ?? ""));
  const queued = new Map<string, QueuedDelivery>();
  const wholeQueues = new Set<string>();
  for (const subscription of queues) {
    const [subscriber = "", eventType = ""] = subscription.split("/");
    const found = await transport.peek({ subscriber, eventType }, deliveriesLookedAt);
    if (found.length < deliveriesLookedAt) wholeQueues.add(subscription);
    for (const delivery of found) if (unsettled.has(delivery.id)) queued.set(delivery.id, delivery);
  }
  return { unsettled, queued, wholeQueues, letters, subscriptionsOf };
}

const idsAtOnce = 500;

async function readLetters(ids: readonly string[], records: Records): Promise<Map<string, DeadLetter>> {
  const letters = new Map<string, DeadLetter>();
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    const slice = ids.slice(from, from + idsAtOnce);
    for (const letter of await records.deadLetters.list({ ids: slice }, slice.length)) letters.set(letter.id, letter);
  }
  return letters;
}

function letterIdOf(eventId: string, subscription: string): string {
  return `${eventId}.${subscription}`;
}

interface Place {
  readonly subscription: string;
  readonly decision: Decision | null;
  readonly conditionUs: number;
  readonly dueAtMs: number | null;
  readonly deliveryId: string;
}

/** The subscriptions that an event has to do with: those of its publish, else all that could have it. */
function placesOf({ event, dispatches, attempts }: Member, subscriptionsOf: Present["subscriptionsOf"]): Place[] {
  const places = new Map<string, Place>();
  for (const record of dispatches)
    for (const [index, subscription] of record.subscriptions.entries()) {
      const decision = record.decisions[index] ?? null;
      // Publishing again tells only that it was published before.
      if (places.has(subscription) && decision === "duplicate") continue;
      if (subscription === "") continue;
      places.set(subscription, {
        subscription,
        decision,
        conditionUs: record.conditionUs[index] ?? 0,
        dueAtMs: record.dueAtMs[index] || null,
        deliveryId: record.deliveryIds[index] || letterIdOf(event.id, subscription),
      });
    }
  const add = (subscription: string, deliveryId: string): void => {
    if (!places.has(subscription))
      places.set(subscription, { subscription, decision: null, conditionUs: 0, dueAtMs: null, deliveryId });
  };
  for (const { subscription, deliveryId } of attempts) add(subscription, deliveryId);
  if (dispatches.length === 0) for (const { id } of subscriptionsOf(event.type)) add(id, letterIdOf(event.id, id));
  return [...places.values()];
}

function branchOf(member: Member, family: Family, present: Present): EventBranch {
  const subscriptions = placesOf(member, present.subscriptionsOf).flatMap((place) => {
    const explanation = explainPlace(member, place, present);
    return explanation ?? [];
  });
  const nobody = member.dispatches.some(({ decisions }) => decisions.includes("no_subscribers"));
  return {
    event: withWire(member.event, wireOf(member.event.id, present)),
    subscriptions: nobody && subscriptions.length === 0 ? [toNobody] : subscriptions,
    children: member.children.map((child) => branchOf(child, family, present)),
  };
}

const toNobody: SubscriptionExplanation = Object.freeze({
  subscription: null,
  decision: "no_subscribers",
  conditionUs: 0,
  dueAtMs: null,
  deliveryId: null,
  outcome: "no_subscribers",
  attempts: Object.freeze([]),
  queued: null,
  deadLetter: null,
});

/** `undefined` for a subscription that was only a guess and knows nothing of the event. */
function explainPlace(
  { event, attempts: all }: Member,
  place: Place,
  present: Present,
): SubscriptionExplanation | undefined {
  const { subscription, decision, conditionUs, dueAtMs } = place;
  const attempts = all.filter((attempt) => attempt.subscription === subscription);
  const letter = present.letters.get(letterIdOf(event.id, subscription));
  const replayed = letter && letter.replayCount > 0 ? `${letter.id}.r${letter.replayCount}` : undefined;
  const deliveryId = replayed !== undefined && present.unsettled.has(replayed) ? replayed : place.deliveryId;
  const queued = present.unsettled.has(deliveryId) ? queuePlace(deliveryId, subscription, present) : null;
  if (decision === null && attempts.length === 0 && !letter && !queued) return undefined;
  const handedOver = decision === "dispatched" || decision === "scheduled" || decision === null;
  return {
    subscription,
    decision,
    conditionUs,
    dueAtMs,
    deliveryId: handedOver ? deliveryId : null,
    outcome: outcomeOf(decision, attempts, letter, queued),
    attempts,
    queued,
    deadLetter: letter
      ? {
          id: letter.id,
          state: letter.state,
          reason: letter.reason,
          replayCount: letter.replayCount,
          note: letter.note,
        }
      : null,
  };
}

function queuePlace(
  deliveryId: string,
  subscription: string,
  present: Present,
): NonNullable<SubscriptionExplanation["queued"]> {
  const found = present.queued.get(deliveryId);
  if (found) return { state: found.state, dueAtMs: found.dueAtMs, attempts: found.attempts };
  return { state: present.wholeQueues.has(subscription) ? "running" : "waiting", dueAtMs: null, attempts: 0 };
}

function outcomeOf(
  decision: Decision | null,
  attempts: readonly HandlingRecord[],
  letter: DeadLetter | undefined,
  queued: SubscriptionExplanation["queued"],
): DeliveryOutcome {
  if (letter && letter.state !== "resolved") return letter.state;
  if (queued) {
    if (queued.state === "ready" || queued.state === "waiting") return "waiting";
    if (queued.state === "scheduled" && (queued.attempts > 0 || attempts.length > 0)) return "retrying";
    return queued.state;
  }
  const last = attempts.at(-1);
  if (last?.settlement === "done" || letter) return last?.ignored ? "ignored" : "delivered";
  if (last?.settlement === "discarded") return "discarded";
  if (decision === null || decision === "dispatched" || decision === "scheduled") return "settled";
  return decision;
}

interface Wire {
  readonly type: string;
  readonly envelope: string;
}

/** The wire form of one event, where somebody still has it. */
function wireOf(eventId: string, { letters, queued }: Present): Wire | undefined {
  for (const { id, subscription, eventType, event } of letters.values())
    if (id === letterIdOf(eventId, subscription)) return { type: eventType, envelope: event };
  for (const { body, eventType } of queued.values()) {
    const wire: unknown = JSON.parse(body);
    for (const one of [wire].flat())
      if (isRecord(one) && one["id"] === eventId) return { type: eventType, envelope: JSON.stringify(one) };
  }
  return undefined;
}

/** What the log does not say, the envelope may. */
function withWire(event: ExplainedEvent, wire: Wire | undefined): ExplainedEvent {
  if (event.publishedAtMs !== null || !wire) return event;
  const envelope: unknown = JSON.parse(wire.envelope);
  if (!isRecord(envelope)) return event;
  const text = (name: string): string | null => (typeof envelope[name] === "string" ? envelope[name] : null);
  const publishedAtMs = Date.parse(text("time") ?? "");
  return {
    id: event.id,
    type: wire.type,
    subject: text("subject"),
    correlationId: text("correlationid"),
    causationId: text("causationid"),
    rootCaller: text("rootcaller"),
    publishedAtMs: Number.isNaN(publishedAtMs) ? null : publishedAtMs,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
