import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultOptions } from "../testing/prepare.js";
import { receivedItems } from "../testing/received-items.js";
import { prepareItems } from "./prepare-items.js";
import { readMonitorConfig, toSlug } from "./read-check-in.js";

const receivedAtMs = Date.parse("2026-03-10T12:00:00.000Z");

const prepare = (type: string, item: JsonValue, more: { sentAtMs?: number; eventId?: string } = {}) =>
  prepareItems(receivedItems([[type, item]], { receivedAtMs, ...more }), defaultOptions);

const outcomeOf = (type: string, item: JsonValue) =>
  prepare(type, item).outcomes.map((end) => [end.outcome, end.reason]);

describe("sessions", () => {
  const session = {
    sid: "7c7b6585-f901-4351-bf8d-02711b721929",
    did: "ann",
    started: "2026-03-10T11:30:00Z",
    timestamp: "2026-03-10T11:59:00Z",
    status: "exited",
    duration: 1740.5,
    errors: 2,
    attrs: { release: "shop@1.2.0", environment: "staging" },
  };

  test("ET-300 a session is read with its attributes, and time numbers the states of SDKs that do not", () => {
    const [read] = prepare("session", session).sessions;
    expect(read).toMatchObject({
      sessionId: "7c7b6585f9014351bf8d02711b721929",
      user: "ann",
      status: "exited",
      errors: 2,
      durationMs: 1_740_500,
      release: "shop@1.2.0",
      environment: "staging",
      startedAtMs: Date.parse(session.started),
    });
    const [begun] = prepare("session", { ...session, status: "ok" }).sessions;
    expect(begun?.seq).toBeLessThan(read?.seq ?? 0);
    expect(prepare("session", { ...session, seq: 7 }).sessions[0]?.seq).toBe(7);
  });

  test("ET-300 a session without a release is invalid", () => {
    expect(outcomeOf("session", { ...session, attrs: {} })).toEqual([["invalid", "no_release"]]);
    expect(outcomeOf("sessions", { aggregates: [{ started: session.started, exited: 1 }] })).toEqual([
      ["invalid", "no_release"],
    ]);
  });

  test("ET-300 a session changes for five days after its start and not any longer", () => {
    const inTime = { ...session, started: "2026-03-05T12:00:01Z", timestamp: "2026-03-10T12:00:00Z" };
    expect(outcomeOf("session", inTime)).toEqual([["stored", undefined]]);
    expect(outcomeOf("session", { ...inTime, started: "2026-03-05T11:59:59Z" })).toEqual([["invalid", "too_late"]]);
  });

  test("ET-300 sessions that the client counted are one entry for each kind, with an id that stays the same", () => {
    const aggregates: JsonObject[] = [
      { started: "2026-03-10T11:00:00Z", did: "ann", exited: 12, errored: 3, crashed: 1 },
      { started: "2026-03-10T11:01:00Z", abnormal: 2, exited: 0 },
    ];
    const item = { aggregates, attrs: { release: "shop@1.2.0" } };
    const message = receivedItems([["sessions", item]], { receivedAtMs });
    const { sessions } = prepareItems(message, defaultOptions);
    expect(sessions.map(({ status, quantity }) => [status, quantity])).toEqual([
      ["exited", 12],
      ["errored", 3],
      ["crashed", 1],
      ["abnormal", 2],
    ]);
    expect(new Set(sessions.map(({ sessionId }) => sessionId)).size).toBe(4);
    expect(prepareItems(message, defaultOptions).sessions).toEqual(sessions);
    expect(prepareItems({ ...message, id: "another" }, defaultOptions).sessions[0]?.sessionId).not.toBe(
      sessions[0]?.sessionId,
    );
  });

  test("ET-133 the clock of a client that is hours wrong is corrected for sessions, too", () => {
    const sent = { ...session, started: "2026-03-10T09:30:00Z", timestamp: "2026-03-10T09:59:00Z" };
    const [read] = prepare("session", sent, { sentAtMs: receivedAtMs - 7_200_000 }).sessions;
    expect(read?.startedAtMs).toBe(Date.parse("2026-03-10T11:30:00Z"));
  });
});

