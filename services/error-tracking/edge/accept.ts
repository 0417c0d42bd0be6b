import { canonicalCorrelationId, isCorrelationId, type SignalboxError } from "@signalbox/kernel";
import {
  type ClientInfo,
  createEventId,
  isItemType,
  isJsonObject,
  itemCategory,
  type JsonObject,
  type JsonValue,
  normalizeEventId,
  ProtocolError,
  parseJsonObject,
  type RateLimit,
  repairText,
} from "@signalbox/sentry-protocol";
import { type CompressedForm, packPayload } from "../digest/payload.js";
import { eventReceived, eventReceivedId } from "../events/event-received.js";
import { itemCategories, itemReceived, itemReceivedId } from "../events/item-events.js";
import { IngestError } from "../http/ingest-errors.js";
import { isForeignCsp } from "../security/csp.js";
import { readSecurityReport } from "../security/read-report.js";
import type { EventAttachment } from "../store/attachments.js";
import { crashEvent, eventOfCrash } from "./crash-event.js";
import type { EdgeOutcome, RecordOutcome } from "./edge-outcomes.js";
import {
  type CollectedItem,
  createItemGatherer,
  type GatherDependencies,
  type Gathered,
  type IncomingItem,
} from "./gather-items.js";
import { eventDepth } from "./ingest-limits.js";
import { createPublish, type PublishDependencies, UnansweredPublish } from "./publish-event.js";
import { ledgerReason } from "./rate-limiter.js";
import type { Sender } from "./sender.js";

/** What is known about a request beside its items. */
export interface IngestRequest extends Sender {
  /** Where it came in. */
  readonly route: string;
  readonly receivedAtMs: number;
  readonly client: ClientInfo | undefined;
  readonly clientAddress: string | undefined;
  readonly origin: string | undefined;
  readonly userAgent: string | undefined;
  readonly correlationId: string | undefined;
}

/** Items with what the envelope's header says about all of them. */
interface IncomingEnvelope {
  readonly eventId: string | undefined;
  readonly sentAtMs: number | undefined;
  readonly sdk: JsonObject | undefined;
  readonly items: Iterable<IncomingItem> | AsyncIterable<IncomingItem>;
}

export interface Acceptance {
  /** Id of the event that was published; undefined when there was none or it was not taken. */
  readonly eventId: string | undefined;
  /** Items that arrived whole. */
  readonly wholeItems: number;
  /** Why something was not taken, when the client is to be told. What could be published was published all the same. */
  readonly problem: SignalboxError | undefined;
  /** Why items were refused because there were too many of their kind. */
  readonly limits: readonly RateLimit[];
  /** Items that are not kept, by their type. */
  readonly notStored: ReadonlyMap<string, number>;
  /** All limits that hold for the sender now. */
  readonly standing: readonly RateLimit[];
}

export interface AcceptDependencies extends GatherDependencies, PublishDependencies {
  readonly recordOutcome: RecordOutcome;
}

export interface Acceptor {
  /**
   * Takes what one request brought: attachments to the blob store, the event to the event store, everything else into the
   * outcomes. Resolves when all of it is durable. The same event may be accepted again; it is published once.
   * @throws what `envelope.items` throws beyond broken framing; then nothing was kept
   */
  accept(envelope: IncomingEnvelope, request: IngestRequest): Promise<Acceptance>;
}

/** Why an event is not wanted. */
interface Unwanted {
  /** What the client is told; nothing of filters. */
  readonly limits: readonly RateLimit[];
  readonly outcome: Pick<EdgeOutcome, "outcome" | "reason">;
}

