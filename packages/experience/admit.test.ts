import { expect, test } from "vitest";
import { admit, createRegistry, readPayload } from "./index.js";
import { admitOptions, definitionOf } from "./testing.js";

const definition = definitionOf("checkout", { types: ["kiosk"] });
const registry = createRegistry([definition]);

function checkpoint(changes: object, options: Partial<typeof admitOptions> = {}) {
  const reading = readPayload({
    correlation_id: "01JP0EM7HB39WSJNR4662MYZ6V",
    covered_experience_id: "checkout",
    checkpoint: "start",
    type: "web",
    feature_category: definition.featureCategory,
    urgency: definition.urgency,
    client_timestamp: "2025-02-06T14:30:00Z",
    ...changes,
  });
  if (reading.kind === "invalid") throw new Error(JSON.stringify(reading.faults));
  const admission = admit(reading.payload, registry, { ...admitOptions, ...options });
  if (admission.kind === "refused") throw new Error(admission.code);
  return admission.checkpoint;
}

test("XP-205 XP-206 what counts is what the definition says", () => {
  expect(checkpoint({}).anomalies).toEqual([]);
  const lied = checkpoint({ feature_category: "billing", urgency: "async_slow" });
  expect(lied.anomalies).toEqual(["definition_mismatch"]);
  expect(lied.terms).toEqual(checkpoint({}).terms);
});

test("XP-204 XP-494 a type is a label when it is configured or the definition names it", () => {
  expect(checkpoint({ type: "web" })).toMatchObject({ typeLabel: "web", anomalies: [] });
  expect(checkpoint({ type: "kiosk" })).toMatchObject({ typeLabel: "kiosk", anomalies: [] });
  expect(checkpoint({ type: "made-up" })).toMatchObject({
    type: "made-up",
    typeLabel: "other",
    anomalies: ["unknown_type"],
  });
});

test("XP-213 XP-494 a discard reason is a label when it is configured", () => {
  const end = (discard_reason: string) => checkpoint({ checkpoint: "end", outcome: "discarded", discard_reason });
  expect(end("user_error").discardLabel).toBe("user_error");
  expect(end("made_up")).toMatchObject({ discardReason: "made_up", discardLabel: "other" });
});

test("XP-201 XP-494 an unknown experience is refused, or taken under labels that say so", () => {
  expect(() => checkpoint({ covered_experience_id: "unknown" })).toThrow("unknown_experience");
  const taken = checkpoint({ covered_experience_id: "unknown", urgency: "custom" }, { unknown: "accept" });
  expect(taken).toMatchObject({
    identity: { experienceId: "unknown" },
    anomalies: ["unknown_experience"],
    terms: {
      experienceLabel: "unregistered",
      featureCategory: "unregistered",
      urgency: "unregistered",
      thresholdMs: 300_000,
      timeoutMs: 3_600_000,
    },
  });
});

test("XP-235 without an event id the content is the key; sending times are no content", () => {
  const one = checkpoint({});
  expect(checkpoint({ sent_timestamp: "2025-02-06T14:30:05Z", meta: { a: 1 } }).eventKey).toBe(one.eventKey);
  for (const change of [
    { correlation_id: "01JP0EM7HB39WSJNR4662MYZ6W" },
    { run: "2" },
    { checkpoint: "intermediate" },
    { checkpoint_category: "a" },
    { type: "sidekiq" },
    { client_timestamp: "2025-02-06T14:30:01Z" },
  ])
    expect(checkpoint(change).eventKey).not.toBe(one.eventKey);
  const ends = [{ outcome: "success" }, { outcome: "error" }].map((change) =>
    checkpoint({ checkpoint: "end", ...change }),
  );
  expect(ends[0]?.eventKey).not.toBe(ends[1]?.eventKey);
  expect(checkpoint({ event_id: "mine" }).eventKey).toBe("mine");
});
