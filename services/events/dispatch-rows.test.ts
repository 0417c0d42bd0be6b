import type { DispatchRecord, HandlingRecord } from "@signalbox/event-store";
import fc from "fast-check";
import { expect, test } from "vitest";
import { attemptRowJson, dispatchRowJson, fromAttemptRow, fromDispatchRow } from "./dispatch-rows.js";

const frame = { retentionDays: 30, worker: 'host "one":1' };
const text = fc.string({ unit: "binary" });
const id = fc.string({ unit: "grapheme-ascii", minLength: 1 });
const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
const optional = fc.option(text.filter((value) => value !== ""));
const duration = fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0);

const dispatches: fc.Arbitrary<DispatchRecord> = fc.record({
  eventId: id,
  eventType: id,
  subject: text,
  correlationId: text,
  causationId: optional,
  rootCaller: optional,
  publishedAtMs: time,
  subscriptions: fc.array(text),
  decisions: fc.array(fc.constantFrom("dispatched" as const, "condition_false" as const)),
  conditionUs: fc.array(duration),
  dueAtMs: fc.array(time),
  deliveryIds: fc.array(text),
});

const attempts: fc.Arbitrary<HandlingRecord> = fc.record({
  eventId: id,
  eventType: id,
  subscription: text,
  deliveryId: text,
  correlationId: text,
  attempt: fc.nat(),
  settlement: fc.constantFrom("done" as const, "retried" as const),
  startedAtMs: time,
  finishedAtMs: time,
  schedulingLatencyMs: duration,
  durationMs: duration,
  errorClass: optional,
  errorCode: optional,
  errorMessage: optional,
  ignored: fc.boolean(),
});

test("ES-282 the row of a publish says what its record says, whatever the texts are", () => {
  fc.assert(
    fc.property(dispatches, (record) => {
      const row = JSON.parse(dispatchRowJson(record, frame));
      expect(fromDispatchRow(row)).toEqual(record);
      expect(row.retention_days).toBe(30);
    }),
  );
});

test("ES-282 the row of an attempt says what its record says, and who handled it", () => {
  fc.assert(
    fc.property(attempts, (record) => {
      const row = JSON.parse(attemptRowJson(record, frame));
      expect(fromAttemptRow(row)).toEqual(record);
      expect(row).toMatchObject({ worker: frame.worker, retention_days: 30 });
    }),
  );
});
