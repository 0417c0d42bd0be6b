import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ulid } from "@signalbox/kernel";
import { requireServers, startPrometheus } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startTracker, type TrackerOptions, type TrackerUnderTest } from "./testing/start-tracker.js";

async function expose(tracker: TrackerUnderTest, path = "/metrics", accept?: string): Promise<string> {
  return (await fetch(`${tracker.metricsUrl}${path}`, accept ? { headers: { accept } } : {})).text();
}

async function start(options: TrackerOptions = {}): Promise<TrackerUnderTest> {
  const tracker = await startTracker(options);
  onTestFinished(() => tracker.close());
  return tracker;
}

const labels =
  'covered_experience_id="create_merge_request",feature_category="code_review_workflow",urgency="sync_fast"';

/** Values of samples by their text, once the exposition is not older than the last event. */
async function sample(tracker: TrackerUnderTest, name: string, more: string): Promise<number> {
  const line = (await expose(tracker)).split("\n").find((text) => text.startsWith(`${name}{${labels},${more}}`));
  return Number(line?.split(" ").at(-1) ?? Number.NaN);
}

describe("what is counted", () => {
  let tracker: TrackerUnderTest;
  beforeAll(async () => {
    tracker = await startTracker();
  });
  afterAll(() => tracker.close());

  test("XP-460 XP-461 XP-462 XP-463 XP-493 the series exist at 0 and rise under GitLab's names", async () => {
    for (const more of ['type="web",checkpoint="start"', 'type="browser",checkpoint="end"'])
      expect(await sample(tracker, "gitlab_covered_experience_checkpoint_total", more)).toBe(0);
    expect(await expose(tracker)).toContain(`gitlab_covered_experience_info{${labels}} 1`);
    const [good, bad] = [ulid(), ulid()];
    // However long the machine takes: the journey is over within its threshold.
    const startMs = Date.now();
    const at = (afterMs: number): string => new Date(startMs + afterMs).toISOString();
    for (const correlation_id of [good, bad]) await tracker.send({ correlation_id, client_timestamp: at(0) });
    await tracker.send({ correlation_id: good, checkpoint: "end", client_timestamp: at(500) });
    await tracker.send({ correlation_id: bad, checkpoint: "end", error: true });
    await expect.poll(() => sample(tracker, "gitlab_covered_experience_total", 'type="web",error="true"')).toBe(1);
    expect(await sample(tracker, "gitlab_covered_experience_checkpoint_total", 'type="web",checkpoint="start"')).toBe(
      2,
    );
    expect(await sample(tracker, "gitlab_covered_experience_total", 'type="web",error="false"')).toBe(1);
    expect(await sample(tracker, "gitlab_covered_experience_apdex_total", 'type="web",success="true"')).toBe(1);
    expect(await sample(tracker, "gitlab_covered_experience_apdex_total", 'type="web",success="false"')).toBe(0);
  });

  test("XP-469 XP-623 discards exist at 0 for each reason, so that the first ones are seen to rise", async () => {
    const lines = (await expose(tracker)).split("\n");
    for (const reason of ["user_error", "configuration", "cancelled", "unspecified", "other"])
      expect(lines).toContain(
        `signalbox_experience_discards_total{covered_experience_id="create_merge_request",reason="${reason}"} 0`,
      );
  });

  test("XP-495 OpenMetrics ends with # EOF and names the last journey of a series", async () => {
    const text = await expose(tracker, "/metrics", "application/openmetrics-text; version=1.0.0");
    expect(text).toMatch(/# EOF\n$/);
    expect(text).toMatch(
      /gitlab_covered_experience_total\{[^}]*error="true"\} 1 # \{correlation_id="[0-9A-Z]{26}"\} 1/,
    );
  });

  test("XP-494 ten thousand made-up ids, types, categories and reasons add no label", async () => {
    const seriesOf = async () =>
      new Set((await expose(tracker, "/metrics/experience")).split("\n").map((line) => line.replace(/ [^ ]*$/, "")));
    const before = await seriesOf();
    const batches = Array.from({ length: 20 }, (_, batch) =>
      Array.from({ length: 500 }, (_unused, index) => ({
        correlation_id: ulid(),
        covered_experience_id: index % 5 === 0 ? `made_up_${batch}_${index}` : "create_merge_request",
        checkpoint: index % 2 === 0 ? "start" : "end",
        type: `type-${batch}-${index}`,
        checkpoint_category: `category-${batch}-${index}`,
        feature_category: `category_${batch}_${index}`,
        urgency: "async_slow",
        client_timestamp: new Date().toISOString(),
        ...(index % 2 === 0 ? {} : { outcome: "discarded", discard_reason: `reason_${batch}_${index}` }),
      })),
    );
    const headers = { "content-type": "application/json", ...(await tracker.headers("experience:write")) };
    for (const body of batches) {
      let status = 429;
      while (status === 429)
        ({ status } = await fetch(`${tracker.url}/checkpoints/batch`, {
          method: "POST",
          headers,
          body: JSON.stringify(body),
        }));
      expect(status).toBe(200);
    }
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const added = [...(await seriesOf())].filter((series) => !before.has(series));
    expect(added.filter((series) => /made_up|type-|category-|category_\d|reason_/.test(series))).toEqual([]);
    expect(added.length).toBeLessThan(15);
  }, 60_000);
});

