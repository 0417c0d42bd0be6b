import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Registry } from "prom-client";
import { describe, expect, onTestFinished, test } from "vitest";
import { openClient } from "./testing/open-client.js";

async function samplesOf(registry: Registry, prefix: string): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => line.startsWith(`${prefix}_`) && !line.endsWith(" 0"));
}

const series = 'covered_experience_id="checkout",feature_category="shop",urgency="sync_fast",type="web"';

describe("XP-051 local mode", () => {
  test("XP-051 counts in this process and sends nothing", async () => {
    const registry = new Registry();
    const opened = openClient({ mode: "local", registry });
    const { client, clock } = opened;
    client.start("checkout").checkpoint("a").complete();
    const slow = client.start("checkout");
    await clock.advanceBy(2_001);
    slow.complete();
    client.start("checkout").error("x").complete();
    client.start("checkout").discard("cancelled");
    await clock.advanceBy(10_000);
    expect(opened.transport.requests).toEqual([]);
    expect(client.stats()).toMatchObject({ queued: 0, queueEvents: 0 });
    expect(await samplesOf(registry, "gitlab_covered_experience")).toEqual([
      `gitlab_covered_experience_checkpoint_total{${series},checkpoint="start"} 4`,
      `gitlab_covered_experience_checkpoint_total{${series},checkpoint="intermediate"} 1`,
      `gitlab_covered_experience_checkpoint_total{${series},checkpoint="end"} 3`,
      `gitlab_covered_experience_total{${series},error="false"} 2`,
      `gitlab_covered_experience_total{${series},error="true"} 1`,
      `gitlab_covered_experience_apdex_total{${series},success="true"} 1`,
      `gitlab_covered_experience_apdex_total{${series},success="false"} 1`,
    ]);
    expect(opened.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
      "info experience start",
      "info experience intermediate",
      "info experience success",
      "info experience start",
      "info experience success",
      "info experience start",
      "warn experience failure",
      "info experience start",
      "info experience discarded",
    ]);
    expect(opened.lines[4]?.fields).toMatchObject({
      covered_experience_id: "checkout",
      elapsed_time_s: 2.001,
      urgency_threshold_s: 2,
      success: true,
    });
  });

  test("XP-051 knows no runs of other processes", () => {
    const { client } = openClient({ mode: "local" });
    const carrier = openClient().client.withContext(() => ({}));
    client.withContext(() => {
      client.start("checkout");
      expect(client.inject(carrier)).not.toHaveProperty("X-Covered-Experiences");
    });
    const header = "checkout;c=01JZ3V2M5T8Q4X9C7B6A1D0E2F;r=1;t=1";
    expect(client.resume("checkout", { "x-covered-experiences": header }).state).toBe("unstarted");
  });

  test("XP-051 needs no endpoint, but definitions", () => {
    expect(() => openClient({ mode: "local", transport: undefined })).not.toThrow();
    expect(() => openClient({ mode: "local", definitions: "remote" })).toThrow(/`definitions`/);
  });
});

describe("XP-051 both", () => {
  test("XP-051 counts under another prefix, and sends", async () => {
    const registry = new Registry();
    const { client, clock, transport } = openClient({ mode: "both", registry });
    client.start("checkout").complete();
    await clock.advanceBy(1_000);
    expect(transport.accepted).toHaveLength(2);
    expect(await samplesOf(registry, "gitlab_covered_experience")).toEqual([
      `gitlab_covered_experience_local_checkpoint_total{${series},checkpoint="start"} 1`,
      `gitlab_covered_experience_local_checkpoint_total{${series},checkpoint="end"} 1`,
      `gitlab_covered_experience_local_total{${series},error="false"} 1`,
      `gitlab_covered_experience_local_apdex_total{${series},success="true"} 1`,
    ]);
  });

  test("XP-051 refuses the tracker's own prefix, else each journey would be counted twice", () => {
    expect(() => openClient({ mode: "both", localMetricPrefix: "gitlab_covered_experience" })).toThrow(
      /`localMetricPrefix`/,
    );
    expect(() => openClient({ mode: "local", localMetricPrefix: "gitlab_covered_experience" })).not.toThrow();
  });
});

test("XP-052 the figures are in stats and in a registry of prom-client", async () => {
  const registry = new Registry();
  const { client, clock, transport } = openClient({ registry, maxQueueEvents: 2 });
  for (let index = 0; index < 3; index++) client.start("checkout");
  transport.script = () => ({ status: 503 });
  await clock.advanceBy(1_000);
  expect(await samplesOf(registry, "signalbox_experience_sdk")).toEqual([
    'signalbox_experience_sdk_events_total{result="queued"} 3',
    'signalbox_experience_sdk_events_total{result="dropped"} 1',
    'signalbox_experience_sdk_dropped_total{reason="queue_full"} 1',
    "signalbox_experience_sdk_queue_events 2",
  ]);
  await clock.advanceBy(3_000);
  expect(await samplesOf(registry, "signalbox_experience_sdk_breaker_open")).toEqual([]);
  transport.script = () => new Error("away");
  await clock.advanceBy(3_000);
  expect(await registry.metrics()).toContain("signalbox_experience_sdk_breaker_open 1");
  transport.script = () => ({ status: 200 });
  await clock.advanceBy(30_000);
  expect(client.stats()).toMatchObject({
    queued: 3,
    sent: 2,
    dropped: { queue_full: 1 },
    queueEvents: 0,
    breakerOpen: false,
  });
  expect(client.stats().retried).toBeGreaterThan(0);
  expect(await registry.metrics()).toContain('signalbox_experience_sdk_events_total{result="sent"} 2');
});

describe("XP-040 definitions in a folder", () => {
  test("XP-040 are read at once; a file that is not valid is passed over with a warning", () => {
    const folder = mkdtempSync(join(tmpdir(), "definitions-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const good = "description: d\nfeature_category: shop\nurgency: sync_fast\n";
    writeFileSync(join(folder, "checkout.yml"), good);
    writeFileSync(join(folder, "broken.yml"), "description: d\nurgency: soon\n");
    writeFileSync(join(folder, "twice.yml"), good);
    writeFileSync(join(folder, "twice.yaml"), good);
    writeFileSync(join(folder, "notes.txt"), "nothing");
    mkdirSync(join(folder, "folder.yml"));
    const { client, lines } = openClient({ definitions: folder });
    expect(client.start("checkout").state).toBe("active");
    for (const id of ["broken", "twice", "notes"]) expect(client.start(id).state).toBe("unstarted");
    expect(
      lines.filter(({ message }) => message === "experience.definition_invalid").map(({ fields }) => fields["file"]),
    ).toEqual(["broken.yml", "twice.yaml", "twice.yml"]);
  });

  test("XP-040 a folder that is not there is a warning", () => {
    const { client, lines } = openClient({ definitions: "/nowhere/at/all" });
    expect(client.start("checkout").state).toBe("unstarted");
    expect(lines[0]?.message).toBe("the folder of experience definitions cannot be read");
  });
});
