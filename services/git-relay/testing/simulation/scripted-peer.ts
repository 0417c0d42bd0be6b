import type { VirtualClock } from "@signalbox/kernel";
import {
  createItemSetBuilder,
  createNegentropyResponder,
  encodeEvent,
  type Filter,
  type FilterJson,
  matchesFilter,
  type NegentropyResponder,
  readEvent,
  readFilter,
  readNegentropyHex,
  type VerifiedEvent,
  verifyEvent,
} from "@signalbox/nostr";
import type { PeerFailure, PeerInformation, PeerUrl } from "../../sync/ports.js";
import { createEventSet, type EventSet } from "./event-set.js";
import type { SeededRandom } from "./seeded-random.js";
import type { Handshake, VirtualHost, Wire } from "./virtual-network.js";

/** How a peer behaves; a test may change it at any time. Where nothing is said it is a good relay. */
export interface PeerBehaviour {
  /** What comes of an attempt to connect, and how long that takes. */
  handshakeMs: number;
  handshake: "open" | "never" | PeerFailure;
  /** How long it thinks before it answers anything. */
  answerMs: number;
  /** Takes everything in and says nothing. */
  isSilent: boolean;
  /** All that it ever answers. */
  onlyNotice: string | undefined;
  sendsEose: boolean;
  /** Events of one answer, whatever was asked for. */
  pageCap: number;
  /** Whether EOSE says `finish` or `more`. */
  givesHints: boolean;
  /** Stored events come in any order, and some twice. */
  isUntidy: boolean;
  negentropy: NegentropyBehaviour;
  /** More events than that in one reconciliation are refused as too many. */
  negentropyMaxRecords: number;
  /** Values in one filter; more are refused as invalid. */
  maxFilterValues: number;
  /** Ids that it claims to have and never gives. */
  readonly withheld: Set<string>;
  /** Requests in any minute; the ones above are refused. */
  requestsPerMinute: number;
  /** How it refuses: by ending the subscription, or by a NOTICE and silence. */
  rateLimitBy: "closed" | "notice";
  /** Asks who we are and answers nothing before it knows. */
  asksForAuth: boolean;
  /** Knows nobody, whoever says who he is. */
  knowsNobody: boolean;
  /** Breaks the connection after so many messages that it sent over it. */
  breaksAfter: number;
  /** What it says of itself (NIP-11). */
  information: PeerInformation | null | "silent";
}

/** `silent`, `notice`, `error`, `closed`: how those answer that cannot; `garbage` and `version` answer nonsense. */
export type NegentropyBehaviour = "works" | "silent" | "notice" | "error" | "closed" | "garbage" | "version";

const goodBehaviour: Omit<PeerBehaviour, "withheld"> = {
  handshakeMs: 40,
  handshake: "open",
  answerMs: 2,
  isSilent: false,
  onlyNotice: undefined,
  sendsEose: true,
  pageCap: 500,
  givesHints: true,
  isUntidy: false,
  negentropy: "works",
  negentropyMaxRecords: Number.POSITIVE_INFINITY,
  maxFilterValues: Number.POSITIVE_INFINITY,
  requestsPerMinute: Number.POSITIVE_INFINITY,
  rateLimitBy: "closed",
  asksForAuth: false,
  knowsNobody: false,
  breaksAfter: Number.POSITIVE_INFINITY,
  information: {},
};

/** A message that the peer heard. */
export interface HeardMessage {
  readonly atMs: number;
  /** Counts the connections of this peer, from 1. */
  readonly connection: number;
  readonly message: readonly unknown[];
}

/** A REQ that the peer heard, as it stood on the wire. */
export interface HeardRequest extends Omit<HeardMessage, "message"> {
  readonly id: string;
  readonly filters: readonly FilterJson[];
}

