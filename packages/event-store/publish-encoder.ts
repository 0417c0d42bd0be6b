import type { TransactionHandle } from "@signalbox/database";
import type { Pace } from "@signalbox/kernel";
import type { PlannedDelivery } from "./dispatch.js";
import type { Codec, EncodeOptions } from "./envelope.js";
import { InvalidEvent } from "./errors.js";
import { EventInstance } from "./event.js";
import type { EventBlobs } from "./event-blobs.js";
import type { Limits } from "./limits.js";
import type { GroupPlan } from "./publish-decider.js";
import type { PublishLog } from "./publish-log.js";
import type { FrozenRegistry } from "./registry.js";
import type { Delivery } from "./transports/transport.js";

export interface EncoderOptions {
  readonly registry: FrozenRegistry;
  readonly codec: Codec;
  readonly eventBlobs: EventBlobs | undefined;
  readonly limits: Limits;
  /** Resolves when the transaction, if any, can be used; `undefined` when it can be now. */
  readonly ready: (transaction: TransactionHandle | undefined) => Promise<void> | undefined;
}

/** For which delivery, and in which transaction, a blob is held. */
interface Keep {
  readonly deliveryId: string;
  readonly transaction: TransactionHandle | undefined;
}

/** Encoded events above this size are worth a warning. */
const largeEventBytes = 65_536;

/** Makes planned deliveries the texts that transports take. Data that is too large for that goes to the blob store. */
export class DeliveryEncoder {
  readonly #options: EncoderOptions;
  readonly #log: PublishLog;

  constructor(options: EncoderOptions, log: PublishLog) {
    this.#options = options;
    this.#log = log;
  }

