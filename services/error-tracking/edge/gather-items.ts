import type { Blobs } from "@signalbox/blobs";
import { errorCode, type Logger, type SignalboxError, whenThere } from "@signalbox/kernel";
import {
  type ItemHeader,
  type ItemType,
  isItemType,
  itemCategory,
  type JsonValue,
  ProtocolError,
  type RateLimit,
  repairText,
} from "@signalbox/sentry-protocol";
import type { CompressedForm } from "../digest/payload.js";
import { IngestError } from "../http/ingest-errors.js";
import type { EventAttachment } from "../store/attachments.js";
import type { EdgeOutcome, RecordOutcome } from "./edge-outcomes.js";
import {
  attachmentNamespace,
  collectedItemBytes,
  type IngestLimits,
  itemBytes,
  sessionsPerEnvelope,
} from "./ingest-limits.js";
import { ledgerReason, type RateLimiter } from "./rate-limiter.js";
import type { Sender } from "./sender.js";

export interface IncomingItem extends ItemHeader {
  /** The whole payload, or its pieces as they arrive, to be read before the next item is asked for. */
  readonly payload: Uint8Array | AsyncIterable<Uint8Array>;
  /** Resolves when the payload has arrived whole, read or not; absent where it is there already. */
  complete?(): Promise<void>;
  /** The form in which the client sent the payload, where it is worth keeping. */
  readonly compressed?: CompressedForm;
  /** True for what no quota concerns, whatever its type. */
  readonly isUnlimited?: boolean;
}

/** An item that is kept as it came until it is stored. */
export interface CollectedItem {
  readonly type: ItemType;
  readonly payload: Uint8Array;
  readonly attributes: ItemHeader["attributes"];
}

/** What an envelope brought that is to be published. */
export interface Gathered {
  readonly event: Uint8Array | undefined;
  readonly compressedEvent: CompressedForm | undefined;
  /** Event items, those that were not taken included. */
  readonly events: number;
  readonly attachments: readonly EventAttachment[];
  /** Sessions, check-ins, feedback and client reports. */
  readonly items: readonly CollectedItem[];
  /** Reports of browsers, each of which makes events. */
  readonly securityReports: readonly CollectedItem[];
  /** Items that arrived whole, whatever became of them. */
  readonly wholeItems: number;
  /** The first reason why not everything was taken that should have been. */
  readonly problem: SignalboxError | undefined;
  /** How items ended that are not published. */
  readonly outcomes: readonly EdgeOutcome[];
  /** Why items were refused because there were too many of their kind. */
  readonly limits: readonly RateLimit[];
}

export interface GatherDependencies {
  /** Without it attachments are not kept. */
  readonly blobs: Blobs | undefined;
  readonly limits: IngestLimits;
  readonly logger: Logger;
  readonly recordOutcome: RecordOutcome;
  readonly limiter: RateLimiter;
}

export interface ItemGatherer {
  /**
   * Reads all items and sorts out what is to be published. Broken framing ends the reading; what was whole before it is
   * kept. Every item that is not kept is counted.
   * @throws what the items throw beyond broken framing; nothing is left in the blob store then
   */
  gather(items: Iterable<IncomingItem> | AsyncIterable<IncomingItem>, sender: Sender): Promise<Gathered>;
  /** Removes what was stored for attachments whose event is not going to be published, and counts them. */
  discard(attachments: readonly EventAttachment[], sender: Sender): Promise<void>;
}

/** Collects while the items of one envelope pass by. */
interface Gathering {
  readonly sender: Sender;
  /** Counted only once it is clear that the envelope itself is not refused. */
  readonly outcomes: EdgeOutcome[];
  event: Uint8Array | undefined;
  compressedEvent: CompressedForm | undefined;
  events: number;
  transactions: number;
  attachments: EventAttachment[];
  items: CollectedItem[];
  securityReports: CollectedItem[];
  collectedBytes: number;
  sessions: number;
  /** Largest size that an item may have which was larger. */
  tooLarge: number | undefined;
  problem: SignalboxError | undefined;
  limits: RateLimit[];
}

type ItemHandler = (item: IncomingItem, gathering: Gathering) => Promise<void> | void;

/** Longest text kept of what a client says about an attachment. */
const maxNameLength = 255;

