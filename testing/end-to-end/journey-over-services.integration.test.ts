import { type Client, createClient, instrumentFetch } from "@signalbox/experience-sdk";
import { experiences } from "@signalbox/experience-sdk/fastify";
import fastify, { type FastifyInstance } from "fastify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExperienceServer, startExperienceServer, sum } from "./experience-server.js";

let signalbox: ExperienceServer;
let web: Client;
let api: Client;
const apps: FastifyInstance[] = [];
let url: string;

beforeAll(async () => {
  signalbox = await startExperienceServer();
  const common = {
    endpoint: signalbox.server.url,
    token: signalbox.writeToken,
    definitions: "remote",
    maxBatchWaitMs: 50,
  } as const;
  web = createClient({ ...common, type: "web" });
  api = createClient({ ...common, type: "api" });
  url = await startShop(await startBank());
});

afterAll(async () => {
  await Promise.all(apps.map((app) => app.close()));
  await Promise.all([web?.shutdown(), api?.shutdown()]);
  await signalbox?.close();
});

/** The second service ends the journey. */
async function startBank(): Promise<string> {
  const app = fastify();
  apps.push(app);
  await app.register(experiences(api));
  app.post<{ Body: { card: string } }>("/charge", (request) =>
    api.resume("checkout", undefined, undefined, async () => {
      if (request.body.card === "refused") throw new Error("card refused");
      return { charged: true };
    }),
  );
  return app.listen({ port: 0, host: "127.0.0.1" });
}

/** The first one starts it. */
async function startShop(bank: string): Promise<string> {
  const call = instrumentFetch(web);
  const app = fastify();
  apps.push(app);
  await app.register(experiences(web));
  app.post<{ Body: object }>("/pay", async (request, reply) => {
    web.start("checkout").checkpoint("cart");
    const answer = await call(`${bank}/charge`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request.body),
    });
    return reply.code(answer.status).send(await answer.json());
  });
  return app.listen({ port: 0, host: "127.0.0.1" });
}

async function pay(card: string): Promise<{ readonly status: number; readonly correlationId: string }> {
  const answer = await fetch(`${url}/pay`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ card }),
  });
  return { status: answer.status, correlationId: answer.headers.get("x-correlation-id") ?? "" };
}

test("XP-115 XP-111 XP-113 XP-041 a journey over two services has one verdict, counted once, under the request's correlation id", async () => {
  const good = await pay("good");
  expect(good.status).toBe(200);
  await expect.poll(() => signalbox.stateOf("checkout", good.correlationId)).toBe("succeeded");

  const bad = await pay("refused");
  expect(bad.status).toBe(500);
  await expect.poll(() => signalbox.stateOf("checkout", bad.correlationId)).toBe("failed");

  // The counters are shown as they were a second ago at most.
  await expect
    .poll(async () => sum(await signalbox.metrics("gitlab_covered_experience_total"), 'id="checkout"'))
    .toBe(2);
  const counted = await signalbox.metrics("gitlab_covered_experience");
  const checkout = 'covered_experience_id="checkout"';
  expect(sum(counted, "checkpoint_total", checkout, 'checkpoint="start"', 'type="web"')).toBe(2);
  expect(sum(counted, "checkpoint_total", checkout, 'checkpoint="intermediate"', 'type="web"')).toBe(2);
  expect(sum(counted, "checkpoint_total", checkout, 'checkpoint="intermediate"', 'type="api"')).toBe(2);
  expect(sum(counted, "checkpoint_total", checkout, 'checkpoint="end"', 'type="api"')).toBe(2);
  expect(sum(counted, "_total{", checkout, 'error="true"')).toBe(1);
  expect(sum(counted, "_total{", checkout, 'error="false"')).toBe(1);
  expect(sum(counted, "apdex_total", checkout, 'success="true"')).toBe(1);
});

test("XP-163 the run shows every step in order with the service that took it", async () => {
  const { correlationId } = await pay("good");
  await expect.poll(() => signalbox.stateOf("checkout", correlationId)).toBe("succeeded");
  const { body } = await signalbox.get(`/api/v1/experience/runs/checkout/${correlationId}`);
  const steps = body.timeline.map((step: { type: string; checkpoint: string; checkpoint_category?: string }) => [
    step.type,
    step.checkpoint_category ?? step.checkpoint,
  ]);
  expect(steps).toEqual([
    ["web", "start"],
    ["web", "cart"],
    ["api", "resume"],
    ["api", "end"],
  ]);
});

test("XP-260 XP-110 a hundred requests at once are a hundred journeys", async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => pay("good")));
  const ids = answers.map(({ correlationId }) => correlationId);
  expect(new Set(ids).size).toBe(100);
  await Promise.all([web.flush(), api.flush()]);
  const states = await Promise.all(ids.map((id) => signalbox.stateOf("checkout", id)));
  expect(new Set(states)).toEqual(new Set(["succeeded"]));
});