export function createAcceptor(dependencies: AcceptDependencies): Acceptor {
  const { recordOutcome, limiter } = dependencies;
  const publish = createPublish(dependencies);
  const gatherer = createItemGatherer(dependencies);

  const countItem = (
    { projectId, keyId }: Sender,
    itemType: string,
    outcome: Pick<EdgeOutcome, "outcome" | "reason">,
    quantity = 1,
  ): void => {
    if (quantity > 0)
      recordOutcome({ projectId, keyId, category: itemCategory(itemType), itemType, quantity, ...outcome });
  };

  /** Why an event that can be read is not taken; undefined when it is, and then it is counted against its quotas. */
  const screenEvent = (payload: Uint8Array, itemType: string, request: IngestRequest): Unwanted | undefined => {
    const filter = request.filter?.(parseJsonObject(payload, { maxDepth: eventDepth }), request);
    if (filter !== undefined) return { limits: [], outcome: { outcome: "filtered", reason: filter } };
    const limit = limiter.take(request, itemCategory(itemType) ?? "default");
    return limit && { limits: [limit], outcome: { outcome: "rate_limited", reason: ledgerReason(limit) } };
  };

  const acceptEvent = async (
    { payload, itemType, attachments, compressed }: IncomingEvent,
    envelope: IncomingEnvelope,
    request: IngestRequest,
  ): Promise<{ readonly eventId: string; readonly limits: readonly RateLimit[] }> => {
    const facts = readFacts(payload);
    const eventId = envelope.eventId ?? facts.eventId ?? createEventId();
    const unwanted = screenEvent(payload, itemType, request);
    if (unwanted !== undefined) {
      countItem(request, itemType, unwanted.outcome);
      await gatherer.discard(attachments, request);
      return { eventId, limits: unwanted.limits };
    }
    const receivedAt = new Date(request.receivedAtMs).toISOString();
    const category = itemCategory(itemType);
    const packed = packPayload(payload, compressed);
    const data = {
      project_id: request.projectId,
      key_id: request.keyId,
      event_id: eventId,
      received_at: receivedAt,
      payload: packed instanceof Promise ? await packed : packed,
      attachments: [...attachments],
      ...whereDefined({
        category: category === null || category === "error" ? undefined : category,
        sent_at: envelope.sentAtMs === undefined ? undefined : new Date(envelope.sentAtMs).toISOString(),
        client_address: request.clientAddress,
        origin: request.origin,
        user_agent: request.userAgent,
        sdk: sdkOf(envelope.sdk) ?? request.client,
        request_correlation_id: request.correlationId,
      }),
    };
    const correlationId = facts.correlationId ?? request.correlationId;
    const event = eventReceived.create(data, {
      id: eventReceivedId(request.projectId, eventId),
      time: receivedAt,
      ...(correlationId === undefined ? {} : { correlationId }),
    });
    const isNew = await publish(event, payload.length, request.route);
    if (!isNew) {
      const copy = { outcome: "duplicate", reason: "same_content" } as const;
      countItem(request, itemType, copy);
      countItem(request, "attachment", copy, attachments.length);
    }
    return { eventId, limits: [] };
  };

  /** `acceptEvent`, with what is told of an event that is not taken. */
  const tryEvent = async (
    event: IncomingEvent,
    envelope: IncomingEnvelope,
    request: IngestRequest,
  ): Promise<Partial<Pick<Acceptance, "eventId" | "problem" | "limits">>> => {
    try {
      return await acceptEvent(event, envelope, request);
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      countRefusal(error, refusal.outcome, (outcome) => countItem(request, event.itemType, outcome));
      // After a failed publish the event may still turn up later, so its attachments stay; unused ones are
      // collected in time.
      if (refusal.outcome.outcome === "invalid") await gatherer.discard(event.attachments, request);
      return { problem: refusal.problem };
    }
  };

  /** What an envelope brought beside events, as one message. */
  const acceptOthers = async (
    items: readonly CollectedItem[],
    attachments: readonly EventAttachment[],
    { eventId, sentAtMs }: IncomingEnvelope,
    request: IngestRequest,
  ): Promise<Pick<Partial<Acceptance>, "problem">> => {
    const countAll = (outcome: Pick<EdgeOutcome, "outcome" | "reason">): void => {
      for (const { type } of items) if (itemCategory(type) !== null) countItem(request, type, outcome);
      countItem(request, "attachment", outcome, attachments.length);
    };
    const receivedAt = new Date(request.receivedAtMs).toISOString();
    const packed = items.map(async ({ type, payload }) => ({ type, payload: await packPayload(payload) }));
    const message = itemReceived.create(
      {
        project_id: request.projectId,
        key_id: request.keyId,
        received_at: receivedAt,
        items: await Promise.all(packed),
        quantities: quantitiesOf(items, attachments.length),
        attachments: [...attachments],
        ...whereDefined({
          event_id: eventId,
          sent_at: sentAtMs === undefined ? undefined : new Date(sentAtMs).toISOString(),
        }),
      },
      {
        id: itemReceivedId(request.projectId, items, { eventId, sentAtMs, attachments }),
        time: receivedAt,
        ...(request.correlationId === undefined ? {} : { correlationId: request.correlationId }),
      },
    );
    try {
      const isNew = await publish(
        message,
        items.reduce((sum, { payload }) => sum + payload.length, 0),
        request.route,
      );
      if (!isNew) countAll({ outcome: "duplicate", reason: "same_content" });
      return {};
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      countRefusal(error, refusal.outcome, countAll);
      return { problem: refusal.problem };
    }
  };

  /** The events of a security report that are worth keeping; what makes none is counted. */
  const readReport = ({ type, payload, attributes }: CollectedItem, request: IngestRequest): IncomingEvent[] => {
    try {
      const { sentry_release: release, sentry_environment: environment } = attributes;
      const reports = readSecurityReport(payload, { release, environment, userAgent: request.userAgent });
      if (reports.length === 0) countItem(request, type, { outcome: "not_stored", reason: type });
      const own = reports.filter((event) => !request.filterCspSources || !isForeignCsp(event["csp"]));
      countItem(request, type, { outcome: "filtered", reason: "csp_source" }, reports.length - own.length);
      return own.map((event) => ({ payload: Buffer.from(JSON.stringify(event)), itemType: type, attachments: [] }));
    } catch (error) {
      const refusal = refusalOf(error);
      if (!refusal) throw error;
      countItem(request, type, refusal.outcome);
      return [];
    }
  };

  const accept: Acceptor["accept"] = async (envelope, request) => {
    const gathered = await gatherer.gather(envelope.items, request);
    const { attachments, items, securityReports, wholeItems } = gathered;
    const event = eventOf(gathered);
    const accepted = event === undefined ? {} : await tryEvent(event, envelope, request);
    const parts: Partial<Pick<Acceptance, "problem" | "limits">>[] = [gathered, accepted];
    // Each report is an event of its own, whatever id the envelope has.
    for (const report of securityReports)
      for (const made of readReport(report, request))
        parts.push(await tryEvent(made, { ...envelope, eventId: undefined }, request));
    const alone = event === undefined ? attachments : [];
    const keepsThem = envelope.eventId !== undefined && gathered.events === 0;
    if (!keepsThem && alone.length > 0) await gatherer.discard(alone, request);
    const others = keepsThem ? alone : [];
    if (items.length + others.length > 0) parts.push(await acceptOthers(items, others, envelope, request));
    return {
      eventId: accepted.eventId,
      wholeItems,
      problem: parts.find(({ problem }) => problem !== undefined)?.problem,
      limits: parts.flatMap(({ limits = [] }) => limits),
      notStored: notStoredOf(gathered.outcomes),
      standing: limiter.standing(request),
    };
  };

  return { accept };
}

