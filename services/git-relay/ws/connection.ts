import type { IncomingMessage } from "node:http";
import { type Clock, canonicalCorrelationId, type Logger, ulid } from "@signalbox/kernel";
import { type Filter, hasRightId, type NostrEvent, readEvent, type ServiceAddress } from "@signalbox/nostr";
import type { WebSocket } from "ws";
import type { EventIntake, Verdict } from "../accept-event.js";
import { type EventLimits, findExcess } from "../event-limits.js";
import type { RelayMetrics } from "../metrics.js";
import { countMatches, queryStored } from "../query.js";
import type { RelayEvents, StreamOptions } from "../store/port.js";
import { createTurns } from "../turns.js";
import type { Verifier } from "../verify/verifier.js";
import { createAuthentication } from "./authentication.js";
import type { Inboxes } from "./inboxes.js";
import { type LiveSubscription, type LiveSubscriptions, mayRead } from "./live.js";
import { createNegentropySessions } from "./negentropy-sessions.js";
import type { Outboxes } from "./outboxes.js";
import { type ClientMessage, isSubscriptionId, readClientMessage, readFilters, shownId } from "./read-message.js";
import { Subscription } from "./subscription.js";
import type { SubscriptionRoom } from "./subscription-room.js";
import { createTokenBucket } from "./token-bucket.js";

export interface ConnectionLimits extends EventLimits {
  readonly maxSubscriptions: number;
  readonly maxFilters: number;
  readonly maxFilterValues: number;
  readonly maxLimit: number;
  readonly defaultLimit: number;
  readonly maxCount: number;
  /** 0: no limit, as below. */
  readonly eventsPerMinute: number;
  readonly requestsPerMinute: number;
  readonly maxNegentropyRecords: number;
  /** Whether filters may ask for words. */
  readonly search: boolean;
}

