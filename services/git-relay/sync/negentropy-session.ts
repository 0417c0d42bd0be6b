import {
  createItemSetBuilder,
  createNegentropyInitiator,
  type FilterJson,
  type ItemSet,
  NostrError,
  readFilter,
  readNegentropyHex,
} from "@signalbox/nostr";
import type { RelayEvents } from "../store/port.js";
import type { PeerLink } from "./link.js";
import { isRateLimitNotice, isRateLimitRefusal } from "./rate-limit.js";

/** The peer cannot do it, whatever it says of itself. */
export class NegentropyUnusable extends Error {}

/** What only one of both sides has. */
export interface Differences {
  /** How many events only we have. */
  readonly have: number;
  /** Ids that only the peer has. */
  readonly need: readonly string[];
}

export interface ReconcileOptions {
  readonly link: PeerLink;
  readonly events: RelayEvents;
  /** Seconds. */
  readonly now: number;
  readonly signal: AbortSignal;
}

type Ending =
  | { readonly kind: "done"; readonly differences: Differences }
  | { readonly kind: "too-large" | "rate-limited" }
  | { readonly kind: "auth" };

const answerPatienceMs = 10_000;
/** A peer that claims more, or never comes to an end, means no good. */
const maxNeed = 1_000_000;
const maxMessages = 10_000;
/** How often the time is halved for a peer that finds the set too large. */
const maxHalvings = 20;
/** Events of the near future are accepted. */
const futureSeconds = 900;

/**
 * Finds out with a peer which events that match the filter only one side has (NIP-77). When the set is too large for the
 * peer, it is done for both halves of the time, and so on.
 * @throws {NegentropyUnusable} when the peer cannot do it
 * @throws the signal's reason
 */
export async function reconcile(filter: FilterJson, options: ReconcileOptions, halvings = 0): Promise<Differences> {
  const ending = await runSession(filter, options);
  if (ending.kind === "done") return ending.differences;
  const from = typeof filter["since"] === "number" ? filter["since"] : 0;
  const to = typeof filter["until"] === "number" ? filter["until"] : options.now + futureSeconds;
  if (halvings === maxHalvings || from >= to) throw new NegentropyUnusable("every set is too large for the peer");
  const middle = Math.floor((from + to) / 2);
  // The later half first: it holds more, so that a peer which refuses everything is found out soon.
  const later = await reconcile({ ...filter, since: middle + 1, ...until(filter) }, options, halvings + 1);
  const earlier = await reconcile({ ...filter, ...since(filter), until: middle }, options, halvings + 1);
  return { have: later.have + earlier.have, need: [...later.need, ...earlier.need] };
}

function since(filter: FilterJson): FilterJson {
  return typeof filter["since"] === "number" ? { since: filter["since"] } : {};
}

function until(filter: FilterJson): FilterJson {
  return typeof filter["until"] === "number" ? { until: filter["until"] } : {};
}

/** One session, begun anew when the peer wants a rest or wants to know who we are. */
async function runSession(
  filter: FilterJson,
  options: ReconcileOptions,
): Promise<Exclude<Ending, { kind: "rate-limited" | "auth" }>> {
  const { link, signal } = options;
  for (let authenticated = false; ; ) {
    const items = await takeItems(filter, options);
    await link.passable(signal);
    const ending = await exchange(filter, items, link, signal);
    if (ending.kind === "auth") {
      if (authenticated) throw new NegentropyUnusable("the peer does not let us in");
      authenticated = true;
      await link.authenticated(signal);
    } else if (ending.kind !== "rate-limited") return ending;
  }
}

function exchange(filter: FilterJson, items: ItemSet, link: PeerLink, signal: AbortSignal): Promise<Ending> {
  const initiator = createNegentropyInitiator(items);
  const need: string[] = [];
  let have = 0;
  let messages = 0;
  return new Promise((resolve, reject) => {
    const conversation = link.converse("n", (message) => {
      switch (message.verb) {
        case "NEG-MSG":
          watch.touch();
          return receive(message.message);
        case "NEG-ERR":
        case "CLOSED":
          if (isRateLimitRefusal(message.reason)) return finish({ kind: "rate-limited" });
          if (message.reason.startsWith("auth-required:")) return finish({ kind: "auth" });
          if (message.verb === "NEG-ERR" && message.reason.startsWith("blocked:")) return finish({ kind: "too-large" });
          return fail(`${message.verb}: ${message.reason}`);
        case "NOTICE":
          if (isAboutNegentropy(message.text)) return fail(`NOTICE: ${message.text}`);
          if (isRateLimitNotice(message.text)) return leave({ kind: "rate-limited" });
          return;
        default:
          return;
      }
    });
    const watch = link.watch(answerPatienceMs, () => {
      conversation.send("NEG-CLOSE");
      fail("no answer within 10 seconds");
    });
    const receive = (text: string): void => {
      try {
        const reconciled = initiator.receive(readNegentropyHex(text));
        have += reconciled.have.length;
        for (const id of reconciled.need) need.push(id);
        messages++;
        if (need.length > maxNeed || messages > maxMessages) {
          conversation.send("NEG-CLOSE");
          fail("the peer does not come to an end");
        } else if (reconciled.message) conversation.send("NEG-MSG", hex(reconciled.message));
        else leave({ kind: "done", differences: { have, need } });
      } catch (error) {
        if (!(error instanceof NostrError)) throw error;
        conversation.send("NEG-CLOSE");
        fail(error.message);
      }
    };
    const cleanUp = (): void => {
      watch.end();
      conversation.end();
      signal.removeEventListener("abort", onAbort);
    };
    const finish = (ending: Ending): void => {
      cleanUp();
      resolve(ending);
    };
    /** Ends a session that the peer still has open. */
    const leave = (ending: Ending): void => {
      conversation.send("NEG-CLOSE");
      finish(ending);
    };
    const fail = (reason: string): void => {
      cleanUp();
      reject(new NegentropyUnusable(reason.slice(0, 200)));
    };
    const onAbort = (): void => {
      conversation.send("NEG-CLOSE");
      cleanUp();
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    conversation.send("NEG-OPEN", filter, hex(initiator.open()));
  });
}

/** Relays without this part of the protocol say so in different words. */
function isAboutNegentropy(text: string): boolean {
  const lower = text.toLowerCase();
  return ["negentropy", "neg-", "envelope"].some((word) => lower.includes(word));
}

async function takeItems(filter: FilterJson, { events, now, signal }: ReconcileOptions): Promise<ItemSet> {
  const read = readFilter(filter);
  if (read.kind !== "filter") throw new TypeError(read.reason);
  const builder = createItemSetBuilder();
  const stream = events.stream(read.filter, { now });
  for (let page = await stream.next(); page.length > 0; page = await stream.next()) {
    signal.throwIfAborted();
    for (const { id, createdAt } of page) builder.add(createdAt, id);
  }
  return builder.seal();
}

function hex(message: Uint8Array): string {
  return Buffer.from(message).toString("hex");
}
