import { connect } from "node:net";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noFilters } from "../filters/filter-settings.js";
import { updateSettings } from "../projects/project-settings.js";
import { type FullServer, startFullServer } from "../testing/full-server.js";
import { envelope } from "../testing/ingest-server.js";
import { errorPayload, newEventId } from "../testing/received-event.js";

let engine: ClickHouseHttpServer;
let server: FullServer;

beforeAll(async () => {
  engine = await startClickHouseHttp();
  server = await startFullServer({
    analyticsUrl: engine.url,
    environment: { SIGNALBOX_ERROR_TRACKING_LIMITS_EVENT_BYTES: "20KiB" },
  });
});
afterAll(async () => {
  await server?.close();
  await engine?.stop();
});

/** What the ledger says, as `category outcome reason quantity`. */
async function ledger(): Promise<string[]> {
  const { json } = await server.call("GET", `/api/v1/projects/${server.projectId}/errors/ledger?group_by=category`);
  const lines: string[] = [];
  for (const { name, outcomes } of json.groups)
    for (const [outcome, { quantity, reasons }] of Object.entries<{
      quantity: number;
      reasons: Record<string, number>;
    }>(outcomes)) {
      const named = Object.entries(reasons);
      if (named.length === 0) lines.push(`${name} ${outcome} ${quantity}`);
      for (const [reason, count] of named) lines.push(`${name} ${outcome} ${reason} ${count}`);
    }
  expect(json.balance).toBe(0);
  return lines.sort();
}

async function send(...items: Parameters<typeof envelope>[1][]): Promise<number> {
  return sendAs(newEventId(), ...items);
}

async function sendAs(eventId: string, ...items: Parameters<typeof envelope>[1][]): Promise<number> {
  const response = await fetch(server.ingest("/envelope/"), {
    method: "POST",
    body: Buffer.from(envelope({ event_id: eventId }, ...items)),
  });
  await response.arrayBuffer();
  return response.status;
}

const error = (name: string, more: object = {}) => [{ type: "event" }, { ...errorPayload(name), ...more }] as const;

/** Begins a request and hangs up in the middle of its body. */
function hangUp(): Promise<void> {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(
        `POST /api/${server.projectId}/envelope/?sentry_key=${server.key} HTTP/1.1\r\nHost: ${hostname}\r\nContent-Length: 1000\r\n\r\n{}\n`,
      );
      setTimeout(() => socket.destroy(), 100);
    });
    socket.on("close", () => resolve());
    socket.on("error", () => {});
  });
}

test("ET-110 ET-112 ET-114 ET-115 ET-116 ET-117 each item has the one outcome that fits, with its reason", async () => {
  const { database, projectId } = server;
  await updateSettings(database, projectId, {
    filters: { ...noFilters, messages: ["*unwanted*"] },
    quotas: [{ categories: ["log_item"], limit: 0, windowS: 86_400 }],
  });
  // The settings hold as soon as a log is refused.
  await expect.poll(() => send([{ type: "log", item_count: 3 }, {}])).toBe(429);
  const refusedLogs = (await eventually((lines) => lines.some((line) => line.includes("quota")))).find((line) =>
    line.startsWith("log_item rate_limited"),
  );

  expect(await send(error("work"))).toBe(200);
  const twice = newEventId();
  expect(await sendAs(twice, error("work"))).toBe(200);
  expect(await sendAs(twice, error("work"))).toBe(200);
  expect(await send([{ type: "transaction" }, {}], [{ type: "from_the_future" }, {}])).toBe(200);
  expect(await send(error("unwanted"))).toBe(200);
  expect(await send([{ type: "event" }, "{ no json"])).toBe(400);
  expect(await send([{ type: "event" }, `{"extra":${"[".repeat(300)}${"]".repeat(300)}}`])).toBe(400);
  expect(await send(error("large", { extra: { text: "x".repeat(30_000) } }))).toBe(413);
  expect(await send(error("work"), error("work"))).toBe(200);
  const broken = Buffer.concat([
    envelope({}, [{ type: "transaction" }, {}]),
    Buffer.from('\n{"type":"event","length":9}\n{}'),
  ]);
  expect((await fetch(server.ingest("/envelope/"), { method: "POST", body: broken })).status).toBe(400);
  await hangUp();

  // The issue is not wanted any more, and comes again.
  await server.settled();
  const [issue] = (await server.call("GET", `/api/v1/projects/${projectId}/errors`)).json;
  await server.call("DELETE", `/api/v1/projects/${projectId}/errors/${issue.fingerprint}?discard=true`);
  expect(await send(error("work"))).toBe(200);
  await server.settled();

  const expected = [
    "default invalid aborted 1",
    "default invalid framing 1",
    "default not_stored unknown_type 1",
    "error discarded issue_discarded 1",
    "error duplicate same_content 1",
    "error filtered message 1",
    "error invalid duplicate_item 1",
    "error invalid json 1",
    "error invalid too_deep 1",
    "error invalid too_large 1",
    "error stored 3",
    refusedLogs,
    "transaction not_stored transaction 2",
  ];
  expect(await eventually((lines) => lines.length >= expected.length)).toEqual(expected);
});

test("ET-116 what was sent to a project that is gone is accounted for all the same", async () => {
  const { database, eventStore, errorTracking } = server;
  const project = await errorTracking.projects.create("Gone");
  await eventStore.pause("error_tracking.digest");
  const url = `${server.url}/api/${project.id}/envelope/?sentry_key=${new URL(project.dsn).username}`;
  const response = await fetch(url, { method: "POST", body: Buffer.from(envelope({}, error("work"))) });
  expect(response.status).toBe(200);
  await errorTracking.projects.remove(project.id);
  await eventStore.resume("error_tracking.digest");
  await server.settled();
  const { rows } = await database.run(
    "select outcome, reason, quantity from error_ledger where project_id = ? order by outcome",
    [project.id],
  );
  expect(rows).toEqual([
    { outcome: "invalid", reason: "project_gone", quantity: 1 },
    { outcome: "received", reason: "", quantity: 1 },
  ]);
});

/** The edge writes within a second, the digest when it is done. */
async function eventually(isThere: (lines: string[]) => boolean): Promise<string[]> {
  await expect.poll(async () => isThere(await ledger())).toBe(true);
  return ledger();
}
