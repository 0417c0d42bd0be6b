import type { ServerResponse } from "node:http";
import type { Clock, Timer } from "@signalbox/kernel";
import type { RecentMessages, StreamMessage } from "./recent-messages.js";
import type { Principal } from "./scopes.js";

/** Why a stream ended. */
export type StreamEnd = "client" | "slow" | "token" | "shutdown";

/** A connection whose headers are out. */
export interface StreamConnection {
  readonly response: ServerResponse;
  readonly principal: Principal;
  readonly topics: ReadonlySet<string>;
  /** Id of the last message that the client has seen, by its own account. */
  readonly lastEventId: string | undefined;
  /** Aborted when the server stops. */
  readonly shutdown: AbortSignal;
  /** The principal of the same token now. Rejects when it is not good any more. */
  verifyAgain(): Promise<Principal>;
}

export interface StreamClientOptions extends StreamConnection {
  readonly clock: Clock;
  readonly epoch: string;
  readonly recent: RecentMessages<Principal>;
  readonly heartbeatMs: number;
  readonly recheckMs: number;
  readonly maxBehindBytes: number;
  readonly onEnd: (reason: StreamEnd) => void;
}

/** How long a client waits before it comes back by itself. */
const reconnectMs = 2_000;

/** One listener: writes what concerns it, and ends when it is too slow, its token is void, or either side closes. */
export class StreamClient {
  readonly topics: ReadonlySet<string>;
  readonly #options: StreamClientOptions;
  #principal: Principal;
  #heartbeat: Timer | undefined;
  #recheck: Timer | undefined;
  #ended = false;

  constructor(options: StreamClientOptions) {
    this.topics = options.topics;
    this.#options = options;
    this.#principal = options.principal;
  }

  begin(): void {
    const { response, shutdown, recent, lastEventId } = this.#options;
    const stop = (): void => this.#end("shutdown");
    response.once("close", () => {
      shutdown.removeEventListener("abort", stop);
      this.#end("client");
    });
    response.on("error", () => {});
    this.#write(`retry: ${reconnectMs}\n\n`);
    const missed = lastEventId === undefined ? [] : this.#missed(lastEventId);
    if (missed === undefined) this.#write(this.#event(recent.last, "reset", "{}"));
    else {
      for (const message of missed) this.offer(message);
      // With its id a client that has seen nothing yet can come back, too.
      this.#write(this.#event(recent.last, "ready", JSON.stringify({ topics: [...this.topics] })));
    }
    this.#beat();
    this.#checkLater();
    if (shutdown.aborted) stop();
    else shutdown.addEventListener("abort", stop, { once: true });
  }

  offer({ sequence, topic, data, visibleTo }: StreamMessage<Principal>): void {
    if (!this.topics.has(topic) || (visibleTo && !visibleTo(this.#principal))) return;
    this.#write(this.#event(sequence, topic, data));
  }

  /** `undefined` when it cannot be told what was missed. */
  #missed(lastEventId: string): readonly StreamMessage<Principal>[] | undefined {
    const { epoch, recent } = this.#options;
    const [from, sequence = ""] = lastEventId.split(".");
    return from === epoch && /^\d{1,15}$/.test(sequence) ? recent.after(Number(sequence)) : undefined;
  }

  #event(sequence: number, name: string, data: string): string {
    return `id: ${this.#options.epoch}.${sequence}\nevent: ${name}\ndata: ${data}\n\n`;
  }

  #write(text: string): void {
    const { response, maxBehindBytes } = this.#options;
    if (this.#ended) return;
    response.write(text);
    if (response.writableLength > maxBehindBytes) this.#end("slow");
  }

  #beat(): void {
    const { clock, heartbeatMs } = this.#options;
    this.#heartbeat = clock.setTimer(heartbeatMs, () => {
      this.#write(": heartbeat\n\n");
      if (!this.#ended) this.#beat();
    });
  }

  #checkLater(): void {
    const { clock, recheckMs, verifyAgain } = this.#options;
    this.#recheck = clock.setTimer(recheckMs, () => {
      verifyAgain().then(
        (principal) => {
          if (this.#ended) return;
          this.#principal = principal;
          this.#checkLater();
        },
        () => this.#end("token"),
      );
    });
  }

  #end(reason: StreamEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#heartbeat?.cancel();
    this.#recheck?.cancel();
    const { response, onEnd } = this.#options;
    // Whoever does not read would not read the end either.
    if (reason === "slow") response.destroy();
    else response.end();
    onEnd(reason);
  }
}
