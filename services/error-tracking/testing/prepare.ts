import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";
import type { DigestedEvent } from "../digest/digested-event.js";
import type { PrepareOptions } from "../digest/prepare-event.js";
import { defaultProjectSettings, prepareOptionsOf } from "../projects/project-settings.js";
import type { RecordOptions } from "../store/record-events.js";

/** A project that changed nothing, on an instance that changed nothing. */
export const defaultOptions: PrepareOptions = prepareOptionsOf(defaultProjectSettings, {
  groupingVersion: 1,
  retentionDays: 90,
});

/** The event as it is stored. */
export function storedEvent({ lines }: DigestedEvent): JsonObject {
  const event: unknown = JSON.parse(JSON.parse(Buffer.from(lines.payload).toString("utf8")).payload);
  if (!isJsonObject(event)) throw new TypeError("A stored event is an object.");
  return event;
}

/** For tests that do not look at explanations. */
export const unexplained: RecordOptions = { explain: () => "{}" };