/** A relay that speaks the protocol as text and behaves as it is told to. */
export interface ScriptedPeer extends VirtualHost {
  readonly url: PeerUrl;
  readonly behaviour: PeerBehaviour;
  readonly stored: EventSet;
  /** Stores events and sends them to those who subscribed. */
  publish(...events: readonly VerifiedEvent[]): void;
  /** Ends all connections; new ones are refused. */
  goDown(failure?: PeerFailure): void;
  comeBack(): void;
  /** Breaks the open connections. */
  cutConnections(): void;
  /** Sends a message to all who are connected. */
  say(message: readonly unknown[]): void;
  readonly heard: readonly HeardMessage[];
  /** The REQs among it, which ask for what comes (`limit: 0`), for what was, or for certain ids. */
  requests(kind?: "live" | "historic" | "ids"): readonly HeardRequest[];
  readonly openConnections: number;
  /** Subscriptions that are open now, and the most that were open at one time. */
  readonly openSubscriptions: number;
  readonly mostSubscriptions: number;
  /** Bytes that went over its wires. */
  readonly bytesSent: number;
  readonly bytesHeard: number;
}

export interface ScriptedPeerOptions {
  readonly url: PeerUrl;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly events?: readonly VerifiedEvent[];
  readonly behaviour?: Partial<PeerBehaviour>;
}

const refused: PeerFailure = { kind: "refused", code: "ECONNREFUSED", message: "nobody listens there" };

export function createScriptedPeer(options: ScriptedPeerOptions): ScriptedPeer {
  const { url, clock, random } = options;
  const behaviour: PeerBehaviour = { ...goodBehaviour, withheld: new Set(), ...options.behaviour };
  const stored = createEventSet(options.events);
  const heard: HeardMessage[] = [];
  const connections = new Set<PeerConnection>();
  const traffic = { sent: 0, heard: 0 };
  let connectionCount = 0;
  let mostSubscriptions = 0;
  let before: PeerBehaviour["handshake"] = "open";

  return {
    url,
    behaviour,
    stored,
    heard,
    get handshake(): Handshake {
      return { afterMs: behaviour.handshakeMs, outcome: behaviour.handshake };
    },
    get information() {
      return behaviour.information;
    },
    accept(wire) {
      const number = ++connectionCount;
      const connection = new PeerConnection({
        wire: {
          send(text) {
            traffic.sent += Buffer.byteLength(text);
            wire.send(text);
          },
          cut: () => wire.cut(),
        },
        url,
        behaviour,
        stored,
        clock,
        random,
      });
      connections.add(connection);
      connection.greet();
      return {
        onText(text) {
          traffic.heard += Buffer.byteLength(text);
          const message: unknown = JSON.parse(text);
          if (!Array.isArray(message)) throw new Error(`not a message: ${text.slice(0, 200)}`);
          heard.push({ atMs: clock.nowMs(), connection: number, message });
          connection.receive(message);
          mostSubscriptions = Math.max(mostSubscriptions, connection.openSubscriptions);
        },
        onClose: () => {
          connection.end();
          connections.delete(connection);
        },
      };
    },
    publish(...events) {
      for (const event of events) {
        if (!stored.add(event)) continue;
        for (const connection of connections) connection.tell(event);
      }
    },
    goDown(failure = refused) {
      before = behaviour.handshake;
      behaviour.handshake = failure;
      for (const connection of [...connections]) connection.cut();
    },
    comeBack() {
      behaviour.handshake = before;
    },
    cutConnections() {
      for (const connection of [...connections]) connection.cut();
    },
    say(message) {
      for (const connection of connections) connection.say(message);
    },
    requests(kind) {
      return heard.flatMap(({ message, ...rest }) => {
        const [verb, id, ...filters] = message;
        if (verb !== "REQ" || typeof id !== "string") return [];
        const request = { ...rest, id, filters: filters.filter(isFilterJson) };
        return kind === undefined || kindOf(request) === kind ? [request] : [];
      });
    },
    get openConnections() {
      return connections.size;
    },
    get openSubscriptions() {
      return [...connections].reduce((sum, { openSubscriptions }) => sum + openSubscriptions, 0);
    },
    get mostSubscriptions() {
      return mostSubscriptions;
    },
    get bytesSent() {
      return traffic.sent;
    },
    get bytesHeard() {
      return traffic.heard;
    },
  };
}

function kindOf({ filters }: HeardRequest): "live" | "historic" | "ids" {
  if (filters.every(({ limit }) => limit === 0)) return "live";
  return filters.every(({ ids }) => ids !== undefined) ? "ids" : "historic";
}

