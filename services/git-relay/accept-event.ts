import { type Clock, inContext, type Logger, type Metrics, withContext } from "@signalbox/kernel";
import {
  addressOf,
  classOfKind,
  encodeEvent,
  formatAddress,
  hasRightId,
  isNewerVersion,
  kinds,
  markVerified,
  type NostrEvent,
  type VerifiedEvent,
} from "@signalbox/nostr";
import { createKnownIds } from "./known-ids.js";
import type { Policy, Refusal as PolicyRefusal, RefusalPrefix } from "./policy.js";
import type { Objections } from "./policy-module/objections.js";
import type { EventOrigin, EventUnit, GrowingFacts, NewEvent, RelayEvents } from "./store/port.js";
import type { Verifier } from "./verify/verifier.js";
import type { WaitingEvent, WaitingRoom } from "./waiting-room.js";

/** How an event ended here. */
export type Verdict =
  /** Stored, durably. */
  | { readonly kind: "saved" }
  /** Passed on to those who listen now; its kind is not stored. */
  | { readonly kind: "delivered" }
  | { readonly kind: "duplicate" }
  /** From a peer, related to nothing here yet: looked at again when that changes. */
  | { readonly kind: "waiting" }
  /** Its id or signature is wrong. */
  | { readonly kind: "invalid"; readonly text: string }
  | {
      readonly kind: "rejected";
      readonly prefix: RefusalPrefix;
      readonly text: string;
      /** The policy refused it, after its id and signature were found right. */
      readonly byPolicy?: true;
    };

export interface Sender {
  readonly origin: EventOrigin;
  /** Keys that the sender proved to have. */
  readonly authenticated: ReadonlySet<string>;
}

/** Called for each event that was stored or is to be passed on, after the commit and before its sender is answered. */
export type SavedListener = (saved: { readonly event: VerifiedEvent; readonly origin: EventOrigin }) => void;

/**
 * The one way into the relay, for clients and peers alike. Events are decided in the order in which they were given;
 * `accept` resolves once the verdict is final and, where it says so, durable.
 */
export interface EventIntake {
  /** @param event of the right shape, within the limits of size */
  accept(event: NostrEvent, sender: Sender): Promise<Verdict>;
  /** Registers a listener; returns how to end it. */
  onSaved(listener: SavedListener): () => void;
  /** Resolves when every event that was being stored at the time of the call has been told to the listeners. */
  settled(): Promise<void>;
  /** Ids of events that wait for what relates them. */
  isWaiting(id: string): boolean;
  /** Those that wait, the oldest first. */
  waiting(): readonly WaitingEvent[];
  /** Refuses new events and finishes those under way. */
  stop(): Promise<void>;
}

export interface EventIntakeOptions {
  readonly events: RelayEvents;
  readonly verifier: Verifier;
  readonly policy: Policy;
  /** What the operator's own module has against events. Default: there is none. */
  readonly objections?: Objections | undefined;
  readonly waitingRoom: WaitingRoom;
  /** Publishes domain events about what is stored, inside the transaction. */
  readonly publishSaved: (saved: readonly NewEvent[], transaction: EventUnit["transaction"]) => Promise<void>;
  readonly maxFutureSeconds: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** False: known events are verified like others; for comparison. Default true. */
  readonly checkKnownFirst?: boolean;
}

interface Entry {
  readonly event: NostrEvent;
  readonly sender: Sender;
  readonly bytes: number;
  /** For an event that waited before: until when it may go on waiting. */
  readonly waitUntilMs: number | undefined;
  state: "checking" | "ready" | "done";
  conclude(verdict: Verdict): void;
}

const maxGroupEvents = 256;
/** Rows for tags that one transaction writes, about: what one commit may take stays bounded. */
const maxGroupTags = 4_000;
const maxPendingBytes = 64 * 1024 * 1024;
const nobody: ReadonlySet<string> = new Set();