export function createItemGatherer(dependencies: GatherDependencies): ItemGatherer {
  const { blobs, limits, logger, recordOutcome, limiter } = dependencies;
  const count = (
    { sender, outcomes }: Pick<Gathering, "sender" | "outcomes">,
    itemType: string,
    outcome: EdgeOutcome["outcome"],
    reason: string,
    quantity = 1,
  ): void => {
    const { projectId, keyId } = sender;
    outcomes.push({ projectId, keyId, itemType, category: itemCategory(itemType), outcome, reason, quantity });
  };

  /** Whether the item is one too many; then its payload is not even read. */
  const refuseLimited = (item: IncomingItem, gathering: Gathering): boolean => {
    const category = itemCategory(item.type);
    if (category === null || item.isUnlimited === true) return false;
    const { sender, limits: met } = gathering;
    const quantity = quantityOf(item);
    // What makes events is counted when it is known to be wanted.
    const makesEvents = item.type === "event" || isSecurityReport(item.type);
    const limit = makesEvents ? limiter.refuse(sender, category) : limiter.take(sender, category, quantity);
    if (limit === undefined) return false;
    met.push(limit);
    count(gathering, item.type, "rate_limited", ledgerReason(limit), quantity);
    return true;
  };

  const gatherEvent: ItemHandler = (item, gathering) => {
    if (gathering.events > 1) return count(gathering, item.type, "invalid", "duplicate_item");
    return whenThere(collect(item, limits.eventBytes), (payload) => {
      gathering.event = payload;
      gathering.compressedEvent = item.compressed;
      if (payload) return;
      count(gathering, item.type, "invalid", "too_large");
      gathering.problem ??= new IngestError("ET_EVENT_TOO_LARGE", { details: { maxBytes: limits.eventBytes } });
    });
  };

  const gatherAttachment: ItemHandler = async (item, gathering) => {
    if (!blobs) return count(gathering, item.type, "not_stored", item.type);
    const tooMany = gathering.attachments.length >= limits.attachmentsPerEvent;
    if (tooMany || (item.length ?? 0) > limits.attachmentBytes)
      return count(gathering, item.type, "invalid", "too_large");
    try {
      const stored = await blobs.put(item.payload, {
        namespace: attachmentNamespace,
        maxBytes: limits.attachmentBytes,
      });
      gathering.attachments.push(describeAttachment(item, stored));
    } catch (error) {
      const code = errorCode(error);
      if (!code?.startsWith("BLOB")) throw error;
      if (code === "BLOB_TOO_LARGE") return count(gathering, item.type, "invalid", "too_large");
      // The event itself is worth more than its attachment: it goes on without.
      logger.error("attachment could not be stored", { error });
      count(gathering, item.type, "rate_limited", "disk");
    }
  };

  /** Keeps the payload of an item that is small by its nature. */
  const collectItem =
    (maxBytes: number, into: "items" | "securityReports" = "items"): ItemHandler =>
    (item, gathering) =>
      whenThere(collect(item, Math.min(maxBytes, collectedItemBytes - gathering.collectedBytes)), (payload) => {
        if (payload === undefined || !isItemType(item.type)) {
          count(gathering, item.type, "invalid", "too_large");
          gathering.tooLarge ??= maxBytes;
          return;
        }
        gathering.collectedBytes += payload.length;
        gathering[into].push({ type: item.type, payload, attributes: item.attributes });
      });

  const collectSession = collectItem(itemBytes.session);
  const gatherSession: ItemHandler = (item, gathering) => {
    gathering.sessions++;
    if (gathering.sessions > sessionsPerEnvelope) return count(gathering, item.type, "invalid", "too_large");
    return collectSession(item, gathering);
  };

  const countTransaction: ItemHandler = (item, gathering) => {
    gathering.transactions++;
    if (gathering.transactions === 1) return countNotStored(item, gathering);
    return count(gathering, item.type, "invalid", "duplicate_item");
  };

  const countNotStored: ItemHandler = (item, gathering) => {
    const reason = isItemType(item.type) ? item.type : "unknown_type";
    count(gathering, item.type, "not_stored", reason, quantityOf(item));
  };

  /** What happens to each type of item. Payloads that a handler leaves unread are skipped, not held. */
  const handlers: Readonly<Record<ItemType, ItemHandler>> = {
    event: gatherEvent,
    attachment: gatherAttachment,
    transaction: countTransaction,
    feedback: collectItem(itemBytes.feedback),
    user_report: collectItem(itemBytes.feedback),
    session: gatherSession,
    sessions: gatherSession,
    check_in: collectItem(itemBytes.checkIn),
    client_report: collectItem(itemBytes.clientReport),
    span: countNotStored,
    log: countNotStored,
    trace_metric: countNotStored,
    statsd: countNotStored,
    metric_buckets: countNotStored,
    profile: countNotStored,
    profile_chunk: countNotStored,
    replay_event: countNotStored,
    replay_recording: countNotStored,
    replay_video: countNotStored,
    raw_security: collectItem(itemBytes.securityReport, "securityReports"),
    security: collectItem(itemBytes.securityReport, "securityReports"),
    nel: countNotStored,
    unreal_report: countNotStored,
    form_data: countNotStored,
  };

  const remove = async (attachments: readonly EventAttachment[]): Promise<void> => {
    for (const { blob } of attachments) {
      // What cannot be removed now has no reference and is collected later.
      await blobs?.delete(blob).catch((error: unknown) => logger.warn("attachment could not be removed", { error }));
    }
  };

  const take: ItemHandler = (item, gathering) => {
    if (item.type === "event") gathering.events++;
    if (refuseLimited(item, gathering)) return;
    return (isItemType(item.type) ? handlers[item.type] : countNotStored)(item, gathering);
  };

  return {
    async gather(items, sender) {
      const gathering: Gathering = {
        sender,
        outcomes: [],
        event: undefined,
        compressedEvent: undefined,
        events: 0,
        transactions: 0,
        attachments: [],
        items: [],
        securityReports: [],
        collectedBytes: 0,
        sessions: 0,
        tooLarge: undefined,
        problem: undefined,
        limits: [],
      };
      const { outcomes } = gathering;
      let wholeItems = 0;
      let wholeOutcomes = 0;
      const takeWhole = (item: IncomingItem): Promise<void> | void =>
        whenThere(take(item, gathering), () =>
          whenThere(item.complete?.(), () => {
            wholeItems++;
            wholeOutcomes = outcomes.length;
          }),
        );
      try {
        // Nothing is waited for that is there: most envelopes are, and come by the thousand a second.
        if (Symbol.iterator in items)
          for (const item of items) {
            const late = takeWhole(item);
            if (late) await late;
          }
        else for await (const item of items) await takeWhole(item);
      } catch (error) {
        if (!isBrokenFraming(error)) {
          await remove(gathering.attachments);
          throw error;
        }
        // What was said of the item that is not whole does not count.
        outcomes.length = wholeOutcomes;
        count(gathering, "request", "invalid", "framing");
        gathering.problem ??= error;
      }
      for (const outcome of outcomes) recordOutcome(outcome);
      const { tooLarge } = gathering;
      if (tooLarge !== undefined && wholeItems === 1)
        gathering.problem ??= new IngestError("ET_ITEM_TOO_LARGE", { details: { maxBytes: tooLarge } });
      return { ...gathering, wholeItems };
    },

    async discard(attachments, sender) {
      if (attachments.length === 0) return;
      const { projectId, keyId } = sender;
      const itemType = "attachment";
      recordOutcome({
        projectId,
        keyId,
        itemType,
        category: itemCategory(itemType),
        outcome: "not_stored",
        reason: itemType,
        quantity: attachments.length,
      });
      await remove(attachments);
    },
  };
}