  /** The only delivery of its event. A promise when data has to go to the blob store first. */
  encodeOnly(
    planned: PlannedDelivery,
    transaction: TransactionHandle | undefined,
  ): readonly Delivery[] | Promise<readonly Delivery[]> {
    const body = this.#encode(planned, transaction);
    if (typeof body !== "string") return body.then((late) => [toDelivery(planned, late)]);
    // Nobody else needs it a second time.
    for (const event of planned.events) if (!this.#log.quotes(event)) EventInstance.forgetDataJson(event);
    return [toDelivery(planned, body)];
  }

  async encodeAll(
    planned: readonly { readonly delivery: PlannedDelivery }[],
    transaction: TransactionHandle | undefined,
  ): Promise<readonly Delivery[]> {
    const deliveries: Delivery[] = [];
    for (const { delivery } of planned)
      deliveries.push(toDelivery(delivery, await this.#encode(delivery, transaction)));
    return deliveries;
  }

  /** One slice of a group. `kept`: what other subscriptions have had encoded. Gives way between the events. */
  async encodeSlice(
    planned: PlannedDelivery,
    transaction: TransactionHandle | undefined,
    pace: Pace,
    kept: EncodedEvents | undefined,
  ): Promise<Delivery> {
    const { id, places, events, key } = planned;
    const encoded: string[] = [];
    const keep = { deliveryId: id, transaction };
    for (const [index, event] of events.entries()) {
      const encoding = { key: key ?? event.key, sequence: sequenceOf(places?.[index] ?? index) };
      const known = kept?.get(event, encoding);
      if (known === undefined) {
        const json = this.#encodeEvent(event, encoding, keep);
        if (typeof json === "string") kept?.keep(event, encoding, json);
        encoded.push(typeof json === "string" ? json : await json);
        // Kept for the next subscription, the data of all events would be in memory twice.
        EventInstance.forgetDataJson(event);
      } else {
        this.#log.encoded(event, Buffer.byteLength(known));
        encoded.push(known);
      }
      const pause = pace();
      if (pause) await pause;
    }
    return toDelivery(planned, `[${encoded.join(",")}]`);
  }

  /** @throws {InvalidEvent} `EVT_TOO_LARGE` for an event that no transport would be given. */
  checkSizes(events: readonly EventInstance<unknown>[]): void {
    const { codec, limits } = this.#options;
    for (const event of events) {
      const bytes = Buffer.byteLength(codec.encode(event));
      EventInstance.forgetDataJson(event);
      if (bytes > limits.maxEventBytes) throw tooLarge(event, bytes, limits.maxEventBytes);
    }
  }

  /** @throws {InvalidEvent} `EVT_TOO_LARGE` when one event of the group is. Gives way between the events. */
  async checkGroupSizes(plans: readonly GroupPlan[], pace: Pace): Promise<void> {
    for (const { slices } of plans)
      for (const slice of slices)
        for (const { event, place, key } of slice) {
          const json = this.#options.codec.encode(event, { key: key ?? event.key, sequence: sequenceOf(place) });
          EventInstance.forgetDataJson(event);
          this.#placeOf(event, Buffer.byteLength(json));
          const pause = pace();
          if (pause) await pause;
        }
  }

  #encode(
    { id, events: [event], key }: PlannedDelivery,
    transaction: TransactionHandle | undefined,
  ): string | Promise<string> {
    if (!event) return "";
    return this.#encodeEvent(event, { key: key ?? event.key }, { deliveryId: id, transaction });
  }

  #encodeEvent(event: EventInstance<unknown>, encoding: EncodeOptions, keep: Keep): string | Promise<string> {
    const { codec, eventBlobs } = this.#options;
    const json = codec.encode(event, encoding);
    // Counting also makes one text of the pieces, which are then free.
    const bytes = Buffer.byteLength(json);
    this.#log.encoded(event, bytes);
    if (bytes > largeEventBytes && bytes <= this.#options.limits.maxEventBytes) this.#log.warnLarge(event, bytes);
    if (this.#placeOf(event, bytes) === "inline" || !eventBlobs) return json;
    // The data goes to the blob store, the envelope says where it is.
    return Promise.resolve(this.#options.ready(keep.transaction))
      .then(() => eventBlobs.keep(event, keep.deliveryId, keep.transaction))
      .then((dataRef) => codec.encode(event, { ...encoding, dataRef }));
  }

  /** Where the data of an event of this size goes. @throws {InvalidEvent} `EVT_TOO_LARGE` when there is no such place. */
  #placeOf(event: EventInstance<unknown>, bytes: number): "inline" | "blob" {
    const { limits, registry, eventBlobs } = this.#options;
    if (bytes > limits.maxEventBytes) throw tooLarge(event, bytes, limits.maxEventBytes);
    const maxInlineBytes = registry.lookup(event.type)?.maxInlineBytes ?? limits.maxInlineBytes;
    if (bytes <= maxInlineBytes) return "inline";
    if (!eventBlobs) throw tooLarge(event, bytes, maxInlineBytes);
    return "blob";
  }
}

/** Events of a group as they were encoded for one subscription, for the others that get the same. */
export class EncodedEvents {
  readonly #texts = new Map<EventInstance<unknown>, { readonly encoding: GroupEncoding; readonly json: string }>();
  readonly #maxLength: number;
  #length = 0;

  /** Texts beyond `maxLength` characters in all are not kept. */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  keep(event: EventInstance<unknown>, encoding: GroupEncoding, json: string): void {
    if (this.#length + json.length > this.#maxLength) return;
    this.#length += json.length;
    this.#texts.set(event, { encoding, json });
  }

  get(event: EventInstance<unknown>, { key, sequence }: GroupEncoding): string | undefined {
    const found = this.#texts.get(event);
    return found && found.encoding.key === key && found.encoding.sequence === sequence ? found.json : undefined;
  }
}

interface GroupEncoding {
  readonly key: string | null;
  readonly sequence: string;
}

/** Texts of one length, so that they sort like the places they stand for. */
function sequenceOf(place: number): string {
  return String(place).padStart(10, "0");
}

function toDelivery(planned: PlannedDelivery, body: string): Delivery {
  const { id, subscription, key, dueAtMs, dedup } = planned;
  return {
    id,
    subscriber: subscription.subscriber.name,
    subscription: subscription.id,
    eventType: subscription.event.type,
    body,
    key,
    perKey: subscription.options.concurrency.perKey,
    dueAtMs,
    maxPending: subscription.options.maxPending,
    dedup,
  };
}

function tooLarge(event: EventInstance<unknown>, bytes: number, maxBytes: number): InvalidEvent {
  return new InvalidEvent("EVT_TOO_LARGE", {
    message: `Event ${event.type} takes ${bytes} bytes, allowed are ${maxBytes}`,
    details: { type: event.type, bytes, maxBytes },
  });
}