/** What all connections share. */
export interface ConnectionContext {
  readonly events: RelayEvents;
  readonly intake: EventIntake;
  readonly verifier: Verifier;
  readonly live: LiveSubscriptions;
  readonly inboxes: Inboxes;
  readonly outboxes: Outboxes;
  readonly room: SubscriptionRoom;
  readonly limits: ConnectionLimits;
  readonly restrictedKinds: readonly number[];
  readonly challengeOnConnect: boolean;
  /** Addresses under which clients reach us. */
  services(): readonly ServiceAddress[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: RelayMetrics;
}

export interface Connection {
  /** Ends all subscriptions with CLOSED, then the connection. */
  shutDown(): void;
}

/** Unanswered events beyond which a client is not read any further. */
const maxUnanswered = 256;
/** Requests of one client that are worked on at one time; others wait, and so does reading from it. */
const maxRequestsAtOnce = 4;
const maxRequestsWaiting = 64;
const idsAtOnce = 100;
const goingAwayCode = 1001;
/** A message of a reconciliation, against a whole request. */
const negentropyMessageCost = 0.1;
/** Items that may be added up for the price of a request: some milliseconds of work. */
const itemsOfRequest = 200_000;
/** Rows of an index that a request may read; as many again cost as much as another one. */
const rowsOfRequest = 10_000;

interface OpenSubscription {
  readonly subscription: Subscription;
  readonly live: LiveSubscription;
  freeRoom(): void;
}

/** What carries a connection. */
export interface ClientSocket {
  readonly socket: WebSocket;
  /** The handshake. */
  readonly request: IncomingMessage;
  /** The client's address, or the network that counts as one. */
  readonly address: string;
}

/** Speaks the protocol with one client until the socket closes. */
export function serveConnection({ socket, request, address }: ClientSocket, context: ConnectionContext): Connection {
  const { events, intake, live, limits, clock, metrics, restrictedKinds } = context;
  const logger = context.logger;
  const correlationId = readCorrelationId(request);
  const outbox = context.outboxes.open({ socket, carrier: request.socket });
  const authentication = createAuthentication({ services: context.services(), clock });
  const eventTokens = createTokenBucket(limits.eventsPerMinute, clock);
  const requestTokens = createTokenBucket(limits.requestsPerMinute, clock);
  const subscriptions = new Map<string, OpenSubscription>();
  const room = context.room.openConnection(address);
  const requests = createTurns(maxRequestsAtOnce);
  /** Answers to events, in the order of the events; `undefined` until known. */
  const answers: { text: string | undefined }[] = [];
  let closed = false;
  /** At the end only the events of messages that wait are taken: nobody is there for an answer. */
  let onlyEvents = false;

  const sendText = (type: string, text: string): void => {
    metrics.sent(type);
    outbox.send(text);
  };
  const send = (message: readonly [type: string, ...rest: unknown[]]): void =>
    sendText(message[0], JSON.stringify(message));
  const notice = (text: string): void => send(["NOTICE", text]);
  const challenge = (): void => send(["AUTH", authentication.challenge]);
  const sessions = createNegentropySessions({
    events,
    clock,
    maxRecords: limits.maxNegentropyRecords,
    send: (text) => sendText(text.startsWith('["NEG-MSG"') ? "NEG-MSG" : "NEG-ERR", text),
    onWork: (items) => requestTokens.spend(items / itemsOfRequest),
  });

  /** What one request reads beyond its share is taken from those to come. */
  const chargeBeyond = (share: number): ((rows: number) => void) => {
    let left = share;
    return (rows) => {
      left -= rows;
      if (left >= 0) return;
      requestTokens.spend(-left / share);
      left = 0;
    };
  };
  const viewing = (): StreamOptions => ({
    now: Math.floor(clock.nowMs() / 1_000),
    viewer: { restrictedKinds, keys: authentication.keys },
    onRead: chargeBeyond(rowsOfRequest),
  });

  // Messages wait while too much is unanswered, and go on when that is half done. Nothing is read while some wait.
  const regulate = (): void => {
    if (answers.length > maxUnanswered || requests.waiting > maxRequestsWaiting) inbox.hold();
    else if (answers.length < maxUnanswered / 2 && requests.waiting < maxRequestsWaiting / 2) inbox.release();
    const stalled = inbox.isHeld || inbox.waiting > 0;
    if (stalled && !socket.isPaused) socket.pause();
    else if (!stalled && socket.isPaused) socket.resume();
  };

  // Events

  const flushAnswers = (): void => {
    while (answers[0]?.text !== undefined) sendText("OK", answers.shift()?.text ?? "");
    regulate();
  };
  /** Reserves the place of an answer. */
  const reserveAnswer = (id: string): ((accepted: boolean, text: string) => void) => {
    const place: { text: string | undefined } = { text: undefined };
    answers.push(place);
    return (accepted, text) => {
      place.text = JSON.stringify(["OK", id, accepted, text]);
      flushAnswers();
    };
  };

  const receiveEvent = (value: unknown, bytes: number): void => {
    const id = idOf(value);
    if (id === undefined) {
      notice("invalid: an event without an id");
      return;
    }
    const answer = reserveAnswer(id);
    const read = readEvent(value);
    if (read.kind === "invalid") answer(false, `invalid: ${read.reason}`);
    else {
      const { event } = read;
      metrics.eventReceived(event.kind);
      const problem = findExcess(event, bytes, limits);
      if (problem) refuse(event, "invalid", problem);
      else if (!eventTokens.take()) refuse(event, "rate-limited", "too many events, slow down");
      else
        void intake
          .accept(event, {
            origin: { source: "client", correlationId: correlationId ?? ulid() },
            authenticated: authentication.keys,
          })
          .then((verdict) => conclude(event, verdict));
    }
    regulate();

    function refuse(event: NostrEvent, prefix: "invalid" | "rate-limited", text: string): void {
      metrics.eventRejected(event.kind, prefix);
      answer(false, `${prefix}: ${text}`);
    }
    function conclude(event: NostrEvent, verdict: Verdict): void {
      if (verdict.kind === "saved") metrics.eventStored(event.kind);
      const refusal = refusalOf(verdict);
      if (!refusal) {
        answer(true, verdict.kind === "duplicate" ? "duplicate: already have this event" : "");
        return;
      }
      metrics.eventRejected(event.kind, refusal.prefix);
      if (refusal.prefix === "auth-required") challenge();
      answer(false, `${refusal.prefix}: ${refusal.text}`);
    }
  };

  const receiveAuthentication = async (value: unknown): Promise<void> => {
    const id = idOf(value);
    if (id === undefined) {
      notice("invalid: an authentication is an event");
      return;
    }
    if (!requestTokens.take()) {
      send(["OK", id, false, "rate-limited: too many requests, slow down"]);
      return;
    }
    const read = readEvent(value);
    const problem =
      read.kind === "invalid"
        ? read.reason
        : !hasRightId(read.event) || !(await context.verifier.verify(read.event))
          ? "id or signature is wrong"
          : authentication.check(read.event);
    send(["OK", id, problem === undefined, problem === undefined ? "" : `invalid: ${problem}`]);
  };

  // Subscriptions

  const endSubscription = (id: string): void => {
    const known = subscriptions.get(id);
    if (!known) return;
    known.subscription.ended = true;
    live.remove(known.live);
    known.freeRoom();
    subscriptions.delete(id);
  };

  const open = (id: string, filters: readonly Filter[]): void => {
    endSubscription(id);
    if (subscriptions.size >= limits.maxSubscriptions) {
      send(["CLOSED", id, `blocked: more than ${limits.maxSubscriptions} subscriptions`]);
      return;
    }
    const taken = room.take(filters);
    if (taken.kind === "full") {
      const where = taken.whose === "address" ? "from your address" : "at this relay";
      send(["CLOSED", id, `rate-limited: too many subscriptions are open ${where}`]);
      return;
    }
    const subscription = new Subscription({
      id,
      filters,
      send: (text) => sendText(text.startsWith('["EVENT"') ? "EVENT" : "EOSE", text),
      onOverflow: () => {
        endSubscription(id);
        send(["CLOSED", id, "error: too many new events while stored ones were read"]);
      },
    });
    const listening: LiveSubscription = {
      filters,
      maySee: (event) => mayRead(event, restrictedKinds, authentication.keys),
      sendLive: (eventId, raw) => subscription.sendLive(eventId, raw),
    };
    subscriptions.set(id, { subscription, live: listening, freeRoom: taken.free });
    live.add(listening);
    answerLater("req", () => sendStoredPart(subscription), id);
  };

  const sendStoredPart = async (subscription: Subscription): Promise<void> => {
    const isCancelled = (): boolean => subscription.ended || closed;
    const options = viewing();
    const { positions, hint } = await queryStored(events, subscription.filters, { ...options, limits, isCancelled });
    for (let from = 0; from < positions.length && !isCancelled(); from += idsAtOnce) {
      const some = positions.slice(from, from + idsAtOnce);
      const texts = await events.load(
        some.map(({ id }) => id),
        options.now,
      );
      outbox.together(() => {
        for (const position of some) {
          const raw = texts.get(position.id);
          if (raw !== undefined) subscription.sendStored(position, raw);
        }
      });
      await outbox.drained();
    }
    subscription.finishStored(hint);
    // A commit that the reading has seen may not have been told yet.
    void intake.settled().then(() => subscription.forgetStored());
  };

  const count = (id: string, filters: readonly Filter[]): void =>
    answerLater(
      "count",
      async () => {
        const isCancelled = (): boolean => closed;
        const { maxCount } = limits;
        const counted = await countMatches(events, filters, { ...viewing(), maxCount, isCancelled });
        send(["COUNT", id, { count: counted.count, ...(counted.approximate && { approximate: true }) }]);
      },
      id,
    );

  /** Works on a request when it is its turn. */
  const answerLater = (verb: "req" | "count" | "neg", work: () => Promise<void>, id: string): void => {
    const startedMs = clock.monotonicMs();
    void requests
      .take(async () => {
        if (!closed) await work();
      })
      .then(
        () => metrics.queried(verb, (clock.monotonicMs() - startedMs) / 1_000),
        (error: unknown) => {
          logger.warn("a request could not be answered", { error, verb });
          endSubscription(id);
          if (verb === "neg") sessions.close(id);
          send([verb === "neg" ? "NEG-ERR" : "CLOSED", id, "error: the store does not answer, try again"]);
        },
      )
      .finally(regulate);
    regulate();
  };

  /** What is wrong with a request, with its prefix. */
  const refuseRequest = (filters: readonly Filter[]): string | undefined => {
    if (!requestTokens.take()) return "rate-limited: too many requests, slow down";
    const refusal = refuseRestricted(filters, restrictedKinds, authentication.keys);
    if (refusal?.startsWith("auth-required:")) challenge();
    return refusal;
  };

  const receiveRequest = (message: Extract<ClientMessage, { verb: "REQ" | "COUNT" }>): void => {
    const { verb, id } = message;
    const close = (text: string): void => send(["CLOSED", shownId(id), text]);
    if (!isSubscriptionId(id)) {
      close("invalid: a subscription id has 1 to 64 characters");
      return;
    }
    const read = readFilters(message.filters, limits);
    const refusal = read.kind === "refused" ? read.text : refuseRequest(read.filters);
    if (refusal !== undefined) {
      // The subscription that had the id is replaced all the same.
      if (verb === "REQ") endSubscription(id);
      close(refusal);
    } else if (read.kind === "filters") {
      if (verb === "REQ") open(id, read.filters);
      else count(id, read.filters);
    }
  };

  const receiveNegentropy = (message: Extract<ClientMessage, { verb: "NEG-OPEN" }>): void => {
    const { id } = message;
    const refuse = (text: string): void => send(["NEG-ERR", shownId(id), text]);
    if (!isSubscriptionId(id)) {
      refuse("invalid: a session id has 1 to 64 characters");
      return;
    }
    // Both sides would have to find the same words.
    const read = readFilters([message.filter], { ...limits, search: false });
    const refusal = read.kind === "refused" ? read.text : refuseRequest(read.filters);
    if (refusal !== undefined) {
      sessions.close(id);
      refuse(refusal);
      return;
    }
    const [filter] = read.kind === "filters" ? read.filters : [];
    if (filter) answerLater("neg", () => sessions.open(id, filter, message.message, viewing()), id);
  };

  const receive = (text: string): void => {
    const message = readClientMessage(text);
    metrics.received(message.verb);
    if (onlyEvents && message.verb !== "EVENT") return;
    switch (message.verb) {
      case "EVENT":
        receiveEvent(message.event, Buffer.byteLength(text));
        return;
      case "AUTH":
        void receiveAuthentication(message.event).catch((error: unknown) =>
          logger.warn("an authentication could not be checked", { error }),
        );
        return;
      case "REQ":
      case "COUNT":
        receiveRequest(message);
        return;
      case "CLOSE":
        if (typeof message.id === "string") endSubscription(message.id);
        return;
      case "NEG-OPEN":
        receiveNegentropy(message);
        return;
      case "NEG-MSG":
        if (typeof message.id !== "string") notice("invalid: a session id is a string");
        else if (!requestTokens.take(negentropyMessageCost))
          send(["NEG-ERR", message.id, "rate-limited: too many messages, slow down"]);
        else sessions.receive(message.id, message.message);
        return;
      case "NEG-CLOSE":
        if (typeof message.id === "string") sessions.close(message.id);
        return;
      case "other":
        notice(`invalid: ${message.problem}`);
    }
  };

  const inbox = context.inboxes.open((text) => {
    receive(text);
    regulate();
  });
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (isBinary) {
      metrics.received("other");
      notice("invalid: a message is text, not binary");
    } else inbox.add(data.toString("utf8"));
    regulate();
  });
  socket.on("close", () => {
    closed = true;
    onlyEvents = true;
    for (const id of [...subscriptions.keys()]) endSubscription(id);
    sessions.closeAll();
  });
  if (context.challengeOnConnect) challenge();

  return {
    shutDown() {
      onlyEvents = true;
      for (const id of [...subscriptions.keys()]) {
        endSubscription(id);
        send(["CLOSED", id, "error: shutting down"]);
      }
      socket.close(goingAwayCode, "shutting down");
    },
  };
}