function isSecurityReport(type: string): boolean {
  return type === "raw_security" || type === "security";
}

function isBrokenFraming(error: unknown): error is ProtocolError {
  return (
    error instanceof ProtocolError && (error.code === "ET_ENVELOPE_MALFORMED" || error.code === "ET_ITEMS_TOO_MANY")
  );
}

/** The payload as one piece; undefined when it is larger than `maxBytes`, of which no more than that was held. */
function collect(
  { payload, length }: IncomingItem,
  maxBytes: number,
): Uint8Array | undefined | Promise<Uint8Array | undefined> {
  if (payload instanceof Uint8Array) return payload.length > maxBytes ? undefined : payload;
  return (length ?? 0) > maxBytes ? undefined : collectPieces(payload, maxBytes);
}

async function collectPieces(payload: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of payload) {
    bytes += piece.length;
    if (bytes > maxBytes) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, bytes);
}

function describeAttachment(
  { attributes }: ItemHeader,
  stored: { readonly key: string; readonly bytes: number; readonly sha256: string },
): EventAttachment {
  const name = text(attributes["filename"]);
  const contentType = text(attributes["content_type"]);
  const attachmentType = text(attributes["attachment_type"]);
  return {
    blob: stored.key,
    name: name ?? "attachment",
    bytes: stored.bytes,
    sha256: stored.sha256,
    ...(contentType === undefined ? {} : { content_type: contentType }),
    ...(attachmentType === undefined ? {} : { attachment_type: attachmentType }),
  };
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? repairText(value.slice(0, maxNameLength)) : undefined;
}

/** Items that hold many of what is counted, and say so. */
const holders: ReadonlySet<string> = new Set([
  "transaction",
  "span",
  "log",
  "trace_metric",
  "statsd",
  "metric_buckets",
  "profile",
  "profile_chunk",
]);

function quantityOf({ type, attributes }: ItemHeader): number {
  const { item_count: itemCount } = attributes;
  return holders.has(type) && isCount(itemCount) ? itemCount : 1;
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