describe("check-ins", () => {
  test("ET-310 a check-in is read with its monitor's configuration, defaults included", () => {
    const [checkIn] = prepare("check_in", {
      check_in_id: "83a7c03ed0a04e1b97e2e3b18d38f244",
      monitor_slug: "Nightly  Backup!",
      status: "ok",
      duration: 12.25,
      environment: "production",
      contexts: { trace: { trace_id: "8f431b7aa08441bbbd5a0100fd91f9fe" } },
      monitor_config: { schedule: { type: "crontab", value: "0 3 * * *" }, max_runtime: 10, timezone: "Europe/Berlin" },
    }).checkIns;
    expect(checkIn).toMatchObject({
      slug: "nightly-backup",
      status: "ok",
      durationMs: 12_250,
      traceId: "8f431b7aa08441bbbd5a0100fd91f9fe",
      config: {
        schedule: { type: "crontab", value: "0 3 * * *" },
        checkinMarginMinutes: 1,
        maxRuntimeMinutes: 10,
        timezone: "Europe/Berlin",
        failureIssueThreshold: 1,
        recoveryThreshold: 1,
      },
    });
  });

  test.each([
    ["without a monitor", { status: "ok" }],
    ["with a name of nothing but signs", { monitor_slug: "???", status: "ok" }],
    ["with a status that only the server gives", { monitor_slug: "backup", status: "missed" }],
    ["that is no object", [1]],
  ])("ET-310 a check-in %s is invalid", (_case, item) => {
    expect(outcomeOf("check_in", item)).toEqual([["invalid", "json"]]);
  });

  test("ET-310 slugs keep small letters, digits, hyphens and underscores, at most 50", () => {
    expect(toSlug("Ärger/../im_Büro 7")).toBe("rger-im_b-ro-7");
    expect(toSlug("x".repeat(99))).toHaveLength(50);
    for (const none of ["", "///", 7, null]) expect(toSlug(none)).toBeUndefined();
  });

  test("ET-310 a configuration by which nothing can run is left out", () => {
    const interval = { schedule: { type: "interval", value: 2, unit: "hours" } };
    expect(readMonitorConfig(interval)?.schedule).toEqual({ type: "interval", value: 2, unit: "hour" });
    expect(readMonitorConfig({ ...interval, timezone: "Moon/Base" })?.timezone).toBe("UTC");
    const unusable: JsonValue[] = [
      { type: "interval", value: 0, unit: "hour" },
      { type: "crontab", value: "rm -rf" },
      null,
      "daily",
    ];
    for (const schedule of unusable) expect(readMonitorConfig({ schedule })).toBeUndefined();
  });
});

describe("feedback", () => {
  const feedback = {
    event_id: "1".repeat(32),
    contexts: {
      feedback: {
        message: "The basket is empty again. My card is 4111 1111 1111 1111",
        contact_email: "ann@example.com",
        name: "Ann",
        url: "https://shop.example/basket",
        associated_event_id: "2".repeat(32),
        replay_id: "3".repeat(32),
      },
    },
  };

  test("ET-162 ET-170 what a person says is read, and secrets are taken out of it", () => {
    expect(prepare("feedback", feedback).feedback).toMatchObject([
      {
        feedbackId: "1".repeat(32),
        eventId: "2".repeat(32),
        replayId: "3".repeat(32),
        name: "Ann",
        email: "ann@example.com",
        url: "https://shop.example/basket",
        message: "The basket is empty again. My card is [creditcard]",
      },
    ]);
  });

  test("ET-162 a report of the older form belongs to its event, or to the envelope's", () => {
    const report = { name: "Ann", email: "ann@example.com", comments: "Nothing works" };
    expect(prepare("user_report", { ...report, event_id: "2".repeat(32) }).feedback).toMatchObject([
      { eventId: "2".repeat(32), message: "Nothing works" },
    ]);
    expect(prepare("user_report", report, { eventId: "4".repeat(32) }).feedback[0]?.eventId).toBe("4".repeat(32));
    expect(outcomeOf("user_report", report)).toEqual([["invalid", "json"]]);
  });

  test("ET-162 feedback without words is invalid, and no more than 4,096 characters are kept", () => {
    expect(outcomeOf("feedback", { contexts: { feedback: { message: " " } } })).toEqual([["invalid", "json"]]);
    const [long] = prepare("feedback", { contexts: { feedback: { message: "x".repeat(9000) } } }).feedback;
    expect(long?.message).toHaveLength(4096);
  });
});

