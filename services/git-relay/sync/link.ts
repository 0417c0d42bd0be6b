import type { Clock, Timer } from "@signalbox/kernel";
import { kinds, type Signer } from "@signalbox/nostr";
import { Backlog, type SharedBacklog } from "./backlog.js";
import type { Decision, Reception } from "./intake.js";
import type { EndHint } from "./pages.js";
import type { PeerSocket, PeerUrl } from "./ports.js";
import { isRateLimitNotice, isRateLimitRefusal } from "./rate-limit.js";
import type { Disposition } from "./snapshot.js";

/** What a peer says in a conversation. */
export type PeerMessage =
  | { readonly verb: "EVENT"; readonly event: Reception["event"]; readonly decided: Promise<Decision> }
  | { readonly verb: "EOSE"; readonly hint: EndHint }
  | { readonly verb: "CLOSED"; readonly reason: string }
  | { readonly verb: "NEG-MSG"; readonly message: string }
  | { readonly verb: "NEG-ERR"; readonly reason: string }
  /** Belongs to no conversation; all are told. */
  | { readonly verb: "NOTICE"; readonly text: string };

/** A subscription or a session, known to both sides by its id. */
export interface Conversation {
  readonly id: string;
  send(verb: "REQ" | "CLOSE" | "NEG-OPEN" | "NEG-MSG" | "NEG-CLOSE", ...rest: readonly unknown[]): void;
  /** Nothing is heard of it any more. */
  end(): void;
}

/** Goes off when nothing was heard for too long. Time in which we did not read does not count. */
export interface Watch {
  touch(): void;
  end(): void;
}

export interface LinkOptions {
  readonly url: PeerUrl;
  readonly clock: Clock;
  readonly signer: Signer;
  readonly backlog: SharedBacklog;
  receive(value: unknown, bytes: number): Reception;
  decided(disposition: Disposition): void;
  onNotice(text: string): void;
  onRateLimit(): void;
  /** Unix milliseconds; nothing when we may ask. */
  rateLimitedUntil(): number | null;
}

const authPatienceMs = 10_000;

/** Speaks the protocol over one open connection, as the side that asks. Ends with it and is never used again. */
export class PeerLink {
  readonly #options: LinkOptions;
  readonly #socket: PeerSocket;
  readonly #backlog: Backlog;
  readonly #conversations = new Map<string, (message: PeerMessage) => void>();
  readonly #challenges = new Set<string>();
  #authentication: { readonly eventId: string; isAccepted: boolean } | undefined;
  #onAuthenticated = new Set<() => void>();
  #opened = 0;
  #ended = false;

  constructor(socket: PeerSocket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#backlog = new Backlog(socket, options.backlog);
  }

  get undecided(): number {
    return this.#backlog.events;
  }

  /** Opens a conversation; the listener is told of everything that the peer says in it. */
  converse(prefix: string, listener: (message: PeerMessage) => void): Conversation {
    this.#opened++;
    const id = `${prefix}${this.#opened}`;
    this.#conversations.set(id, listener);
    return {
      id,
      send: (verb, ...rest) => this.#send([verb, id, ...rest]),
      end: () => void this.#conversations.delete(id),
    };
  }

  /** Resolves when the peer may be asked: at once, or when it has had its rest. @throws the signal's reason */
  async passable(signal: AbortSignal): Promise<void> {
    const { clock, rateLimitedUntil } = this.#options;
    for (let until = rateLimitedUntil(); until !== null; until = rateLimitedUntil())
      await clock.sleep(Math.max(1, until - clock.nowMs()), { signal });
    signal.throwIfAborted();
  }

  watch(patienceMs: number, onSilence: () => void): Watch {
    const { clock } = this.#options;
    let resumes = this.#backlog.resumes;
    let heardMs = clock.monotonicMs();
    let timer: Timer;
    const arm = (delayMs: number): void => {
      timer = clock.setTimer(delayMs, () => {
        const leftMs = heardMs + patienceMs - clock.monotonicMs();
        if (this.#backlog.isPaused || resumes !== this.#backlog.resumes) {
          resumes = this.#backlog.resumes;
          arm(patienceMs);
        } else if (leftMs > 0) arm(leftMs);
        else onSilence();
      });
    };
    arm(patienceMs);
    return {
      touch: () => {
        heardMs = clock.monotonicMs();
      },
      end: () => timer.cancel(),
    };
  }

