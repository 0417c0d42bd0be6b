import { ulid } from "@signalbox/kernel";
import { expect, onTestFinished, test, vi } from "vitest";
import { startTracker } from "./testing/start-tracker.js";

const soon = { timeout: 60_000, interval: 500 } as const;

test("XP-737 XP-735 a silent producer puts those verdicts into a gap that its types take part in, earlier ones too", async () => {
  const tracker = await startTracker({ withHistory: true });
  onTestFinished(() => tracker.close());
  const common = { description: "A journey", feature_category: "testing", urgency: "sync_fast" };
  await tracker.define("with_jobs", { ...common, types: ["web", "sidekiq"] });
  await tracker.define("git_only", { ...common, types: ["git"] });
  await tracker.define("anybody", common);
  await tracker.tracker.definitions.reload();
  const { store, history } = tracker.tracker;

  /** A journey that succeeds, by a component. */
  const travel = async (covered_experience_id: string, type: string): Promise<string> => {
    const correlation_id = ulid();
    const journey = { correlation_id, covered_experience_id, feature_category: "testing", type };
    await tracker.send(journey);
    await tracker.send({ ...journey, checkpoint: "end" });
    return correlation_id;
  };
  const travelAll = (): Promise<string[]> =>
    Promise.all([
      travel("with_jobs", "web"),
      travel("anybody", "sidekiq"),
      travel("anybody", "never_configured"),
      travel("anybody", "web"),
      travel("git_only", "git"),
    ]);
  const marksOf = (ids: readonly string[]) =>
    Promise.all(ids.map(async (id) => (await history.journeys("default", id)).runs[0]?.inMeasurementGap));

  const fromMs = Date.now() - 1_000;
  const earlier = await travelAll();
  await vi.waitFor(async () => expect(await marksOf(earlier)).toEqual([false, false, false, false, false]), soon);

  const silence = { tenant: "default", producer: "jobs", types: ["other", "sidekiq"], goesOn: true };
  const gap = { fromMs, toMs: Date.now(), reason: "producer_silent", replica: "a", silence } as const;
  await store.recordSilence(gap);
  await store.recordSilence({ ...gap, silence: { ...silence, tenant: "acme", types: ["git", "web"] } });
  const inGap = [true, true, true, false, false];
  // The list of gaps is read anew now and then, with the events that are handled.
  await vi.waitFor(async () => {
    await travel("git_only", "git");
    expect(await marksOf(earlier)).toEqual(inGap);
  }, soon);
  const during = await travelAll();
  await vi.waitFor(async () => expect(await marksOf(during)).toEqual(inGap), soon);

  const toMs = Date.now();
  await store.recordSilence({ ...gap, toMs, silence: { ...silence, goesOn: false } });
  const { body } = await tracker.get("/gaps");
  expect(body.gaps).toEqual([
    {
      from: new Date(fromMs).toISOString(),
      to: new Date(toMs).toISOString(),
      reason: "producer_silent",
      replica: "a",
      producer: "jobs",
      types: ["other", "sidekiq"],
      goes_on: false,
    },
  ]);
  // It is kept with the history, and is no time in which nothing could arrive.
  await vi.waitFor(async () => {
    await travel("git_only", "git");
    const rows = await tracker.analytics.query("SELECT reason, producer, types FROM experience_gaps FINAL");
    expect(rows).toEqual([{ reason: "producer_silent", producer: "jobs", types: ["other", "sidekiq"] }]);
  }, soon);
  const [row] = (await tracker.get("/reports/experiences")).body.experiences;
  expect(row).toMatchObject({ gap_s: 0, complete: true });
}, 120_000);

test("XP-167 XP-735 gaps are read with the scope to read, outages by everybody", async () => {
  const tracker = await startTracker({});
  onTestFinished(() => tracker.close());
  expect((await tracker.get("/gaps", "experience:write")).status).toBe(403);
  expect((await tracker.get("/gaps")).body).toEqual({ gaps: [] });
});
