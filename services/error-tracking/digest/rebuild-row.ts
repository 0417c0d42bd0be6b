import { isJsonObject } from "@signalbox/sentry-protocol";
import { markInApp } from "../grouping/mark-in-app.js";
import { normaliseEvent } from "../normalise/normalise-event.js";
import { makeEventRow } from "./analytics-rows.js";
import { userHashOf } from "./prepare-event.js";
import { culpritOf, titleOf } from "./title.js";

export interface RebuildFacts {
  readonly projectId: number;
  readonly eventId: string;
  readonly primaryHash: string;
  readonly timestampMs: number;
  readonly retentionDays: number;
  readonly groupingVersion: number;
}

/** The row of an event whose row was lost, from the payload that was kept. */
export function makeRowFromPayload(payload: string, facts: RebuildFacts): object {
  const stored: unknown = JSON.parse(payload);
  const raw = isJsonObject(stored) ? stored : {};
  const { event, correlationId } = normaliseEvent(raw, {
    eventId: facts.eventId,
    receivedAtMs: Date.parse(String(raw["received"])) || facts.timestampMs,
    correlationId: "",
  });
  markInApp(event);
  return makeEventRow(event, {
    ...facts,
    title: titleOf(event).title,
    culprit: culpritOf(event),
    correlationId,
    userHash: userHashOf(event.user),
    attachments: 0,
  });
}
