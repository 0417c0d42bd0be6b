import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Client, createClient } from "@signalbox/experience-sdk";
import { addJob } from "@signalbox/experience-sdk/bullmq";
import { Queue } from "bullmq";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startRedis } from "../servers/redis.js";
import { requireServers } from "../servers/require-servers.js";
import type { TestServer } from "../servers/server-process.js";
import { type ExperienceServer, startExperienceServer, sum } from "./experience-server.js";

const program = fileURLToPath(new URL("../sdk-apps/import-worker.mjs", import.meta.url));
const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("journeys in jobs of BullMQ"), () => {
  let signalbox: ExperienceServer;
  let redis: TestServer;
  let queue: Queue;
  let web: Client;
  let workers: ChildProcess[] = [];

  beforeAll(async () => {
    [signalbox, redis] = await Promise.all([startExperienceServer(), startRedis()]);
    queue = new Queue("imports", { connection: { url: redis.url } });
    web = createClient({
      endpoint: signalbox.server.url,
      token: signalbox.writeToken,
      type: "web",
      definitions: "remote",
      maxBatchWaitMs: 50,
    });
  });

  afterEach(() => {
    for (const worker of workers) worker.kill("SIGKILL");
    workers = [];
  });

  afterAll(async () => {
    await web?.shutdown();
    await queue?.close();
    await redis?.stop();
    await signalbox?.close();
  });

  /** A worker in a process of its own; `said` resolves once it has written this line. */
  function startWorker(): { readonly process: ChildProcess; said(line: string): Promise<void> } {
    const child = spawn(process.execPath, [program], {
      env: {
        ...process.env,
        TRACKER_URL: signalbox.server.url,
        TRACKER_TOKEN: signalbox.writeToken,
        REDIS_URL: redis.url,
        QUEUE: queue.name,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    workers.push(child);
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    return {
      process: child,
      said: (line) => expect.poll(() => output.split("\n"), { timeout: 30_000 }).toContain(line),
    };
  }

  async function enqueue(experience: string, job: string): Promise<string> {
    const correlationId = await web.withContext(async () => {
      const started = web.start(experience);
      await addJob(web, queue, job, { project: 7 });
      return started.correlationId ?? "";
    });
    await web.flush();
    return correlationId;
  }

  const stepsOf = async (experience: string, correlationId: string): Promise<string[]> => {
    const { body } = await signalbox.get(`/api/v1/experience/runs/${experience}/${correlationId}`);
    return body.timeline.map((step: { type: string; checkpoint: string; checkpoint_category?: string }) =>
      [step.type, step.checkpoint_category ?? step.checkpoint].join(" "),
    );
  };

  test("XP-115 XP-111 a journey goes on in a worker's job and succeeds with it", async () => {
    const worker = startWorker();
    await worker.said("ready");
    const correlationId = await enqueue("import_project", "fast");
    await expect.poll(() => signalbox.stateOf("import_project", correlationId)).toBe("succeeded");
    expect(await stepsOf("import_project", correlationId)).toEqual([
      "web start",
      "web job_scheduled",
      "worker job_started",
      "worker unpacked",
      "worker end",
    ]);
  });

  test("XP-115 a job that another worker takes over from a killed one ends its journey once", async () => {
    const first = startWorker();
    await first.said("ready");
    const correlationId = await enqueue("import_project", "slow-once");
    await first.said("started slow-once");
    first.process.kill("SIGKILL");
    const second = startWorker();
    await second.said("started slow-once");
    await expect.poll(() => signalbox.stateOf("import_project", correlationId), { timeout: 30_000 }).toBe("succeeded");
    const steps = await stepsOf("import_project", correlationId);
    expect(steps.filter((step) => step === "worker end")).toHaveLength(1);
    expect(steps.slice(-2)).toEqual(["worker unpacked", "worker end"]);
  });

  test("XP-431 XP-293 a journey whose worker is killed with kill -9 is one failure at its deadline", async () => {
    const worker = startWorker();
    await worker.said("ready");
    const correlationId = await enqueue("short_import", "slow");
    await worker.said("started slow");
    await expect
      .poll(() => stepsOf("short_import", correlationId))
      .toEqual(["web start", "web job_scheduled", "worker job_started"]);
    worker.process.kill("SIGKILL");

    await expect.poll(() => signalbox.stateOf("short_import", correlationId), { timeout: 30_000 }).toBe("timed_out");
    const { body } = await signalbox.get(`/api/v1/experience/runs/short_import/${correlationId}`);
    expect(Date.parse(body.verdict.verdict_at) - Date.parse(body.started_at)).toBe(4_000);
    expect(body.last_seen).toMatchObject({ category: "job_started", type: "worker" });

    const series = 'covered_experience_id="short_import"';
    await expect.poll(async () => sum(await signalbox.metrics("signalbox_experience_timeouts_total"), series)).toBe(1);
    const counted = await signalbox.metrics("gitlab_covered_experience");
    expect(sum(counted, "_total{", series, 'error="true"', 'type="worker"')).toBe(1);
    expect(sum(counted, "_total{", series, "error=")).toBe(1);
    expect(sum(counted, "apdex_total", series)).toBe(0);
    expect(sum(counted, "checkpoint_total", series, 'checkpoint="end"')).toBe(0);
  });
});
