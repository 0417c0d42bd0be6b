import { createInbox, headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import type { Clock, Timer } from "@signalbox/kernel";
import { refusal, unavailable } from "./port-errors.js";

/** What the stream answers to a message. */
export interface PublishAck {
  /** The id was there already; nothing was added. */
  readonly duplicate: boolean;
}

interface Waiting {
  readonly resolve: (ack: PublishAck) => void;
  readonly reject: (error: Error) => void;
  readonly untilMs: number;
}

const sweepMs = 250;
/** No stream has come this far, so a message that expects it is not added. */
const beyondAnySequence = String(Number.MAX_SAFE_INTEGER);
/** JetStream: "wrong last sequence". */
const wrongLastSequence = 10_071;
const nothing = new Uint8Array(0);

/** Publishes to the stream and waits for its answers: one subscription and one timer for all of them. */
export class PublishAcks {
  readonly #connection: NatsConnection;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #inbox = `${createInbox()}.`;
  readonly #waiting = new Map<string, Waiting>();
  #count = 0;
  #timer: Timer | undefined;

  constructor(connection: NatsConnection, clock: Clock, timeoutMs: number) {
    this.#connection = connection;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    connection.subscribe(`${this.#inbox}*`, { callback: (error, message) => this.#answer(error, message) });
  }

  /** @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE` (then unknown), `EVT_TRANSPORT_FULL`. */
  publish(subject: string, messageId: string, payload: Uint8Array): Promise<PublishAck> {
    return this.#send(subject, messageId, payload);
  }

  /**
   * Whether a message with this id would be a repetition. The server looks for the id first, so what it refuses for its
   * place in the stream is new.
   * @throws {EventStoreError} `EVT_TRANSPORT_UNAVAILABLE`.
   */
  async isKnown(subject: string, messageId: string): Promise<boolean> {
    const { duplicate } = await this.#send(subject, messageId, nothing, beyondAnySequence);
    return duplicate;
  }

  #send(subject: string, messageId: string, payload: Uint8Array, expectedSequence?: string): Promise<PublishAck> {
    return new Promise((resolve, reject) => {
      const token = (++this.#count).toString(36);
      this.#waiting.set(token, { resolve, reject, untilMs: this.#clock.monotonicMs() + this.#timeoutMs });
      this.#timer ??= this.#clock.setTimer(sweepMs, () => this.#sweep());
      const own = headers();
      own.set("Nats-Msg-Id", messageId);
      if (expectedSequence !== undefined) own.set("Nats-Expected-Last-Sequence", expectedSequence);
      try {
        this.#connection.publish(subject, payload, { headers: own, reply: this.#inbox + token });
      } catch (error) {
        this.#waiting.delete(token);
        reject(unavailable(error));
      }
    });
  }

  #answer(error: Error | null, message: Msg): void {
    const token = message.subject.slice(this.#inbox.length);
    const waiting = this.#waiting.get(token);
    if (!waiting) return;
    this.#waiting.delete(token);
    if (error) waiting.reject(unavailable(error));
    else if (message.data.length === 0) waiting.reject(unavailable(new Error("The stream is not there")));
    else {
      // The server's own words; anything else is caught by the checks below.
      const answer = message.json<{
        duplicate?: boolean;
        seq?: number;
        error?: { err_code?: number; description?: string };
      }>();
      // Only a question expects a sequence.
      if (answer.error && answer.error.err_code !== wrongLastSequence)
        waiting.reject(refusal(answer.error.err_code, answer.error.description ?? "refused"));
      else waiting.resolve({ duplicate: answer.duplicate === true });
    }
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [token, { untilMs, reject }] of this.#waiting) {
      // Oldest first: whoever comes after has time left as well.
      if (untilMs > nowMs) break;
      this.#waiting.delete(token);
      reject(unavailable(new Error("The stream did not answer in time")));
    }
    this.#timer = this.#waiting.size > 0 ? this.#clock.setTimer(sweepMs, () => this.#sweep()) : undefined;
  }
}
