import type { Blobs } from "@signalbox/blobs";
import type { TransactionHandle } from "@signalbox/database";
import { type Clock, isUlid, type Logger, ulidTimeMs } from "@signalbox/kernel";
import { EventInstance } from "./event.js";
import type { BlobRecords } from "./records/records.js";

export interface EventBlobsOptions {
  readonly blobs: Blobs;
  readonly records: BlobRecords;
  readonly clock: Clock;
  readonly logger: Logger;
}

const namespace = "event-data";
/** A blob that nobody refers to may belong to a publish under way, or to a transaction that is still open. */
const orphanAgeMs = 3_600_000;
const keysAtOnce = 500;

/** A letter often has the id of its delivery, but lives longer. */
export function letterHolder(letterId: string): string {
  return `letter ${letterId}`;
}

interface Kept {
  readonly blob: Promise<string>;
  fromBefore: boolean;
}

/**
 * The data of events that are too large for the transport. A blob lives as long as a delivery or dead letter refers to
 * it: the reference is written before the delivery, and taken back after its settlement.
 */
export class EventBlobs {
  readonly #options: EventBlobsOptions;
  /** Blobs of publishes under way, and of those that failed: repeating them makes no second one. */
  readonly #keptFor = new WeakMap<EventInstance<unknown>, Kept>();

  constructor(options: EventBlobsOptions) {
    this.#options = options;
  }

  /** The blob with the data of the event, held for the delivery. */
  async keep(
    event: EventInstance<unknown>,
    deliveryId: string,
    transaction: TransactionHandle | undefined,
  ): Promise<string> {
    let kept = this.#keptFor.get(event);
    if (!kept) {
      const data = Buffer.from(EventInstance.dataJson(event));
      kept = { blob: this.#options.blobs.put(data, { namespace }).then(({ key }) => key), fromBefore: false };
      kept.blob.catch(() => this.#keptFor.delete(event));
      this.#keptFor.set(event, kept);
    }
    const blob = await kept.blob;
    await this.#options.records.hold(blob, deliveryId, transaction);
    return blob;
  }

  /**
   * The transport did not take the delivery. A blob of this very publish is not needed for it then; one of an earlier,
   * failed publish may be what the transport has after all.
   */
  async refused(event: EventInstance<unknown>, deliveryId: string): Promise<void> {
    const kept = this.#keptFor.get(event);
    if (!kept || kept.fromBefore) return;
    await this.#delete(await this.#options.records.release(deliveryId, await kept.blob));
  }

  /** The publish is over. After a success, publishing the event again would need a blob of its own. */
  concluded(event: EventInstance<unknown>, failed: boolean): void {
    const kept = this.#keptFor.get(event);
    if (!kept) return;
    if (failed) kept.fromBefore = true;
    else this.#keptFor.delete(event);
  }

  get(blob: string): Promise<Uint8Array> {
    return this.#options.blobs.get(blob);
  }

  /** A dead letter refers to the blob from now on. */
  hold(blob: string, holder: string): Promise<void> {
    return this.#options.records.hold(blob, holder, undefined);
  }

  /** A delivery or letter does not need its blobs any more; those that nobody else needs are deleted. */
  async release(holder: string): Promise<void> {
    try {
      await this.#delete(await this.#options.records.release(holder));
    } catch (error) {
      this.#options.logger.warn("the data of an event could not be deleted yet", { error, holder });
    }
  }

  /** Deletes what was put but never referred to, because a publish broke off or was rolled back. */
  async deleteOrphans(signal: AbortSignal): Promise<void> {
    const { blobs, clock } = this.#options;
    const beforeMs = clock.nowMs() - orphanAgeMs;
    let keys: string[] = [];
    for await (const key of blobs.list(`${namespace}/`)) {
      if (signal.aborted) return;
      const made = key.slice(namespace.length + 1);
      if (!isUlid(made)) continue;
      if (ulidTimeMs(made) >= beforeMs) break;
      keys.push(key);
      if (keys.length < keysAtOnce) continue;
      await this.#deleteUnheld(keys);
      keys = [];
    }
    await this.#deleteUnheld(keys);
  }

  async #deleteUnheld(keys: readonly string[]): Promise<void> {
    if (keys.length > 0) await this.#delete(await this.#options.records.unheld(keys));
  }

  async #delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.#options.blobs.delete(key);
  }
}
