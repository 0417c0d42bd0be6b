import { itemCategory, type JsonObject, ProtocolError, parseJsonObject } from "@signalbox/sentry-protocol";
import { unpackPayload } from "../digest/payload.js";
import type { PrepareOptions } from "../digest/prepare-event.js";
import type { ReceivedItems } from "../events/item-events.js";
import { clockDriftMs, parseTime } from "../normalise/times.js";
import type { AttachmentsOfEvent } from "../store/attachments.js";
import type { ClientDiscard } from "../store/client-discards.js";
import type { ItemMessage } from "../store/item-messages.js";
import type { LedgerEntry } from "../store/ledger.js";
import { type CheckIn, readCheckIn } from "./read-check-in.js";
import { readClientReport } from "./read-client-report.js";
import { type Feedback, readFeedback, readUserReport } from "./read-feedback.js";
import { UnreadableItem } from "./read-fields.js";
import { type ItemReceipt, readSession, readSessionAggregates, type SessionState } from "./read-session.js";

/** A message of items, read: what is left is to store it. */
export interface PreparedItems extends ItemMessage {
  readonly keyId: number;
  readonly retentionDays: number;
  readonly sessions: readonly SessionState[];
  readonly checkIns: readonly CheckIn[];
  readonly feedback: readonly Feedback[];
  readonly clientDiscards: readonly ClientDiscard[];
  readonly attachments: AttachmentsOfEvent | undefined;
  /** How each item ends that is counted: all but client reports. */
  readonly outcomes: readonly (LedgerEntry & { readonly itemType: string })[];
}

/**
 * Reads the items of a message. Pure. An item that is not of its type's form is counted as `invalid` and keeps the
 * others from nothing.
 */
export function prepareItems({ id, data }: Pick<ReceivedItems, "id" | "data">, options: PrepareOptions): PreparedItems {
  const projectId = data.project_id;
  const keyId = data.key_id;
  const receivedAtMs = parseTime(data.received_at);
  if (receivedAtMs === undefined) throw new TypeError("The message has no readable time of receipt.");
  const driftMs = clockDriftMs(receivedAtMs, parseTime(data.sent_at));
  const sessions: SessionState[] = [];
  const checkIns: CheckIn[] = [];
  const feedback: Feedback[] = [];
  const clientDiscards: ClientDiscard[] = [];
  const outcomes: PreparedItems["outcomes"][number][] = [];

  const read = (type: string, item: JsonObject, receipt: ItemReceipt): void => {
    const about = { ...receipt, eventId: data.event_id };
    if (type === "session") sessions.push(readSession(item, receipt));
    else if (type === "sessions") sessions.push(...readSessionAggregates(item, receipt));
    else if (type === "check_in") checkIns.push(readCheckIn(item, receipt));
    else if (type === "feedback") feedback.push(readFeedback(item, about, options.scrubbing));
    else if (type === "user_report") feedback.push(readUserReport(item, about, options.scrubbing));
    else if (type === "client_report") clientDiscards.push(...readClientReport(item, receipt, { projectId, keyId }));
    else throw new UnreadableItem("json");
  };
  const count = (itemType: string, end: Pick<LedgerEntry, "outcome" | "reason">, quantity = 1): void => {
    const category = itemCategory(itemType);
    if (category !== null) outcomes.push({ projectId, keyId, category, receivedAtMs, itemType, quantity, ...end });
  };

  for (const [position, { type, payload }] of data.items.entries()) {
    try {
      read(type, parseJsonObject(unpackPayload(payload)), { receivedAtMs, driftMs, itemKey: `${id}:${position}` });
      count(type, { outcome: "stored" });
    } catch (error) {
      count(type, { outcome: "invalid", reason: defectOf(error) });
    }
  }
  if (data.attachments.length > 0) count("attachment", { outcome: "stored" }, data.attachments.length);
  return {
    projectId,
    keyId,
    messageId: id,
    receivedAtMs,
    retentionDays: options.retentionDays,
    sessions,
    checkIns,
    feedback,
    clientDiscards,
    attachments:
      data.event_id === undefined || data.attachments.length === 0
        ? undefined
        : { projectId, eventId: data.event_id, receivedAtMs, attachments: data.attachments },
    outcomes,
  };
}

function defectOf(error: unknown): string {
  if (error instanceof UnreadableItem) return error.reason;
  if (error instanceof ProtocolError) return error.code === "ET_JSON_TOO_DEEP" ? "too_deep" : "json";
  throw error;
}