export function createEventIntake(options: EventIntakeOptions): EventIntake {
  const { events, verifier, policy, waitingRoom, publishSaved, clock, metrics } = options;
  const logger = options.logger.child("intake");
  const knownIds = createKnownIds((ids) => events.known(ids));
  const listeners = new Set<SavedListener>();
  /** In order of arrival. */
  let queue: Entry[] = [];
  let pendingBytes = 0;
  let stopped = false;
  let writing: Promise<void> | undefined;
  const commitSeconds = metrics.histogram({
    name: "signalbox_relay_store_commit_seconds",
    help: "Time from the begin of a group of events to its commit.",
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  });

  const finish = (entry: Entry, verdict: Verdict): void => {
    if (entry.state === "done") return;
    entry.state = "done";
    pendingBytes -= entry.bytes;
    entry.conclude(verdict);
  };

  /** Everything that needs no look at other events, cheapest first. */
  const check = async (entry: Entry): Promise<void> => {
    const { event } = entry;
    if ((options.checkKnownFirst ?? true) && (await knownIds.has(event.id))) {
      finish(entry, { kind: "duplicate" });
      return;
    }
    const refusal = refuseEarly(event, nowOf(clock) + options.maxFutureSeconds);
    if (refusal) finish(entry, refusal);
    else if (!hasRightId(event)) finish(entry, { kind: "invalid", text: "the id is not the hash of the event" });
    else if (await verifier.verify(event)) entry.state = "ready";
    else finish(entry, { kind: "invalid", text: "the signature is wrong" });
  };

  const enter = (event: NostrEvent, sender: Sender, waited?: { readonly untilMs: number }): Promise<Verdict> =>
    new Promise((resolve) => {
      const bytes = sizeOf(event);
      if (stopped || pendingBytes + bytes > maxPendingBytes) {
        resolve({ kind: "rejected", prefix: "error", text: stopped ? "shutting down" : "too busy, try again" });
        return;
      }
      const waitUntilMs = waited?.untilMs;
      const entry: Entry = { event, sender, bytes, waitUntilMs, state: "checking", conclude: resolve };
      pendingBytes += bytes;
      queue.push(entry);
      if (waited) entry.state = "ready";
      const checked = waited ? Promise.resolve() : check(entry);
      checked
        .catch((error: unknown) => {
          logger.warn("an event could not be checked", { error, event_id: event.id });
          finish(entry, { kind: "rejected", prefix: "error", text: "the event could not be checked" });
        })
        .finally(pump);
    });

  /** Starts the next group, when none is being written and the oldest event is ready. */
  const pump = (): void => {
    if (writing) return;
    const group = takeGroup();
    if (group.length === 0) return;
    writing = write(group).finally(() => {
      writing = undefined;
      pump();
    });
  };

  const takeGroup = (): Entry[] => {
    const group: Entry[] = [];
    let tags = 0;
    let taken = 0;
    for (const entry of queue) {
      if (entry.state === "checking" || group.length === maxGroupEvents || tags > maxGroupTags) break;
      taken++;
      if (entry.state !== "ready") continue;
      group.push(entry);
      tags += entry.event.tags.length;
    }
    queue = queue.slice(taken);
    return group;
  };

  const write = async (group: readonly Entry[]): Promise<void> => {
    const now = nowOf(clock);
    try {
      const objections = await gatherObjections(group, now);
      const startedMs = clock.monotonicMs();
      // In nobody's context: a group belongs to no single sender.
      const verdicts = await inContext({}, () =>
        events.write(async (unit) => {
          const decided = await decideGroup(unit, group, { policy, now, objections });
          await publishSaved(decided.saved, unit.transaction);
          return decided.verdicts;
        }),
      );
      commitSeconds.observe((clock.monotonicMs() - startedMs) / 1_000);
      for (const [index, entry] of group.entries()) conclude(entry, verdicts[index] ?? { kind: "duplicate" });
    } catch (error) {
      logger.warn("events could not be stored", { error, events: group.length });
      for (const entry of group)
        finish(entry, { kind: "rejected", prefix: "error", text: "the event could not be stored, try again" });
    }
  };

  /**
   * The module is asked before the transaction, which waits for nobody. Only this process's groups come between, one after
   * the other, so that the module sees what was accepted before; it may miss what another process stores meanwhile.
   */
  const gatherObjections = async (group: readonly Entry[], now: number): Promise<GroupObjections> => {
    const found = new Map<Entry, PolicyRefusal>();
    if (!options.objections) return found;
    const facts = await events.facts(group.map(({ event }) => event));
    for (const entry of group) {
      const { event, sender } = entry;
      if (facts.isStored(event.id)) continue;
      const context = { facts, now, authenticated: sender.authenticated };
      const objection = await options.objections(event, context, sender.origin.source);
      if (objection) found.set(entry, objection);
      const decided = decide(entry, facts, { policy, now, objections: found });
      if (decided.kind === "store") facts.add(decided.event);
    }
    return found;
  };

  /** What is stored is stored: a listener that fails changes nothing for the sender or for other listeners. */
  const tell = (listener: SavedListener, saved: Parameters<SavedListener>[0]): void => {
    try {
      listener(saved);
    } catch (error) {
      logger.error("a listener failed to take note of a stored event", { error, event_id: saved.event.id });
    }
  };

  const conclude = (entry: Entry, decided: GroupVerdict): void => {
    const { sender, waitUntilMs } = entry;
    const { origin } = sender;
    const event = markVerified(entry.event);
    const waits = decided.kind === "rejected" && decided.unrelated && origin.source === "sync";
    withContext({ correlationId: origin.correlationId }, () =>
      logger.debug("an event was decided", {
        event_id: event.id,
        kind: event.kind,
        source: origin.source,
        verdict: waits ? "waiting" : decided.kind,
      }),
    );
    if (waits) {
      waitingRoom.add(event, origin, waitUntilMs);
      finish(entry, { kind: "waiting" });
      return;
    }
    if (decided.kind === "saved" || decided.kind === "delivered") {
      for (const listener of listeners) tell(listener, { event, origin });
    }
    finish(entry, decided);
    if (decided.kind !== "saved") return;
    for (const waiting of waitingRoom.takeRelated(event))
      void enter(waiting.event, { origin: waiting.origin, authenticated: nobody }, waiting);
  };

  return {
    accept: (event, sender) => enter(event, sender),
    onSaved(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    settled: () => writing ?? Promise.resolve(),
    isWaiting: (id) => waitingRoom.isWaiting(id),
    waiting: () => waitingRoom.list(),
    async stop() {
      stopped = true;
      while (queue.length > 0 || writing) await (writing ?? clock.sleep(5));
    },
  };
}

type GroupVerdict = Exclude<Verdict, { readonly kind: "rejected" }> | Refusal;
interface Refusal extends Extract<Verdict, { readonly kind: "rejected" }> {
  readonly unrelated?: true;
}

type GroupObjections = ReadonlyMap<Entry, PolicyRefusal>;

/** What decisions about a group are made by. */
interface GroupRules {
  readonly policy: Policy;
  /** Seconds. */
  readonly now: number;
  readonly objections: GroupObjections;
}

interface DecidedGroup {
  /** One for each entry. */
  readonly verdicts: readonly GroupVerdict[];
  readonly saved: readonly NewEvent[];
}

/** Decides about events one after the other, each seeing what those before it changed, and writes what is accepted. */
async function decideGroup(unit: EventUnit, entries: readonly Entry[], rules: GroupRules): Promise<DecidedGroup> {
  const verdicts: GroupVerdict[] = [];
  const saved: NewEvent[] = [];
  for (let from = 0; from < entries.length; ) {
    // A deletion changes what is stored in ways that facts do not follow, so it ends a run.
    const deletion = entries.findIndex(({ event }, index) => index >= from && event.kind === kinds.deletion);
    const to = deletion === -1 ? entries.length : deletion + 1;
    const run = entries.slice(from, to);
    const facts = await unit.facts(run.map(({ event }) => event));
    const added: NewEvent[] = [];
    for (const entry of run) {
      const verdict = decide(entry, facts, rules);
      verdicts.push(verdict.kind === "store" ? { kind: "saved" } : verdict);
      if (verdict.kind !== "store") continue;
      added.push(verdict.event);
      facts.add(verdict.event);
    }
    await unit.store(added);
    for (const { event } of added) if (event.kind === kinds.deletion) await unit.applyDeletion(event);
    saved.push(...added);
    from = to;
  }
  return { verdicts, saved };
}

function decide(
  entry: Entry,
  facts: GrowingFacts,
  { policy, now, objections }: GroupRules,
): GroupVerdict | { readonly kind: "store"; readonly event: NewEvent } {
  const { event, sender } = entry;
  if (facts.isStored(event.id)) return { kind: "duplicate" };
  const { origin, authenticated } = sender;
  const decision = policy(event, { facts, now, authenticated, objection: objections.get(entry) }, origin.source);
  if (decision.kind === "reject") {
    const { prefix, text, unrelated } = decision;
    return { kind: "rejected", prefix, text, byPolicy: true, ...(unrelated && { unrelated }) };
  }
  if (classOfKind(event.kind) === "ephemeral") return { kind: "delivered" };
  const address = addressOf(event);
  const current = address && facts.currentVersion(formatAddress(address));
  if (current && !isNewerVersion(event, current))
    return { kind: "rejected", prefix: "duplicate", text: "a newer version is stored" };
  return { kind: "store", event: { event: markVerified(event), origin, anchor: decision.anchor } };
}

function refuseEarly(event: NostrEvent, latest: number): Verdict | undefined {
  if (event.created_at > latest)
    return { kind: "rejected", prefix: "invalid", text: "created_at is too far in the future" };
  if (event.kind === kinds.auth)
    return { kind: "rejected", prefix: "invalid", text: "an authentication is sent as AUTH, not as EVENT" };
  return undefined;
}

function nowOf(clock: Clock): number {
  return Math.floor(clock.nowMs() / 1_000);
}

/** About what an event takes in memory. */
function sizeOf(event: NostrEvent): number {
  return encodeEvent(event).length;
}
