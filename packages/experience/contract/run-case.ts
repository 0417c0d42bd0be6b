import { expect } from "vitest";
import {
  type CounterKey,
  type Definition,
  type ExperienceStore,
  type Run,
  type RunIdentity,
  splitCounterKey,
} from "../index.js";
import type { CaseStep, TransitionCase } from "./cases.js";
import { at, checkpointOf, definitionOf } from "./journeys.js";
import { reapAll, risesBetween, type StoreUnderTest, ulidsOf } from "./subject.js";

let cases = 0;

/** Plays one case against a store and compares everything that it says. */
export async function runCase(subject: StoreUnderTest, given: TransitionCase): Promise<void> {
  const { store, clock } = subject;
  // Nothing of the case before is due any more.
  await clock.advanceBy(200_000);
  await reapAll(store);
  const { inactivityTimeoutMs, path } = given.terms ?? {};
  const definition = definitionOf(`case_${++cases}`, {
    ...(inactivityTimeoutMs === undefined ? {} : { inactivity_timeout_s: inactivityTimeoutMs / 1000 }),
    ...(path === undefined ? {} : { path }),
  });
  const beganMs = clock.nowMs();
  const correlationId = ulidsOf(clock)();
  const identity: RunIdentity = { tenant: "default", experienceId: definition.id, correlationId, run: "1" };
  for (const [index, step] of given.steps.entries()) {
    await clock.advanceBy(Math.max(0, beganMs + step.at - clock.nowMs()));
    const before = await store.counters();
    for (let time = 0; time < (step.times ?? 1); time++) await play(store, { step, definition, identity, beganMs });
    if (step.counts) {
      const rises = describeCounts(risesBetween(before, await store.counters()), definition.id);
      expect(rises, `counts of step ${index + 1}`).toEqual([...step.counts].sort());
    }
  }
  const stored = await store.get(identity);
  expect(summaryOf(stored?.run, beganMs)).toMatchObject(given.ends);
  expect(stored?.timeline.length).toBe(stored?.run.recorded);
}

interface Scene {
  readonly step: CaseStep;
  readonly definition: Definition;
  readonly identity: RunIdentity;
  readonly beganMs: number;
}

async function play(store: ExperienceStore, { step, definition, identity, beganMs }: Scene): Promise<void> {
  if (step.do === "reap") {
    await reapAll(store);
    return;
  }
  if (step.do === "heartbeat") {
    await store.heartbeat({ replica: "a", reason: "tracker_down" });
    return;
  }
  const sent = {
    correlation_id: identity.correlationId,
    checkpoint: step.do,
    client_timestamp: at(beganMs + (step.occurred ?? step.at)),
    ...(step.sent === undefined ? {} : { sent_timestamp: at(beganMs + step.sent) }),
    ...(step.type === undefined ? {} : { type: step.type }),
    ...(step.category === undefined ? {} : { checkpoint_category: step.category }),
    ...(step.eventId === undefined ? {} : { event_id: step.eventId }),
    ...(step.outcome === undefined ? {} : { outcome: step.outcome }),
    ...(step.reason === undefined ? {} : { discard_reason: step.reason }),
    ...(step.sequence === undefined ? {} : { sequence: step.sequence }),
  };
  const checkpoint = checkpointOf(definition, sent, { uncounted: step.uncounted ?? false });
  const [applied] = await store.apply([checkpoint]);
  if (step.result) expect(applied?.result).toBe(step.result);
  if (step.opens !== undefined)
    expect(applied && "answer" in applied ? applied.answer.reply.opened : undefined).toBe(step.opens);
}

/** Counters of one experience in the short form of the cases, sorted. */
function describeCounts(rises: ReadonlyMap<CounterKey, number>, experienceId: string): string[] {
  const texts: string[] = [];
  for (const [key, rise] of rises) {
    const [family, label, ...rest] = splitCounterKey(key);
    if (label !== experienceId) continue;
    for (let time = 0; time < rise; time++) texts.push(shortForm(family, rest));
  }
  return texts.sort();
}

const letters: Readonly<Record<string, string>> = { checkpoint: "C", total: "T", apdex: "A" };

function shortForm(family: string | undefined, labels: readonly string[]): string {
  const value = labels.at(-1) ?? "";
  if (family === "timeouts") return value;
  if (family === "late_ends") return `late(${value})`;
  if (family === "discards") return `discard(${value})`;
  const type = labels.at(-2);
  return `${letters[family ?? ""]}(${value})${type === "web" ? "" : `@${type}`}`;
}

function summaryOf(run: Run | undefined, beganMs: number): Record<string, unknown> {
  if (!run) return { state: "none" };
  const relative = (timeMs: number | undefined): number | undefined =>
    timeMs === undefined ? undefined : timeMs - beganMs;
  const { verdict } = run;
  return {
    state: run.state,
    reason: verdict?.reason,
    verdictAt: relative(verdict?.verdictAtMs),
    elapsedMs: verdict ? (verdict.elapsedMs ?? "unknown") : undefined,
    anomalies: run.anomalies,
    recorded: run.recorded,
    deadline: relative(run.deadlineMs),
    due: relative(run.dueMs),
    lateByMs: run.lateEnd?.latenessMs,
    uncounted: run.uncounted ?? false,
  };
}
