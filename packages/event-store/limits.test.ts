import { describe, expect, test } from "vitest";
import { defaultLimits, type Limits, readLimits } from "./limits.js";

const names = Object.keys(defaultLimits) as (keyof Limits)[];

describe.each(names)("ES-520 ES-522 ES-523 the limit %s", (name) => {
  test(`ES-520 ES-522 ES-523 ${name} has a default, which may be given`, () => {
    expect(readLimits()[name]).toBe(defaultLimits[name]);
    expect(readLimits({ [name]: defaultLimits[name] })).toEqual(defaultLimits);
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER])(
    `ES-520 ES-522 ES-523 ${name} may not be %d: key and range are named`,
    (value) => {
      let error: unknown;
      try {
        readLimits({ [name]: value });
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({
        code: "EVT_CONFIG_INVALID",
        message: expect.stringMatching(new RegExp(`\`limits\\.${name}\` must be an integer from \\d+ to \\d+`)),
        details: { option: `limits.${name}` },
      });
    },
  );
});

test("ES-520 the defaults are those that are documented", () => {
  expect(defaultLimits).toMatchObject({
    slots: 64,
    leaseMs: 10_000,
    maxCrashes: 3,
    maxInlineBytes: 262_144,
    maxEventBytes: 16_777_216,
    maxPendingPublishes: 10_000,
    groupBatchSize: 100,
    groupBatchGapMs: 10_000,
    groupBaseDelayMs: 1_000,
    outboxPollMs: 500,
    outboxMaxLagMs: 300_000,
    inboxRetentionMs: 604_800_000,
    deadRetentionDays: 30,
    maxReplays: 3,
  });
});
