import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KernelError, ulid } from "@signalbox/kernel";
import { expect, onTestFinished, test, vi } from "vitest";
import { definition, startTracker, type TrackerOptions, type TrackerUnderTest } from "./testing/start-tracker.js";
import { pauseBefore, WebhookError } from "./webhooks.js";

const secret = "a secret of some length";

test("XP-515 a receiver is told of the verdicts that it wants, signed, and without what producers added", async () => {
  const receiver = await startReceiver();
  const tracker = await started({ hook: receiver.url });
  const correlation_id = ulid();
  const meta = { user: "somebody" };
  await tracker.send({ correlation_id });
  await tracker.send({ correlation_id, checkpoint: "end", error: true, error_message: "no disk", meta });
  const well = ulid();
  await tracker.send({ correlation_id: well });
  await tracker.send({ correlation_id: well, checkpoint: "end" });
  const [request] = await receiver.requests(1);
  expect(JSON.parse(request?.body ?? "")).toMatchObject({
    type: "experience.failed",
    subject: `create_merge_request/${correlation_id}/1`,
    correlation_id,
    withheld: 0,
    links: {
      run: `https://signalbox.example/experiences/runs/create_merge_request/${correlation_id}/1`,
      timeline: `https://signalbox.example/timeline/${correlation_id}`,
    },
    data: { state: "failed", error_message: "no disk", covered_experience_id: "create_merge_request" },
  });
  expect(request?.body).not.toContain("somebody");
  const [, seconds, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header(request, "x-signalbox-signature")) ?? [];
  expect(signature).toBe(createHmac("sha256", secret).update(`${seconds}.${request?.body}`).digest("hex"));
  expect(Math.abs(Number(seconds) - Date.now() / 1_000)).toBeLessThan(120);
  await drained(tracker);
  expect(receiver.all).toHaveLength(1);
});

test("XP-515 what is not taken is sent again under the same id until it is, also after a restart", async () => {
  const directory = await mkdtemp(join(tmpdir(), "webhooks-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const receiver = await startReceiver();
  receiver.answer(503);
  const before = await started({ hook: receiver.url }, { directory });
  const correlation_id = ulid();
  await before.send({ correlation_id });
  await before.send({ correlation_id, checkpoint: "end", error: true });
  await receiver.requests(2);
  await before.close();
  receiver.answer(204);
  const refused = receiver.all.length;
  const after = await started({ hook: receiver.url }, { directory });
  await receiver.requests(refused + 1);
  await drained(after);
  expect(receiver.all).toHaveLength(refused + 1);
  expect(new Set(receiver.all.map((request) => header(request, "x-signalbox-delivery"))).size).toBe(1);
});

test("XP-515 one experience speaks once in its interval, others speak meanwhile", async () => {
  const receiver = await startReceiver();
  const tracker = await started({ hook: receiver.url, min_interval_s: 300 });
  const fail = async (changes: object = {}): Promise<void> => {
    const correlation_id = ulid();
    await tracker.send({ correlation_id, ...changes });
    await tracker.send({ correlation_id, checkpoint: "end", error: true, ...changes });
  };
  await tracker.define("other_journey", definition);
  await tracker.tracker.definitions.reload();
  await fail();
  await receiver.requests(1);
  await fail();
  await fail({ covered_experience_id: "other_journey" });
  await receiver.requests(2);
  await drained(tracker);
  expect(receiver.all.map(({ body }) => JSON.parse(body).data.covered_experience_id)).toEqual([
    "create_merge_request",
    "other_journey",
  ]);
});

test("XP-515 an address that is not public is not called, and what was meant for it is a dead letter", async () => {
  const receiver = await startReceiver();
  const tracker = await started({ hook: receiver.url }, { allowPrivate: [] });
  const correlation_id = ulid();
  await tracker.send({ correlation_id });
  await tracker.send({ correlation_id, checkpoint: "end", error: true });
  await vi.waitFor(
    async () => {
      const { letters } = await tracker.eventStore.dead.list();
      expect(letters).toMatchObject([
        { subscription: expect.stringContaining("experience.webhook.hook"), error: { code: "EGRESS_REFUSED" } },
      ]);
    },
    { timeout: 30_000 },
  );
  expect(receiver.all).toEqual([]);
});

test("XP-515 pauses are drawn from nothing up to twice the one before, an hour at most", () => {
  const refused = new WebhookError("WEBHOOK_REFUSED");
  for (let attempt = 1; attempt <= 100; attempt++) {
    const pauses = Array.from({ length: 50 }, () => pauseBefore(refused, attempt));
    for (const pause of pauses) {
      const delayMs = typeof pause === "object" ? pause.delayMs : Number.NaN;
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThanOrEqual(Math.min(3_600_000, 1_000 * 2 ** (attempt - 1)));
    }
    expect(new Set(pauses.map((pause) => JSON.stringify(pause))).size).toBeGreaterThan(1);
  }
  expect(pauseBefore(new KernelError("EGRESS_TIMEOUT"), 1)).toHaveProperty("delayMs");
  expect(pauseBefore(new KernelError("EGRESS_REFUSED"), 1)).toBe("dead");
});

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function startReceiver() {
  const all: Received[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      all.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(status, { connection: "close" }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    all,
    answer(next: number) {
      status = next;
    },
    async requests(count: number): Promise<readonly Received[]> {
      await vi.waitFor(() => expect(all.length).toBeGreaterThanOrEqual(count), { timeout: 30_000 });
      return all;
    },
  };
}

async function started(
  { hook, ...rest }: { readonly hook: string; readonly [key: string]: unknown },
  options: TrackerOptions = {},
): Promise<TrackerUnderTest> {
  const { min_interval_s = 0 } = rest;
  const webhooks = [{ name: "hook", url: hook, secret, min_interval_s }];
  const tracker = await startTracker({
    allowPrivate: ["127.0.0.1"],
    ...options,
    environment: { SIGNALBOX_EXPERIENCE_WEBHOOKS: JSON.stringify(webhooks) },
  });
  onTestFinished(() => tracker.close().catch(() => {}));
  return tracker;
}

/** Nothing waits for the receiver any more. */
async function drained({ eventStore }: TrackerUnderTest): Promise<void> {
  await vi.waitFor(
    async () => {
      const queue = await eventStore.queues.get("experience.webhook.hook");
      expect(queue?.depth).toMatchObject({ ready: 0, scheduled: 0, running: 0 });
    },
    { timeout: 30_000 },
  );
}

function header(request: Received | undefined, name: string): string {
  return String(request?.headers[name]);
}
