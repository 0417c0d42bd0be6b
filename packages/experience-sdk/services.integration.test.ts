import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as Sentry from "@sentry/node";
import { createLogger, currentContext } from "@signalbox/kernel";
import express from "express";
import fastify, { type FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Client } from "./client.js";
import { createClient } from "./create-client.js";
import { experiences as experiencesOnExpress } from "./express.js";
import { experiences } from "./fastify.js";
import { correlationTagger, instrumentFetch } from "./index.js";
import { type HttpTracker, startHttpTracker } from "./testing/http-tracker.js";
import { definitions } from "./testing/open-client.js";

const ulid = "01JZ3V2M5T8Q4X9C7B6A1D0E2F";
let tracker: HttpTracker;
let front: Client;
let back: Client;

beforeEach(async () => {
  tracker = await startHttpTracker();
  const common = { endpoint: tracker.url, definitions, environment: "test" };
  front = createClient({ ...common, type: "web" });
  back = createClient({ ...common, type: "api" });
});

afterEach(async () => {
  await Promise.all([front.shutdown(0), back.shutdown(0)]);
  await tracker.down();
});

async function listen(app: FastifyInstance): Promise<string> {
  onTestFinished(() => app.close());
  return app.listen({ port: 0, host: "127.0.0.1" });
}

/** The back service: goes on with the journey, fails on demand. */
async function startBack(): Promise<string> {
  const app = fastify();
  await app.register(experiences(back));
  app.post<{ Body: { fail?: boolean } }>("/charge", async (request) =>
    back.resume("checkout", undefined, { step: "charge" }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (request.body.fail) throw new Error("card refused");
      return { correlation: currentContext().correlationId };
    }),
  );
  return listen(app);
}

/** The front service: starts the journey and calls the back. */
async function startFront(backUrl: string): Promise<string> {
  const call = instrumentFetch(front);
  const app = fastify();
  await app.register(experiences(front));
  app.post<{ Body: object }>("/pay", async (request, reply) => {
    front.start("checkout").checkpoint("cart");
    const answer = await call(`${backUrl}/charge`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request.body),
    });
    return reply.code(answer.status).send(await answer.json());
  });
  return listen(app);
}

async function pay(url: string, body: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${url}/pay`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

async function arrived() {
  await Promise.all([front.flush(), back.flush()]);
  return tracker.accepted;
}

describe("XP-115 two Fastify services", () => {
  test("XP-111 XP-113 XP-115 a journey goes from one to the other by headers, under one correlation id", async () => {
    const url = await startFront(await startBack());
    const answer = await pay(url, {}, { "x-correlation-id": ulid.toLowerCase() });
    expect(answer.headers.get("x-correlation-id")).toBe(ulid);
    expect(await answer.json()).toEqual({ correlation: ulid });
    const checkpoints = await arrived();
    expect(new Set(checkpoints.map(({ correlation_id }) => correlation_id))).toEqual(new Set([ulid]));
    const bySource = (type: string) =>
      checkpoints
        .filter((checkpoint) => checkpoint.type === type)
        .map(({ checkpoint, checkpoint_category }) => checkpoint_category ?? checkpoint);
    expect(bySource("web")).toEqual(["start", "cart"]);
    expect(bySource("api")).toEqual(["resume", "end"]);
  });

  test("XP-113 an error of the second service ends the journey as an error", async () => {
    const url = await startFront(await startBack());
    const answer = await pay(url, { fail: true });
    expect(answer.status).toBe(500);
    const end = (await arrived()).find(({ checkpoint }) => checkpoint === "end");
    expect(end).toMatchObject({ type: "api", error: true, error_message: "Error: card refused" });
    expect(end?.correlation_id).toBe(answer.headers.get("x-correlation-id"));
  });

  test("XP-110 requests at once keep apart, also on connections that are kept open", async () => {
    const url = await startFront(await startBack());
    const answers = await Promise.all(Array.from({ length: 60 }, () => pay(url)));
    const correlations = await Promise.all(answers.map(async (answer) => JSON.parse(await answer.text()).correlation));
    expect(new Set(correlations).size).toBe(60);
    const checkpoints = await arrived();
    for (const correlation of correlations)
      expect(
        checkpoints
          .filter(({ correlation_id }) => correlation_id === correlation)
          .map(({ checkpoint }) => checkpoint)
          .sort(),
      ).toEqual(["end", "intermediate", "intermediate", "start"]);
  });

  test("XP-092 the services answer as ever while the tracker is away", async () => {
    const url = await startFront(await startBack());
    await tracker.down();
    const answers = await Promise.all(Array.from({ length: 20 }, () => pay(url)));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    await tracker.up();
    expect(await arrived()).toHaveLength(80);
  });
});

test("XP-115 the middleware of Express opens a context for each request", async () => {
  const app = express();
  app.use(experiencesOnExpress(back));
  app.get("/charge", async (_request, response) => {
    await new Promise((resolve) => setImmediate(resolve));
    back.resume("checkout", undefined, undefined, () => {});
    response.json({ correlation: currentContext().correlationId });
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const headers = { "x-covered-experiences": `checkout;c=${ulid};r=1;t=${Date.now()}`, "x-correlation-id": ulid };
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/charge`, { headers });
  expect(answer.headers.get("x-correlation-id")).toBe(ulid);
  expect(await answer.json()).toEqual({ correlation: ulid });
  expect((await arrived()).map(({ checkpoint }) => checkpoint)).toEqual(["intermediate", "end"]);
});

test("XP-115 an error that @sentry/node captures carries the correlation id of the journey", async () => {
  const events: Sentry.Event[] = [];
  Sentry.init({
    dsn: "http://0123456789abcdef0123456789abcdef@127.0.0.1:9/1",
    defaultIntegrations: false,
    beforeSend(event) {
      events.push(event);
      return null;
    },
  });
  Sentry.addEventProcessor(correlationTagger());
  onTestFinished(async () => void (await Sentry.close(100)));
  const app = fastify();
  await app.register(experiences(front));
  app.get("/fails", async () =>
    front.start("checkout", {}, async () => {
      Sentry.captureException(new Error("in the journey"));
      return "ok";
    }),
  );
  const answer = await fetch(`${await listen(app)}/fails`);
  const correlation = answer.headers.get("x-correlation-id");
  await expect.poll(() => events).toHaveLength(1);
  expect(events[0]?.tags).toEqual({ correlation_id: correlation });
  expect((await arrived())[0]?.correlation_id).toBe(correlation);
});

test("XP-115 log lines of a request carry the correlation id that its journey has", async () => {
  const lines: string[] = [];
  const logger = createLogger({ level: "info", destination: { write: (line: string) => void lines.push(line) } });
  const app = fastify();
  await app.register(experiences(front));
  app.get("/logs", async () => {
    logger.info("in the request");
    return front.start("checkout").correlationId;
  });
  const correlation = await (await fetch(`${await listen(app)}/logs`)).text();
  expect(JSON.parse(lines[0] ?? "{}")).toMatchObject({ correlation_id: correlation });
});