test("XP-491 separate keeps the counters on their own page", async () => {
  const tracker = await start({ environment: { SIGNALBOX_EXPERIENCE_SLI_METRICS: "separate" } });
  expect(await expose(tracker)).not.toContain("gitlab_covered_experience_total");
  expect(await expose(tracker, "/metrics/experience")).toContain("gitlab_covered_experience_total");
});

test("XP-492 another prefix takes the label along", async () => {
  const tracker = await start({ environment: { SIGNALBOX_EXPERIENCE_METRIC_PREFIX: "gitlab_user_experience" } });
  expect(await expose(tracker)).toContain('gitlab_user_experience_info{user_experience_id="create_merge_request"');
});

test("XP-493 above the bound only definitions with types are shown beforehand, and a first event brings all seven", async () => {
  const tracker = await start({ environment: { SIGNALBOX_EXPERIENCE_MAX_SERIES: "20" } });
  const seriesOf = async (): Promise<number> =>
    (await expose(tracker, "/metrics/experience"))
      .split("\n")
      .filter((line) => line.includes(labels) && /_total\{/.test(line)).length;
  expect(await seriesOf()).toBe(0);
  expect(tracker.lines.filter(({ message }) => message.startsWith("too many series")).length).toBe(1);
  await tracker.send({});
  await expect.poll(seriesOf).toBe(7);
});

test("XP-490 a restart neither loses nor repeats an increment", async () => {
  const directory = mkdtempSync(join(tmpdir(), "counters-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const first = await startTracker({ directory });
  for (let index = 0; index < 5; index++) await first.send({});
  await first.close();
  const second = await start({ directory });
  expect(await sample(second, "gitlab_covered_experience_checkpoint_total", 'type="web",checkpoint="start"')).toBe(5);
});

const needed = requireServers(["prometheus"]);

describe.skipIf(needed.skip)(needed.title("Prometheus"), () => {
  test("XP-460 XP-461 XP-462 XP-495 a real Prometheus scrapes the series", async () => {
    const tracker = await start();
    const correlation_id = ulid();
    await tracker.send({ correlation_id });
    await tracker.send({ correlation_id, checkpoint: "end" });
    const targets = [new URL(tracker.metricsUrl).host];
    const job = { job_name: "signalbox", honor_labels: true, static_configs: [{ targets }] };
    const prometheus = await startPrometheus({
      config: JSON.stringify({ global: { scrape_interval: "1s" }, scrape_configs: [job] }),
    });
    onTestFinished(() => prometheus.stop());
    const ask = async (query: string): Promise<string | undefined> => {
      const response = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(query)}`).catch(
        () => undefined,
      );
      if (!response?.ok) return undefined;
      const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result[0]?.value[1];
    };
    const id = '{covered_experience_id="create_merge_request"';
    await expect
      .poll(() => ask(`sum(gitlab_covered_experience_total${id},error="false"})`), { timeout: 30_000 })
      .toBe("1");
    expect(await ask(`sum(gitlab_covered_experience_checkpoint_total${id}})`)).toBe("2");
    expect(await ask(`sum(gitlab_covered_experience_apdex_total${id},success="true"})`)).toBe("1");
    expect(await ask("signalbox_experience_store_up")).toBe("1");
  });
});