  /** Resolves when the peer has heard who we are, or asks for it no more; it may be asked again then. */
  async authenticated(signal: AbortSignal): Promise<void> {
    if (this.#authentication?.isAccepted) return;
    const waiting = new AbortController();
    const heard = (): void => waiting.abort();
    this.#onAuthenticated.add(heard);
    try {
      await this.#options.clock.sleep(authPatienceMs, { signal: AbortSignal.any([signal, waiting.signal]) });
    } catch {
      signal.throwIfAborted();
    } finally {
      this.#onAuthenticated.delete(heard);
    }
  }

  /** Takes a message of the peer. */
  receive(text: string): void {
    if (this.#ended) return;
    const message = readMessage(text);
    if (!message) return;
    const [verb, first, second, third] = message;
    if (verb === "EVENT") this.#receiveEvent(first, second, text.length);
    else if (verb === "EOSE") this.#tell(first, { verb, hint: hintOf(second) });
    else if (verb === "NEG-MSG") this.#tell(first, { verb, message: textOf(second) });
    else if (verb === "CLOSED" || verb === "NEG-ERR") this.#receiveEnd(verb, first, textOf(second));
    else if (verb === "NOTICE") this.#receiveNotice(textOf(first));
    else if (verb === "AUTH") this.#authenticate(first);
    else if (verb === "OK") this.#receiveOk(first, second === true, textOf(third));
  }

  /** The connection is gone, or to be. Nothing is said or heard any more. */
  end(): void {
    this.#ended = true;
    this.#conversations.clear();
    this.#backlog.end();
  }

  #receiveEvent(id: unknown, value: unknown, bytes: number): void {
    const listener = typeof id === "string" ? this.#conversations.get(id) : undefined;
    if (!listener) return;
    this.#backlog.enter(bytes);
    const { event, decided } = this.#options.receive(value, bytes);
    void decided.then(({ disposition }) => {
      this.#backlog.leave(bytes);
      this.#options.decided(disposition);
    });
    listener({ verb: "EVENT", event, decided });
  }

  #receiveEnd(verb: "CLOSED" | "NEG-ERR", id: unknown, reason: string): void {
    if (isRateLimitRefusal(reason)) this.#options.onRateLimit();
    this.#tell(id, { verb, reason });
  }

  #receiveNotice(text: string): void {
    this.#options.onNotice(text);
    if (isRateLimitNotice(text)) this.#options.onRateLimit();
    for (const listener of [...this.#conversations.values()]) listener({ verb: "NOTICE", text });
  }

  #receiveOk(eventId: unknown, isAccepted: boolean, reason: string): void {
    if (isRateLimitRefusal(reason)) this.#options.onRateLimit();
    const authentication = this.#authentication;
    if (!authentication || eventId !== authentication.eventId) return;
    authentication.isAccepted = isAccepted;
    for (const heard of this.#onAuthenticated) heard();
  }

  #authenticate(challenge: unknown): void {
    if (typeof challenge !== "string" || this.#challenges.has(challenge)) return;
    this.#challenges.add(challenge);
    const { signer, url, clock } = this.#options;
    const event = signer.sign({
      kind: kinds.auth,
      created_at: Math.floor(clock.nowMs() / 1_000),
      tags: [
        ["relay", url],
        ["challenge", challenge],
      ],
      content: "",
    });
    this.#authentication = { eventId: event.id, isAccepted: false };
    this.#send(["AUTH", event]);
  }

  #send(message: readonly unknown[]): void {
    if (!this.#ended) this.#socket.send(JSON.stringify(message));
  }

  #tell(id: unknown, message: PeerMessage): void {
    if (typeof id === "string") this.#conversations.get(id)?.(message);
  }
}

function readMessage(text: string): readonly unknown[] | undefined {
  try {
    const message: unknown = JSON.parse(text);
    return Array.isArray(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

/** NIP-67 puts the hint into a list. */
function hintOf(value: unknown): EndHint {
  const hint: unknown = Array.isArray(value) ? value[0] : value;
  return hint === "finish" || hint === "more" ? hint : undefined;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
