import { expect, test } from "vitest";
import { explainFailures } from "./explain.js";
import type { EntryKind, TimelineEntry } from "./timeline-source.js";

function entry(id: string, atMs: number, rest: Partial<TimelineEntry> = {}): TimelineEntry {
  const kind = id.split(":")[0] as EntryKind;
  return { id, kind, atMs, title: id, status: "done", outcome: "ok", ...rest };
}

const journey = entry("journey:pay", 0, {
  title: "pay_order",
  status: "timed_out",
  outcome: "failed",
  durationMs: 12_000,
});
const started = entry("checkpoint:1", 0, { title: "pay_order: start", outcome: "neutral", causedBy: "journey:pay" });
const resumed = entry("checkpoint:2", 1_120, {
  title: "pay_order: charge",
  outcome: "neutral",
  causedBy: "journey:pay",
});

function attempt(id: string, atMs: number, rest: Partial<TimelineEntry> = {}): TimelineEntry {
  return entry(`attempt:${id}`, atMs, {
    title: "payments.charge_card/shop.order_placed",
    status: "retried",
    outcome: "failed",
    causedBy: "event:placed",
    details: { error: "TypeError: no account" },
    ...rest,
  });
}

const explanationOf = (entries: readonly TimelineEntry[], isComplete = true) =>
  explainFailures(entries, isComplete).get("journey:pay");

test("PF-071 a journey that ran out of time is explained by the handler that was given up, and leads to its error", () => {
  const error = entry("error:1", 2_001, {
    title: "TypeError: no account",
    status: "error",
    outcome: "failed",
    causedBy: "event:placed",
  });
  const noise = attempt("0", 1, { title: "mail.greet/shop.order_placed", details: { error: "Error: busy" } });
  expect(
    explanationOf([
      journey,
      started,
      noise,
      attempt("1", 1_000),
      resumed,
      attempt("2", 2_000, { status: "dead" }),
      error,
    ]),
  ).toEqual({
    text: "pay_order ran out of time after 12 s, last seen at charge after 1.1 s, probably because payments.charge_card failed 2 times and was given up: TypeError: no account",
    cause: "error:1",
  });
});

test("PF-071 without a handler that failed, the last error that was reported in time explains it", () => {
  const error = (n: number, atMs: number, title: string) =>
    entry(`error:${n}`, atMs, { title, status: "error", outcome: "failed" });
  const ended = { ...journey, status: "failed", durationMs: 44 };
  const said = entry("checkpoint:end", 44, {
    title: "pay_order: end",
    outcome: "failed",
    causedBy: "journey:pay",
    details: { error_message: "declined\nby the bank" },
  });
  expect(
    explanationOf([
      ended,
      error(1, 1, "Error: slow"),
      error(2, 2, "Error: card"),
      error(3, 9, "Error: card"),
      said,
      error(4, 45, "Error: later"),
    ]),
  ).toEqual({
    text: "pay_order failed after 44 ms (declined by the bank), probably because of Error: card (2 times)",
    cause: "error:3",
  });
});

test("PF-071 where nothing says why, that is said, unless something is missing from the timeline", () => {
  expect(explanationOf([journey, started])).toEqual({
    text: "pay_order ran out of time after 12 s, last seen at start after 0 ms; no handler failed under this id, and no error was reported",
  });
  expect(explanationOf([journey], false)).toEqual({ text: "pay_order ran out of time after 12 s" });
});

test("PF-071 of thousands of journeys under one id the first are explained", () => {
  const many = Array.from({ length: 5_000 }, (_, n) => ({ ...journey, id: `journey:${n}` }));
  expect(explainFailures(many, true).size).toBe(20);
});

test("PF-071 a long message is cut, and journeys that did not fail need no explanation", () => {
  const long = attempt("1", 1, { details: { error: "x".repeat(5_000) } });
  expect(explanationOf([journey, long])?.text.length).toBeLessThan(400);
  expect(explainFailures([{ ...journey, outcome: "ok" }, { ...journey, outcome: "open" }, long], true).size).toBe(0);
});