const nothing: ReadonlyMap<string, number> = new Map();

function notStoredOf(outcomes: readonly EdgeOutcome[]): ReadonlyMap<string, number> {
  if (outcomes.length === 0) return nothing;
  const byType = new Map<string, number>();
  for (const { outcome, itemType, quantity } of outcomes) {
    if (outcome !== "not_stored") continue;
    // Clients can invent any number of types.
    const type = isItemType(itemType) ? itemType : "unknown_type";
    byType.set(type, (byType.get(type) ?? 0) + quantity);
  }
  return byType;
}

/** An event on its way to be published. */
interface IncomingEvent {
  readonly payload: Uint8Array;
  /** The item that it came as. */
  readonly itemType: string;
  readonly attachments: readonly EventAttachment[];
  readonly compressed?: CompressedForm | undefined;
}

/** The event of an envelope, or the one that the report of a crash stands for. */
function eventOf({ event, events, compressedEvent, attachments }: Gathered): IncomingEvent | undefined {
  const crash =
    event === undefined && events === 0 ? crashEvent(attachments) : event && eventOfCrash(event, attachments);
  if (crash !== undefined) return { payload: Buffer.from(JSON.stringify(crash)), itemType: "event", attachments };
  return event && { payload: event, itemType: "event", attachments, compressed: compressedEvent };
}

