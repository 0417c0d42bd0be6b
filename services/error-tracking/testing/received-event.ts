import { randomUUID } from "node:crypto";
import type { JsonObject } from "@signalbox/sentry-protocol";
import type { ReceivedEvent } from "../digest/prepare-event.js";
import { eventReceived, eventReceivedId } from "../events/event-received.js";

export interface SampleOptions {
  readonly projectId?: number;
  readonly keyId?: number;
  readonly eventId?: string;
  readonly receivedAtMs?: number;
  readonly correlationId?: string;
  /** Instead of the payload as JSON. */
  readonly content?: string;
}

/** A message as the edge publishes it, around an event payload. */
export function receivedEvent(payload: JsonObject, options: SampleOptions = {}): ReceivedEvent {
  const { projectId = 1, keyId = 1, eventId = newEventId(), receivedAtMs = Date.now() } = options;
  const { content = JSON.stringify({ event_id: eventId, ...payload }) } = options;
  const data = {
    project_id: projectId,
    key_id: keyId,
    event_id: eventId,
    received_at: new Date(receivedAtMs).toISOString(),
    payload: { encoding: "text" as const, content, bytes: Buffer.byteLength(content) },
    attachments: [],
  };
  return eventReceived.create(data, {
    id: eventReceivedId(projectId, eventId),
    correlationId: options.correlationId ?? "request-1",
  });
}

/** An error that groups by its function. */
export function errorPayload(name: string, more: JsonObject = {}): JsonObject {
  const frames: JsonObject[] = [
    { function: "main", module: "app", in_app: true, lineno: 3, context_line: "main()" },
    {
      function: name,
      module: "app.work",
      in_app: true,
      lineno: 20,
      pre_context: ["def work():", "  check()"],
      context_line: `  ${name}()`,
      post_context: ["  done()"],
    },
  ];
  return {
    platform: "python",
    exception: { values: [{ type: "ValueError", value: `${name} failed`, stacktrace: { frames } }] },
    ...more,
  };
}

export function newEventId(): string {
  return randomUUID().replaceAll("-", "");
}
