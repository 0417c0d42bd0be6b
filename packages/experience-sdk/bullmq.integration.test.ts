import { requireServers, startRedis, type TestServer } from "@signalbox/testing/servers";
import { type Job, Queue, QueueEvents, UnrecoverableError, Worker } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addJob, type JobOptions, jobData, processJob } from "./bullmq.js";
import type { Client } from "./client.js";
import { createClient } from "./create-client.js";
import { definitions } from "./testing/open-client.js";
import { createScriptedTransport, type ScriptedTransport } from "./testing/scripted-transport.js";

interface ImportData {
  readonly project: number;
}

const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("XP-115 jobs of BullMQ on Redis"), () => {
  let redis: TestServer;
  let connection: Redis;
  let queue: Queue<ImportData>;
  let events: QueueEvents;
  let worker: Worker<ImportData> | undefined;
  let transport: ScriptedTransport;
  let producer: Client;
  let consumer: Client;
  let queues = 0;

  beforeAll(async () => {
    redis = await startRedis();
    connection = new Redis(redis.url, { maxRetriesPerRequest: null });
  });

  afterAll(async () => {
    connection?.disconnect();
    await redis?.stop();
  });

  beforeEach(async () => {
    const name = `imports${queues++}`;
    queue = new Queue(name, { connection });
    events = new QueueEvents(name, { connection: { url: redis.url } });
    await events.waitUntilReady();
    transport = createScriptedTransport();
    producer = createClient({ type: "web", definitions, transport, environment: "test" });
    consumer = createClient({ type: "worker", definitions, transport, environment: "test" });
  });

  afterEach(async () => {
    await worker?.close();
    worker = undefined;
    await events.close();
    await queue.close();
    await Promise.all([producer.shutdown(0), consumer.shutdown(0)]);
  });

  function work(handle: (job: Job<ImportData>) => Promise<unknown>, options?: JobOptions): void {
    worker = new Worker<ImportData>(queue.name, processJob(consumer, handle, options), { connection });
  }

  /** What the tracker got: `type: category or kind`, and how it ended. */
  async function journey() {
    await producer.flush();
    await consumer.flush();
    return transport.accepted.map(
      ({ type, checkpoint, checkpoint_category, error }) =>
        `${type}: ${checkpoint_category ?? checkpoint}${error === undefined ? "" : error ? " error" : " success"}`,
    );
  }

  function enqueue(options: { attempts?: number } = {}): Promise<Job<ImportData>> {
    return producer.withContext(() => {
      producer.start("import_project");
      return addJob(producer, queue, "import", { project: 7 }, options);
    });
  }

  test("XP-111 XP-115 a journey goes on in the job and ends with it", async () => {
    const seen: unknown[] = [];
    work(async (job) => {
      seen.push(job.data.project, consumer.get("import_project").state);
    });
    const job = await enqueue();
    await job.waitUntilFinished(events);
    expect(await journey()).toEqual(["web: start", "web: job_scheduled", "worker: job_started", "worker: end success"]);
    expect(seen).toEqual([7, "active"]);
    expect(new Set(transport.accepted.map(({ correlation_id }) => correlation_id)).size).toBe(1);
    expect(job.data).toMatchObject({ correlation_id: transport.accepted[0]?.correlation_id });
  });

  test("XP-115 attempts that are repeated end nothing: one end, of the last attempt", async () => {
    work(async (job) => {
      if (job.attemptsMade < 2) throw new Error("not yet");
    });
    await (await enqueue({ attempts: 3 })).waitUntilFinished(events);
    expect(await journey()).toEqual([
      "web: start",
      "web: job_scheduled",
      "worker: job_started",
      "worker: job_started",
      "worker: job_started",
      "worker: end success",
    ]);
  });

  test("XP-115 the failure of the last attempt is the end", async () => {
    work(async () => {
      throw new Error("no such project");
    });
    const job = await enqueue({ attempts: 2 });
    await expect(job.waitUntilFinished(events)).rejects.toThrow("no such project");
    expect((await journey()).slice(2)).toEqual(["worker: job_started", "worker: job_started", "worker: end error"]);
    expect(transport.accepted.at(-1)?.error_message).toBe("Error: no such project");
  });

  test("XP-115 a failure that is never repeated is the end at once", async () => {
    work(async () => {
      throw new UnrecoverableError("deleted");
    });
    await expect((await enqueue({ attempts: 5 })).waitUntilFinished(events)).rejects.toThrow("deleted");
    expect((await journey()).slice(2)).toEqual(["worker: job_started", "worker: end error"]);
  });

  test("XP-115 the end can be left to the processor, which may enqueue the next job", async () => {
    work(
      async (job) => {
        if (job.name === "import") await queue.addBulk([{ name: "index", data: jobData(consumer, { project: 7 }) }]);
        else consumer.get("import_project").complete();
      },
      { complete: false },
    );
    await enqueue();
    await expect
      .poll(journey, { timeout: 30_000 })
      .toEqual([
        "web: start",
        "web: job_scheduled",
        "worker: job_started",
        "worker: job_scheduled",
        "worker: job_started",
        "worker: end success",
      ]);
  });

  test("XP-115 a job without a journey runs as ever", async () => {
    work(async (job) => ({ doubled: job.data.project * 2 }));
    const job = await queue.add("import", { project: 21 });
    expect(await job.waitUntilFinished(events)).toEqual({ doubled: 42 });
    expect(await journey()).toEqual([]);
  });
});