function refusalOf(error: unknown) {
  if (error instanceof ProtocolError) {
    const reason = error.code === "ET_JSON_TOO_DEEP" ? "too_deep" : "json";
    return { problem: error, outcome: { outcome: "invalid", reason } } as const;
  }
  if (error instanceof IngestError)
    return { problem: error, outcome: { outcome: "rate_limited", reason: "backpressure" } } as const;
  return undefined;
}

/** Counts what was refused, once it is known that it really was: what the queue has after all is counted at its end. */
function countRefusal(
  error: unknown,
  outcome: Pick<EdgeOutcome, "outcome" | "reason">,
  count: (outcome: Pick<EdgeOutcome, "outcome" | "reason">) => void,
): void {
  if (!(error instanceof UnansweredPublish)) {
    count(outcome);
    return;
  }
  error.isNew.then(
    (isNew) => {
      if (!isNew) count({ outcome: "duplicate", reason: "same_content" });
    },
    () => count(outcome),
  );
}

interface EventFacts {
  readonly eventId: string | undefined;
  readonly correlationId: string | undefined;
}

/**
 * The little that the edge needs to know of an event. Nothing of the parsed payload is kept.
 * @throws {ProtocolError} `ET_JSON_INVALID`, `ET_JSON_TOO_DEEP`
 */
function readFacts(payload: Uint8Array): EventFacts {
  const event = parseJsonObject(payload, { maxDepth: eventDepth });
  const { contexts } = event;
  const trace = isJsonObject(contexts) ? contexts["trace"] : undefined;
  return {
    eventId: normalizeEventId(event["event_id"]),
    correlationId:
      toCorrelationId(findTag(event["tags"], "correlation_id")) ??
      toCorrelationId(isJsonObject(trace) ? trace["trace_id"] : undefined),
  };
}

function toCorrelationId(value: JsonValue | undefined): string | undefined {
  return typeof value === "string" && isCorrelationId(value) ? canonicalCorrelationId(value) : undefined;
}

/** Tags come as a map, as a list of pairs, or as a list of objects with key and value. */
function findTag(tags: JsonValue | undefined, name: string): JsonValue | undefined {
  if (isJsonObject(tags)) return tags[name];
  if (!Array.isArray(tags)) return undefined;
  for (const tag of tags) {
    const [key, value] = Array.isArray(tag) ? tag : isJsonObject(tag) ? [tag["key"], tag["value"]] : [];
    if (key === name) return value;
  }
  return undefined;
}

/** The SDK as the header of an envelope names it. */
export function sdkOf(sdk: JsonObject | undefined): { name: string; version?: string } | undefined {
  const { name, version } = sdk ?? {};
  if (typeof name !== "string" || name === "") return undefined;
  return {
    name: repairText(name.slice(0, 64)),
    ...(typeof version === "string" ? { version: repairText(version.slice(0, 32)) } : {}),
  };
}

/** How many items of each quota class a message holds; client reports are of none. */
function quantitiesOf(
  items: readonly Pick<CollectedItem, "type">[],
  attachments: number,
): { [Category in (typeof itemCategories)[number]]?: number } {
  const types = [...items.map(({ type }) => type), ...Array<string>(attachments).fill("attachment")];
  const counted = itemCategories.map((category) => {
    const quantity = types.filter((type) => itemCategory(type) === category).length;
    return [category, quantity === 0 ? undefined : quantity] as const;
  });
  return whereDefined(Object.fromEntries(counted));
}

function whereDefined<T extends object>(fields: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: Exclude<T[Name], undefined>;
  };
}
