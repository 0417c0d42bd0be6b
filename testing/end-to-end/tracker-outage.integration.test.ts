import { setTimeout as sleep } from "node:timers/promises";
import { type Client, createClient } from "@signalbox/experience-sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExperienceServer, startExperienceServer, sum } from "./experience-server.js";

// With more load: `TRACKER_OUTAGE_JOURNEYS=20000 npx vitest run testing/end-to-end/tracker-outage`.
const journeys = Number(process.env["TRACKER_OUTAGE_JOURNEYS"] ?? 1_200);

let signalbox: ExperienceServer;
let client: Client;

beforeAll(async () => {
  signalbox = await startExperienceServer();
  client = createClient({
    endpoint: signalbox.server.url,
    token: signalbox.writeToken,
    type: "web",
    definitions: "remote",
    maxQueueEvents: journeys * 4,
    maxQueueBytes: 2 ** 30,
    requestTimeoutMs: 2_000,
    maxBatchWaitMs: 20,
  });
});

afterAll(async () => {
  await client?.shutdown();
  await signalbox?.close();
});

test("XP-092 XP-371 PF-010 the tracker is killed twice under load: every journey is there and counted once", async () => {
  const failures: unknown[] = [];
  const note = (error: unknown): void => void failures.push(error);
  process.on("unhandledRejection", note);

  const started: string[] = [];
  const load = async (): Promise<void> => {
    for (let index = 0; index < journeys; index++) {
      const experience = client.start("import_project", { index });
      experience.checkpoint("unpacked");
      experience.complete();
      started.push(experience.correlationId ?? "");
      if (index % 20 === 19) await sleep(20);
    }
  };
  const kills = async (): Promise<void> => {
    for (const share of [1 / 3, 2 / 3]) {
      await expect.poll(() => started.length, { timeout: 60_000, interval: 5 }).toBeGreaterThan(journeys * share);
      signalbox.server.kill("SIGKILL");
      await signalbox.server.ended;
      await sleep(1_000);
      signalbox.server = await signalbox.installation.start();
    }
  };
  await Promise.all([load(), kills()]);

  expect(await client.flush(90_000)).toMatchObject({ pending: 0 });
  process.off("unhandledRejection", note);
  expect(failures).toEqual([]);
  const stats = client.stats();
  expect(stats).toMatchObject({ queued: journeys * 3, sent: journeys * 3 });
  expect(Object.values(stats.dropped).reduce((total, count) => total + count)).toBe(0);
  expect(stats.retried).toBeGreaterThan(0);

  const series = 'covered_experience_id="import_project"';
  const countOf = async (...parts: string[]): Promise<number> =>
    sum(await signalbox.metrics("gitlab_covered_experience"), series, ...parts);
  await expect.poll(() => countOf("_total{", 'error="false"'), { timeout: 30_000 }).toBe(journeys);
  expect(await countOf("checkpoint_total", 'checkpoint="start"')).toBe(journeys);
  expect(await countOf("checkpoint_total", 'checkpoint="intermediate"')).toBe(journeys);
  expect(await countOf("checkpoint_total", 'checkpoint="end"')).toBe(journeys);
  expect(await countOf("_total{", "error=")).toBe(journeys);
  expect(await countOf("apdex_total", "success=")).toBe(journeys);
  for (const correlationId of started.filter((_, index) => index % Math.ceil(journeys / 25) === 0))
    expect(await signalbox.stateOf("import_project", correlationId)).toBe("succeeded");
});