/** The id of the upgrade request, under which all its events can be found; else each event gets one of its own. */
function readCorrelationId(request: IncomingMessage): string | undefined {
  const header = request.headers["x-correlation-id"];
  return typeof header === "string" && /^[\x21-\x7e]{1,64}$/.test(header) ? canonicalCorrelationId(header) : undefined;
}

function idOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("id" in value)) return undefined;
  return typeof value.id === "string" ? value.id : undefined;
}

function refusalOf(verdict: Verdict): Omit<Extract<Verdict, { kind: "rejected" }>, "kind"> | undefined {
  if (verdict.kind === "invalid") return { prefix: "invalid", text: verdict.text };
  return verdict.kind === "rejected" ? verdict : undefined;
}

/** Requests that ask for nothing but what is not for everybody need a key that may read it. */
function refuseRestricted(
  filters: readonly Filter[],
  restrictedKinds: readonly number[],
  keys: ReadonlySet<string>,
): string | undefined {
  const onlyRestricted = filters.filter(
    ({ kinds }) => kinds && kinds.size > 0 && [...kinds].every((kind) => restrictedKinds.includes(kind)),
  );
  if (onlyRestricted.length === 0) return undefined;
  if (keys.size === 0) return "auth-required: these kinds are only for those whom they concern";
  const isForeign = ({ authors, tags }: Filter): boolean => {
    const named = [authors, tags.get("p")].filter((list) => list !== undefined);
    return named.length > 0 && !named.some((list) => [...list].some((key) => keys.has(key)));
  };
  return onlyRestricted.some(isForeign) ? "restricted: these events are not for your key" : undefined;
}
