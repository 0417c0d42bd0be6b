import type { JsonValue } from "@signalbox/sentry-protocol";
import { itemReceived, itemReceivedId, type ReceivedItems } from "../events/item-events.js";
import type { EventAttachment } from "../store/attachments.js";

export interface ReceivedItemsOptions {
  readonly projectId?: number;
  readonly receivedAtMs?: number;
  readonly sentAtMs?: number;
  readonly eventId?: string;
  readonly attachments?: readonly EventAttachment[];
}

/** A message as the edge publishes it for items that are no events. */
export function receivedItems(
  items: readonly (readonly [type: string, payload: JsonValue])[],
  options: ReceivedItemsOptions = {},
): ReceivedItems {
  const { projectId = 1, receivedAtMs = Date.now(), sentAtMs, eventId, attachments = [] } = options;
  const parts = items.map(([type, payload]) => ({ type, payload: Buffer.from(JSON.stringify(payload)) }));
  return itemReceived.create(
    {
      project_id: projectId,
      key_id: 1,
      received_at: new Date(receivedAtMs).toISOString(),
      ...(sentAtMs === undefined ? {} : { sent_at: new Date(sentAtMs).toISOString() }),
      ...(eventId === undefined ? {} : { event_id: eventId }),
      items: parts.map(({ type, payload }) => ({
        type,
        payload: { encoding: "text" as const, content: payload.toString(), bytes: payload.length },
      })),
      attachments: attachments.map(({ blob, name, bytes, sha256 }) => ({ blob, name, bytes, sha256 })),
    },
    { id: itemReceivedId(projectId, parts, { eventId, sentAtMs, attachments }) },
  );
}
