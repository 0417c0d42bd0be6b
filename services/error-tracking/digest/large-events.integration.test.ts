import { randomBytes } from "node:crypto";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type FullServer, startFullServer } from "../testing/full-server.js";
import { eventEnvelope } from "../testing/ingest-server.js";

let engine: ClickHouseHttpServer;
let server: FullServer;
beforeAll(async () => {
  engine = await startClickHouseHttp();
  server = await startFullServer({ analyticsUrl: engine.url });
});
afterAll(async () => {
  await server?.close();
  await engine?.stop();
});

async function queuedBlobs(): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of server.blobs.list("event-data/")) keys.push(key);
  return keys;
}

async function longestBody(): Promise<number> {
  const { rows } = await server.database.run<{ n: number }>("select max(length(body)) as n from event_deliveries");
  return Number(rows[0]?.n);
}

/** An event of 60 texts. */
const send = async (text: () => string): Promise<{ readonly id: string; readonly texts: Record<string, string> }> => {
  const texts = Object.fromEntries([...Array(60).keys()].map((n) => [`part${n}`, text()]));
  const body = Buffer.from(eventEnvelope({ message: "large", contexts: {}, extra: texts }));
  expect(body.length).toBeGreaterThan(900_000);
  const response = await fetch(server.ingest("/envelope/"), { method: "POST", body });
  expect(response.status).toBe(200);
  const { id }: { id: string } = JSON.parse(await response.text());
  return { id, texts };
};

test("ET-284 an event that stays large when it is compressed waits outside of the queue, and nothing of it stays", async () => {
  await server.eventStore.pause("error_tracking.digest");
  // Repetitions compress well: all of it travels in the message.
  await send(() => "abc".repeat(5200));
  expect(await queuedBlobs()).toEqual([]);
  const { id, texts } = await send(() => randomBytes(11_900).toString("base64"));
  expect(await queuedBlobs()).toHaveLength(1);
  expect(await longestBody()).toBeLessThan(768 * 1024);

  await server.eventStore.resume("error_tracking.digest");
  await server.settled();
  const event = await server.call("GET", `/api/v1/projects/${server.projectId}/errors/events/${id}`);
  expect(event.status).toBe(200);
  expect(JSON.parse(event.json.payload).extra.part0).toBe(texts["part0"]);
  await expect.poll(queuedBlobs).toEqual([]);
});