test("ET-055 a client report is read in all its lists, and unknown names share one", () => {
  const { clientDiscards, outcomes } = prepare("client_report", {
    timestamp: "2026-03-10T11:00:00Z",
    discarded_events: [
      { reason: "before_send", category: "error", quantity: 3 },
      { reason: "made up", category: "no such", quantity: 2 },
      { reason: "before_send", category: "error", quantity: -1 },
      null,
    ],
    rate_limited_events: [{ category: "transaction", quantity: 5 }],
    filtered_sampling_events: "none",
  });
  expect(outcomes).toEqual([]);
  expect(clientDiscards.map(({ reason, category, quantity }) => [reason, category, quantity])).toEqual([
    ["before_send", "error", 3],
    ["other", "other", 2],
    ["rate_limited", "transaction", 5],
  ]);
  expect(clientDiscards[0]?.atMs).toBe(Date.parse("2026-03-10T11:00:00Z"));
});

test("ET-130 whatever an item holds, it ends in one outcome and harms no other", () => {
  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value))),
    fc.record({
      sid: fc.oneof(fc.uuid(), fc.jsonValue()),
      attrs: fc.oneof(fc.record({ release: fc.oneof(fc.string(), fc.jsonValue()) }), fc.jsonValue()),
      started: fc.oneof(
        fc.double(),
        fc.string(),
        fc.date().map((date) => String(date)),
      ),
      timestamp: fc.oneof(fc.double(), fc.integer(), fc.string()),
      monitor_slug: fc.oneof(fc.string(), fc.jsonValue()),
      status: fc.oneof(fc.constantFrom("ok", "error", "in_progress", "crashed"), fc.jsonValue()),
      duration: fc.oneof(fc.double(), fc.jsonValue()),
      monitor_config: fc.jsonValue(),
      contexts: fc.oneof(fc.record({ feedback: fc.record({ message: fc.jsonValue() }) }), fc.jsonValue()),
      aggregates: fc.jsonValue(),
      discarded_events: fc.jsonValue(),
    }),
  );
  const types = fc.constantFrom("session", "sessions", "check_in", "feedback", "user_report", "client_report");
  fc.assert(
    fc.property(types, anything, (type, value) => {
      const item: JsonValue = JSON.parse(JSON.stringify(value) ?? "null");
      const { outcomes, sessions } = prepareItems(
        receivedItems(
          [
            [type, item],
            ["user_report", { event_id: "1".repeat(32), comments: "hello" }],
          ],
          { receivedAtMs },
        ),
        defaultOptions,
      );
      expect(outcomes).toHaveLength(type === "client_report" ? 1 : 2);
      expect(outcomes.at(-1)).toMatchObject({ itemType: "user_report", outcome: "stored" });
      for (const { seq, startedAtMs } of sessions) {
        expect(seq).toBeGreaterThanOrEqual(0);
        expect(Math.abs(startedAtMs - receivedAtMs)).toBeLessThanOrEqual(31 * 86_400_000);
      }
    }),
    { numRuns: 500 },
  );
});