function isFilterJson(value: unknown): value is FilterJson {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface ConnectionParts {
  readonly wire: Wire;
  readonly url: PeerUrl;
  readonly behaviour: PeerBehaviour;
  readonly stored: EventSet;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
}

/** One connection, from the peer's side. */
class PeerConnection {
  readonly #parts: ConnectionParts;
  readonly #subscriptions = new Map<string, readonly Filter[]>();
  readonly #sessions = new Map<string, NegentropyResponder>();
  /** When the requests of the last minute came. */
  #requestTimes: number[] = [];
  #said = 0;
  #challenge = "";
  #isKnown = false;
  #isOpen = true;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  get openSubscriptions(): number {
    return this.#subscriptions.size;
  }

  greet(): void {
    if (!this.#parts.behaviour.asksForAuth) return;
    this.#challenge = `challenge ${this.#parts.random.next()}`;
    this.#answer(() => this.say(["AUTH", this.#challenge]));
  }

  cut(): void {
    this.#parts.wire.cut();
  }

  end(): void {
    this.#isOpen = false;
    this.#subscriptions.clear();
    this.#sessions.clear();
  }

  say(message: readonly unknown[]): void {
    this.#send(JSON.stringify(message));
  }

  /** Sends an event to the subscriptions that it matches. */
  tell(event: VerifiedEvent): void {
    const { behaviour } = this.#parts;
    if (behaviour.isSilent || behaviour.onlyNotice !== undefined) return;
    for (const [id, filters] of this.#subscriptions) {
      if (filters.some((filter) => matchesFilter(filter, event))) this.#sendEvent(id, event);
    }
  }

  receive(message: readonly unknown[]): void {
    const [verb, first, second, third] = message;
    const { behaviour } = this.#parts;
    if (behaviour.isSilent) return;
    if (behaviour.onlyNotice !== undefined) {
      const text = behaviour.onlyNotice;
      this.#answer(() => this.say(["NOTICE", text]));
      return;
    }
    const id = String(first);
    // What ends a subscription holds at once, so that nothing that was asked before comes after it.
    if (verb === "CLOSE") this.#subscriptions.delete(id);
    else if (verb === "NEG-CLOSE") this.#sessions.delete(id);
    else if (verb === "REQ") this.#subscribe(id, message.slice(2));
    else if (verb === "NEG-OPEN") this.#answer(() => this.#openSession(id, second, third));
    else if (verb === "NEG-MSG") this.#answer(() => this.#goOn(id, second));
    else if (verb === "AUTH") this.#answer(() => this.#identify(first));
    else this.say(["NOTICE", `invalid: unknown verb ${String(verb)}`]);
  }

  #subscribe(id: string, asked: readonly unknown[]): void {
    const refusal = this.#refusal(asked);
    if (refusal !== undefined) {
      this.#answer(() => this.say(refusal.by === "closed" ? ["CLOSED", id, refusal.text] : ["NOTICE", refusal.text]));
      return;
    }
    const filters = asked.map(toFilter);
    // Events from now on belong to it, also while the answer is still thought about.
    this.#subscriptions.set(id, filters);
    this.#answer(() => {
      if (this.#subscriptions.get(id) === filters) this.#sendStored(id, filters);
    });
  }

  #sendStored(id: string, filters: readonly Filter[]): void {
    const { behaviour, random, stored } = this.#parts;
    const isLiveOnly = filters.every(({ limit }) => limit === 0);
    let isComplete = true;
    const found = new Map<string, VerifiedEvent>();
    for (const filter of filters) {
      const matching = stored.query(filter);
      const page = matching.slice(0, Math.min(behaviour.pageCap, filter.limit ?? Number.POSITIVE_INFINITY));
      if (page.length < matching.length) isComplete = false;
      for (const event of page) found.set(event.id, event);
    }
    let page = [...found.values()].filter((event) => !behaviour.withheld.has(event.id));
    if (behaviour.isUntidy)
      page = random.shuffled(page).flatMap((event) => (random.chance(0.2) ? [event, event] : event));
    for (const event of page) this.#sendEvent(id, event);
    if (!behaviour.sendsEose && !isLiveOnly) return;
    const hint = isComplete ? "finish" : "more";
    this.say(behaviour.givesHints && !isLiveOnly ? ["EOSE", id, [hint]] : ["EOSE", id]);
  }

  #openSession(id: string, asked: unknown, first: unknown): void {
    const { behaviour, stored } = this.#parts;
    const refusal = this.#refusal([asked]);
    if (refusal !== undefined) this.say(["NEG-ERR", id, refusal.text]);
    else if (behaviour.negentropy === "notice") this.say(["NOTICE", "ERROR: bad msg: negentropy disabled"]);
    else if (behaviour.negentropy === "error") this.say(["NEG-ERR", id, "error: not here"]);
    else if (behaviour.negentropy === "closed") this.say(["CLOSED", id, "error: unknown message"]);
    else if (behaviour.negentropy === "garbage") this.say(["NEG-MSG", id, "61zz"]);
    else if (behaviour.negentropy === "version") this.say(["NEG-MSG", id, "62"]);
    else if (behaviour.negentropy === "works") {
      const matching = stored.query(toFilter(asked));
      if (matching.length > behaviour.negentropyMaxRecords) {
        this.say(["NEG-ERR", id, "blocked: too many query results", behaviour.negentropyMaxRecords]);
        return;
      }
      const builder = createItemSetBuilder();
      for (const event of matching) builder.add(event.created_at, event.id);
      this.#sessions.set(id, createNegentropyResponder(builder.seal(), { maxFrameBytes: 0 }));
      this.#goOn(id, first);
    }
  }

  #goOn(id: string, message: unknown): void {
    const session = this.#sessions.get(id);
    if (!session) this.say(["NEG-ERR", id, "closed: there is no such session"]);
    else this.say(["NEG-MSG", id, Buffer.from(session.receive(readNegentropyHex(String(message)))).toString("hex")]);
  }

  #identify(value: unknown): void {
    const read = readEvent(value);
    const event = read.kind === "event" ? verifyEvent(read.event) : undefined;
    const fits = (name: string, expected: string): boolean =>
      event?.tags.some(([tag, said]) => tag === name && said === expected) ?? false;
    this.#isKnown =
      !this.#parts.behaviour.knowsNobody &&
      event?.kind === 22_242 &&
      fits("challenge", this.#challenge) &&
      fits("relay", this.#parts.url);
    this.say(["OK", event?.id ?? "", this.#isKnown, this.#isKnown ? "" : "invalid: wrong authentication"]);
  }

  /** Why a request is not worked on, when it is not. */
  #refusal(filters: readonly unknown[]): { readonly by: "closed" | "notice"; readonly text: string } | undefined {
    const { behaviour, clock } = this.#parts;
    const nowMs = clock.nowMs();
    this.#requestTimes = this.#requestTimes.filter((atMs) => atMs > nowMs - 60_000);
    if (this.#requestTimes.length >= behaviour.requestsPerMinute)
      return behaviour.rateLimitBy === "closed"
        ? { by: "closed", text: "rate-limited: slow down" }
        : { by: "notice", text: "ERROR: too many requests, rate limit exceeded" };
    this.#requestTimes.push(nowMs);
    if (behaviour.asksForAuth && !this.#isKnown) return { by: "closed", text: "auth-required: who are you?" };
    if (filters.some((filter) => countValues(filter) > behaviour.maxFilterValues))
      return { by: "closed", text: "invalid: too many values in the filter" };
    return undefined;
  }

  /** Thinks for a while, then answers, when the other side is still there. */
  #answer(say: () => void): void {
    this.#parts.clock.setTimer(this.#parts.behaviour.answerMs, () => {
      if (this.#isOpen) say();
    });
  }

  #sendEvent(subscription: string, event: VerifiedEvent): void {
    this.#send(`["EVENT",${JSON.stringify(subscription)},${encodeEvent(event)}]`);
  }

  #send(text: string): void {
    if (!this.#isOpen) return;
    if (++this.#said > this.#parts.behaviour.breaksAfter) this.cut();
    else this.#parts.wire.send(text);
  }
}

function toFilter(value: unknown): Filter {
  const read = readFilter(value);
  if (read.kind !== "filter") throw new Error(`a good relay would refuse ${JSON.stringify(value)}: ${read.reason}`);
  return read.filter;
}

function countValues(filter: unknown): number {
  const values = typeof filter === "object" && filter !== null ? Object.values(filter) : [];
  return Math.max(0, ...values.map((list: unknown) => (Array.isArray(list) ? list.length : 0)));
}
