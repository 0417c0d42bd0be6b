import type { ProducerActivity } from "@signalbox/experience";
import { expect, onTestFinished, test } from "vitest";
import { createProducerSilence } from "./producer-silence.js";
import { sqlStoreUnderTest } from "./testing/sql-store-under-test.js";
import { recordingLogger } from "./testing/start-tracker.js";

const minuteMs = 60_000;
const hourMs = 3_600_000;
const newStore = sqlStoreUnderTest();

/** Two trackers on one store, half past an hour. */
async function twoTrackers() {
  const { store, clock, another, destroy } = await newStore({});
  onTestFinished(destroy);
  const second = await another();
  onTestFinished(() => second.close());
  await clock.advanceBy(72 * hourMs - (clock.nowMs() % hourMs) + 30 * minuteMs);
  const { logger, lines } = recordingLogger();
  const [one, two] = [store, second].map((shared, index) =>
    createProducerSilence({ store: shared, replica: `tracker-${index + 1}`, clock, logger }),
  );
  if (!one || !two) throw new Error("two trackers are needed");
  const sent = (producer: string, atMs: number, checkpoints: number, type = "web"): ProducerActivity => ({
    tenant: "default",
    producer,
    type,
    fromMs: atMs - (atMs % (5 * minuteMs)),
    checkpoints,
    anomalous: 0,
    starts: checkpoints,
    ends: 0,
    lastAtMs: atMs,
  });
  /** So many in each of the last hours; the last of them now. */
  const busy = async (producer: string, perHour: number, hours = 25): Promise<void> => {
    const nowMs = clock.nowMs();
    const all = Array.from({ length: hours }, (_, back) => sent(producer, nowMs - back * hourMs, perHour));
    await store.addActivity([...all, sent(producer, nowMs, 1, "sidekiq")]);
  };
  /** As what a tracker has gathered reaches the store, and then whoever watches. */
  const hear = async (producer: string): Promise<void> => {
    const added = [sent(producer, clock.nowMs(), 1)];
    await store.addActivity(added);
    await one.heard(added);
  };
  const silences = async () => (await store.gaps(0)).filter(({ silence }) => silence);
  const looks = async (): Promise<void> => void (await Promise.all([one.look(), two.look()]));
  return { store, clock, lines, busy, hear, silences, looks };
}

test("XP-737 who sent a hundred in each of 24 hours and then nothing for ten minutes is silent: said once, a gap of its types", async () => {
  const { clock, lines, busy, silences, looks } = await twoTrackers();
  await busy("forge", 100);
  await busy("rare", 99);
  await busy("young", 1_000, 24);
  const lastMs = clock.nowMs();
  await clock.advanceBy(10 * minuteMs - 1);
  await looks();
  expect(await silences()).toEqual([]);
  await clock.advanceBy(1);
  await looks();
  await looks();
  expect(lines).toMatchObject([
    {
      level: "warn",
      message: "experience.producer_silent",
      fields: { producer: "forge", types: ["sidekiq", "web"], silent_s: 600 },
    },
  ]);
  await clock.advanceBy(minuteMs);
  expect(await silences()).toMatchObject([
    {
      fromMs: lastMs,
      toMs: lastMs + 11 * minuteMs,
      reason: "producer_silent",
      silence: { tenant: "default", producer: "forge", types: ["sidekiq", "web"], goesOn: true },
    },
  ]);
});

test("XP-737 it is over with the next checkpoint, whichever tracker takes it", async () => {
  const { store, clock, lines, busy, hear, silences, looks } = await twoTrackers();
  await busy("forge", 100);
  const lastMs = clock.nowMs();
  await clock.advanceBy(30 * minuteMs);
  await looks();
  await clock.advanceBy(5_000);
  await hear("forge");
  const over = { fromMs: lastMs, toMs: lastMs + 30 * minuteMs + 5_000, silence: { goesOn: false } };
  expect(await silences()).toMatchObject([over]);
  await clock.advanceBy(minuteMs);
  await looks();
  expect(await silences()).toMatchObject([over]);
  expect(lines.map(({ message }) => message)).toEqual([
    "experience.producer_silent",
    "experience.producer_silence_ended",
  ]);
  // Nobody may have noticed when it was heard: the next look does.
  await busy("other", 100);
  const otherMs = clock.nowMs();
  await clock.advanceBy(10 * minuteMs);
  await looks();
  const [{ toMs: nowMs } = { toMs: 0 }] = (await silences()).slice(-1);
  await clock.advanceBy(20_000);
  const heard = { tenant: "default", producer: "other", type: "web", checkpoints: 1, anomalous: 0, starts: 1, ends: 0 };
  await store.addActivity([{ ...heard, fromMs: nowMs - (nowMs % 300_000), lastAtMs: clock.nowMs() }]);
  await clock.advanceBy(30_000);
  await looks();
  expect((await silences()).slice(-1)).toMatchObject([
    { fromMs: otherMs, toMs: nowMs + 20_000, silence: { producer: "other", goesOn: false } },
  ]);
});

test("XP-737 while nothing could arrive from anybody, nobody was silent", async () => {
  const { store, clock, busy, silences, looks } = await twoTrackers();
  await busy("forge", 100);
  await store.heartbeat({ replica: "tracker-1", reason: "tracker_down" });
  await clock.advanceBy(20 * minuteMs);
  expect((await store.heartbeat({ replica: "tracker-1", reason: "tracker_down" })).gap).toBeDefined();
  await looks();
  expect(await silences()).toEqual([]);
  await clock.advanceBy(10 * minuteMs);
  await looks();
  expect(await silences()).toHaveLength(1);
});

test("XP-737 who is not heard for a day is gone, and misses nothing any more", async () => {
  const { clock, lines, busy, silences, looks } = await twoTrackers();
  await busy("forge", 100);
  const lastMs = clock.nowMs();
  await clock.advanceBy(10 * minuteMs);
  await looks();
  await clock.advanceBy(24 * hourMs);
  await looks();
  await looks();
  expect(await silences()).toMatchObject([{ fromMs: lastMs, toMs: lastMs + 24 * hourMs, silence: { goesOn: false } }]);
  expect(lines.at(-1)).toMatchObject({ message: "experience.producer_silence_ended", fields: { heard: false } });
  expect(lines).toHaveLength(2);
});
