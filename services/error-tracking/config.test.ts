import { defineSchema, readConfig } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { errorTrackingSection } from "./config.js";

const schema = defineSchema({ error_tracking: errorTrackingSection });
const mebibyte = 1024 * 1024;

test("what nobody sets has bounds all the same", () => {
  const { errorTracking } = readConfig({ schema, env: {} }).values;
  expect(errorTracking).toEqual({
    limits: {
      requestBytes: 100 * mebibyte,
      envelopeBytes: 200 * mebibyte,
      eventBytes: mebibyte,
      attachmentBytes: 50 * mebibyte,
      attachmentsPerEvent: 30,
      itemsPerEnvelope: 1000,
    },
    quota: { projectErrorsPerMinute: 300_000 },
    storm: { keepPerHour: 10_000 },
    queue: { maxMessages: 1_000_000, maxBytes: 10 * 1024 * mebibyte, highWater: 100_000, maxWaitMs: 1_500 },
    digest: { batchEvents: 1000, batchBytes: 16 * mebibyte, lingerMs: 500, concurrency: 2 },
    dedupDays: 7,
    retentionDays: "90",
    grouping: { version: 1, transitionMs: 30 * 86_400_000 },
    attachments: { enabled: true },
  });
});

test("each key has a variable", () => {
  const env = {
    SIGNALBOX_ERROR_TRACKING_LIMITS_EVENT_BYTES: "2MiB",
    SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "1s",
    SIGNALBOX_ERROR_TRACKING_GROUPING_TRANSITION: "7d",
    SIGNALBOX_ERROR_TRACKING_ATTACHMENTS_ENABLED: "false",
  };
  expect(readConfig({ schema, env }).values.errorTracking).toMatchObject({
    limits: { eventBytes: 2 * mebibyte },
    digest: { lingerMs: 1000 },
    grouping: { transitionMs: 7 * 86_400_000 },
    attachments: { enabled: false },
  });
});
