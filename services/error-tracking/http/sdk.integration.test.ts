import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { isJsonObject } from "@signalbox/sentry-protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { dataOf, type IngestServer, sentEvent, startIngestServer } from "../testing/ingest-server.js";

const run = promisify(execFile);

let server: IngestServer;
beforeAll(async () => {
  server = await startIngestServer();
});
afterAll(() => server.close());

/** Runs a program that uses the real SDK for Node and knows nothing but its DSN. */
async function runApp(name: string, dsn: string, ...parameters: string[]): Promise<void> {
  const program = fileURLToPath(new URL(`../../../testing/sdk-apps/${name}.mjs`, import.meta.url));
  // Programs that end by an uncaught error exit with 1.
  await run(process.execPath, [program, ...parameters], { env: { ...process.env, SENTRY_DSN: dsn } }).catch(() => {});
}

/** Type and text of an event's only exception. */
function exceptionOf(event: Parameters<typeof sentEvent>[0]): string {
  const { exception } = sentEvent(event);
  const values = isJsonObject(exception) && Array.isArray(exception["values"]) ? exception["values"] : [];
  return values.map((value) => (isJsonObject(value) ? `${value["type"]}: ${value["value"]}` : "")).join();
}

test.each([
  ["at the root", ""],
  ["behind a path prefix", "/errors/of/this/forge"],
  ["of GitLab's collector", "/api/v4/error_tracking/collector"],
  ["of GitLab's error tracking", "/errortracking/api/v1/projects"],
  ["of GitLab's error tracking, with the older path", "/errortracking/api/v1/projects/api"],
])("ET-001 ET-010 the unmodified SDK for Node reports an uncaught error to a DSN %s", async (_place, prefix) => {
  const message = `the basket is empty ${prefix}`;
  const { length } = await server.received(0);
  await runApp("node-error", server.dsn(prefix), message);
  const events = await server.received(length + 1);
  expect(events.slice(length).map(exceptionOf)).toEqual([`RangeError: ${message}`]);
  expect(dataOf(events[length])).toMatchObject({
    project_id: 1,
    sdk: { name: "sentry.javascript.node", version: expect.stringMatching(/^10\./) },
    sent_at: expect.any(String),
    event_id: sentEvent(events[length])["event_id"],
  });
});

test("ET-140 attachments, tags and what the SDK compresses arrive as they were sent", async () => {
  const { length } = await server.received(0);
  await runApp("node-attachment", server.dsn(), "journey-7");
  const event = (await server.received(length + 1))[length];
  expect(exceptionOf(event)).toBe("TypeError: the basket has no handle");
  expect(event?.correlationId).toBe("journey-7");
  expect(dataOf(event).payload.bytes).toBeGreaterThan(32_768);
  const [attachment] = dataOf(event).attachments;
  expect(attachment).toMatchObject({ name: "basket.txt", content_type: "text/plain", bytes: 19 });
  expect(Buffer.from(await server.blobs.get(attachment?.blob ?? "")).toString()).toBe("two apples\nno pears");
});
