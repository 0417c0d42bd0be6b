import { setMaxListeners } from "node:events";
import { errorMessage, type Logger } from "@signalbox/kernel";
import { createTurns } from "../turns.js";
import type { Batch } from "./batches.js";
import { maxFilterValues, minFilterValues } from "./filters.js";
import { type HistoricContext, syncBatch } from "./historic.js";
import { type LinkOptions, PeerLink } from "./link.js";
import { LiveSubscriptions } from "./live.js";
import type { PageLimits } from "./pages.js";
import type { PeerFailure, PeerInformation, PeerSocket, SocketFactory } from "./ports.js";
import type { BatchProof } from "./proof.js";

const batchesAtOnce = 4;
const sessionsAtOnce = 4;
const informationPatienceMs = 5_000;
/** Subscriptions of a peer that states how many it takes which are kept free for history. */
const historicSubscriptions = 8;

export interface ConnectionParts
  extends LinkOptions,
    Pick<HistoricContext, "events" | "intake" | "rejected" | "refusedIds" | "onNegentropyUnusable"> {
  readonly sockets: SocketFactory;
  readonly logger: Logger;
  readonly timeoutMs: number;
  fetchInformation(signal: AbortSignal): Promise<PeerInformation | null>;
  onInformation(information: PeerInformation): void;
  /** The connection is gone; nothing when we closed it. Once. */
  onLost(failure: PeerFailure | null): void;
}

/** Connects to a peer. @throws {PeerConnectError} */
export async function openConnection(parts: ConnectionParts, signal: AbortSignal): Promise<PeerConnection> {
  const early: string[] = [];
  let connection: PeerConnection | undefined;
  let lost: { readonly failure: PeerFailure | null } | undefined;
  const socket = await parts.sockets.open(
    parts.url,
    {
      onMessage(text) {
        if (connection) connection.receive(text);
        else early.push(text);
      },
      onClose(failure) {
        if (connection) connection.end(failure);
        else lost = { failure };
      },
    },
    { timeoutMs: parts.timeoutMs, signal },
  );
  connection = new PeerConnection(socket, parts);
  for (const text of early) connection.receive(text);
  const { failure } = lost ?? {};
  if (lost) queueMicrotask(() => connection?.end(failure ?? null));
  return connection;
}

/** One open connection to a peer and what is done over it. It ends with the socket and is never used again. */
export class PeerConnection {
  readonly link: PeerLink;
  readonly live: LiveSubscriptions;
  readonly #socket: PeerSocket;
  readonly #parts: ConnectionParts;
  readonly #abort = new AbortController();
  readonly #batches = createTurns(batchesAtOnce);
  readonly #sessions = createTurns(sessionsAtOnce);
  readonly #pageLimits: Promise<PageLimits>;
  #filterSize = maxFilterValues;
  #maxLiveSubscriptions = Number.POSITIVE_INFINITY;
  #ended = false;

  constructor(socket: PeerSocket, parts: ConnectionParts) {
    this.#socket = socket;
    this.#parts = parts;
    const { signal } = this.#abort;
    setMaxListeners(0, signal);
    this.link = new PeerLink(socket, parts);
    this.live = new LiveSubscriptions({
      link: this.link,
      signal,
      sleep: (delayMs) => parts.clock.sleep(delayMs, { signal }),
      onFilterRefused: (values) => this.#shrinkFilters(values),
    });
    this.#pageLimits = this.#learnLimits();
  }

  /** How many live subscriptions there should be at most, as the peer says. */
  get maxLiveSubscriptions(): number {
    return this.#maxLiveSubscriptions;
  }

  /** How many values the lists of a filter may have. */
  get filterSize(): number {
    return this.#filterSize;
  }

  /** Takes a message of the peer. Whatever it leads to, only this connection pays for it. */
  receive(text: string): void {
    try {
      this.link.receive(text);
    } catch (error) {
      this.#parts.logger.error("a message of a peer was not understood", { error, relay: this.#parts.url });
      this.#socket.close(1000, "not understood");
      this.end({ kind: "lost", code: "UNEXPECTED", message: errorMessage(error) });
    }
  }

  /** Catches up with a batch, when it is its turn. See `syncBatch`. */
  sync(batch: Batch, signal: AbortSignal): Promise<BatchProof> {
    return this.#batches.take(async () => {
      signal.throwIfAborted();
      return syncBatch(
        batch,
        {
          ...this.#parts,
          link: this.link,
          sessions: this.#sessions,
          pageLimits: () => this.#pageLimits,
          onFilterRefused: (values) => this.#shrinkFilters(values),
        },
        signal,
      );
    });
  }

  close(reason: string): void {
    this.#socket.close(1000, reason);
    this.end(null);
  }

  /** Everything that reports the end comes here; the first report counts. */
  end(failure: PeerFailure | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#abort.abort(new Error("the connection ended"));
    this.link.end();
    this.#parts.onLost(failure);
  }

  #shrinkFilters(refused: number): void {
    this.#filterSize = Math.max(minFilterValues, Math.min(this.#filterSize, Math.ceil(refused / 2)));
  }

  /** What the peer says of itself, unless it takes too long. */
  async #learnLimits(): Promise<PageLimits> {
    const { clock, fetchInformation, onInformation } = this.#parts;
    const abort = new AbortController();
    const timer = clock.setTimer(informationPatienceMs, () => abort.abort());
    const information = await fetchInformation(AbortSignal.any([abort.signal, this.#abort.signal]));
    timer.cancel();
    if (information && !this.#ended) onInformation(information);
    if (information?.maxSubscriptions !== undefined)
      this.#maxLiveSubscriptions = Math.max(1, information.maxSubscriptions - historicSubscriptions);
    const stated = [information?.defaultLimit, information?.maxLimit].filter(
      (limit) => limit !== undefined && limit > 0,
    );
    const cap = stated.length > 0 ? Math.min(...stated.flatMap((limit) => limit ?? [])) : undefined;
    return { cap, probed: false, hints: false };
  }
}
