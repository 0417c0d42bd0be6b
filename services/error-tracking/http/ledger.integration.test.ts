import { createVirtualClock, silentLogger } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSdkUsage, type SdkSighting } from "../edge/sdk-usage.js";
import { addClientDiscards } from "../store/client-discards.js";
import { type ApiKit, openApiKit } from "../testing/api-kit.js";
import { errorPayload } from "../testing/received-event.js";

let engine: ClickHouseHttpServer;
let kit: ApiKit;
beforeAll(async () => {
  engine = await startClickHouseHttp();
  kit = await openApiKit(engine.url);
});
afterAll(async () => {
  await kit?.close();
  await engine?.stop();
});

const ledgerOf = async (id: number, query = "", token = "all") => {
  const answer = await kit.call("GET", `/api/v1/projects/${id}/errors/ledger${query}`, undefined, token);
  return { status: answer.statusCode, body: answer.json() };
};

describe("ledger", () => {
  test("ET-120 ET-113 what came in, what became of it and what clients did not send, in total, by interval and in groups", async () => {
    const id = await kit.newProject();
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    const earlier = { receivedAtMs: hour - 5_400_000 };
    const [eventId = ""] = await kit.store(
      id,
      [errorPayload("a"), earlier],
      [errorPayload("b"), { keyId: 7, receivedAtMs: hour }],
    );
    await kit.store(id, [errorPayload("a"), { eventId, receivedAtMs: hour + 1 }]);
    await kit.store(id, [errorPayload("b"), { eventId, receivedAtMs: hour + 2 }]);
    await kit.stores.database.transaction((transaction) =>
      addClientDiscards(
        kit.stores.database,
        [{ projectId: id, keyId: 1, category: "error", reason: "before_send", atMs: hour, quantity: 3 }],
        transaction,
      ),
    );
    const stored = (quantity: number) => ({ stored: { quantity, reasons: {} } });
    const duplicate = { duplicate: { quantity: 2, reasons: { same_content: 1, id_conflict: 1 } } };
    const { body } = await ledgerOf(id);
    expect(body).toMatchObject({
      received: 4,
      outcomes: { ...stored(2), ...duplicate },
      pending: 0,
      balance: 0,
      client_discarded: [{ reason: "before_send", category: "error", quantity: 3 }],
      intervals: [
        { start: new Date(hour - 7_200_000).toISOString(), received: 1, outcomes: stored(1) },
        { start: new Date(hour).toISOString(), received: 3, outcomes: { ...stored(1), ...duplicate } },
      ],
      groups: [
        { name: "stored", received: 2 },
        { name: "duplicate", received: 2 },
      ],
    });
    expect(
      (await ledgerOf(id, "?group_by=key")).body.groups.map(({ name, received }: never) => [name, received]),
    ).toEqual([
      ["1", 3],
      ["7", 1],
    ]);
    expect((await ledgerOf(id, "?group_by=category&interval=1d")).body).toMatchObject({
      groups: [{ name: "error", received: 4 }],
    });
    const from = new Date(hour).toISOString();
    expect((await ledgerOf(id, `?from=${from}`)).body).toMatchObject({ received: 3, balance: 0 });
  });

  test("ET-120 nonsense is refused, and projects of others are not there", async () => {
    const id = await kit.newProject();
    const now = new Date().toISOString();
    for (const query of [
      "?interval=1m",
      "?group_by=user",
      "?from=yesterday",
      `?from=${now}&to=2020-01-01T00:00:00Z`,
      "?from=2000-01-01T00:00:00Z",
    ])
      expect(await ledgerOf(id, query), query).toMatchObject({ status: 400, body: { code: "invalid_parameter" } });
    expect((await ledgerOf(id, "", `only ${id + 1}`)).status).toBe(404);
    expect((await ledgerOf(id, "", "write")).status).toBe(403);
  });
});

describe("SDKs", () => {
  const clock = createVirtualClock(Date.now());

  async function note(...sightings: SdkSighting[]): Promise<void> {
    const usage = createSdkUsage({ database: kit.stores.database, clock, logger: silentLogger });
    for (const sighting of sightings) usage.note(sighting);
    await usage.service.start();
    await usage.service.stop();
  }
  const sdksOf = async (id: number) => (await kit.call("GET", `/api/v1/projects/${id}/errors/sdks`)).json();

  test("ET-121 each SDK and version with what it sent, what is not kept, and its last five mistakes", async () => {
    const projectId = await kit.newProject();
    const node = { name: "sentry.javascript.node", version: "10.0.0" };
    const php = { name: "sentry.php" };
    await note(
      { projectId, sdk: node, notStored: new Map([["transaction", 2]]) },
      {
        projectId,
        sdk: node,
        notStored: new Map([
          ["transaction", 1],
          ["log", 7],
        ]),
      },
      { projectId, sdk: undefined },
    );
    await clock.advanceBy(1000);
    const codes = ["A", "B", "C", "D", "E", "F"];
    await note({ projectId, sdk: php }, ...codes.slice(0, 3).map((errorCode) => ({ projectId, sdk: php, errorCode })));
    await note(...codes.slice(3).map((errorCode) => ({ projectId, sdk: php, errorCode })));
    const [first, ...others] = await sdksOf(projectId);
    expect(first).toEqual({
      name: "sentry.php",
      version: "",
      last_seen_at: new Date(clock.nowMs()).toISOString(),
      accepted: 1,
      not_stored: {},
      malformed: 6,
      last_error_codes: ["F", "E", "D", "C", "B"],
    });
    expect(others).toHaveLength(2);
    expect(others).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...node, accepted: 2, not_stored: { transaction: 3, log: 7 }, malformed: 0 }),
        expect.objectContaining({ name: "unknown", version: "", accepted: 1 }),
      ]),
    );
  });

  test("ET-121 a project has no more than 200 of them; what comes beyond shares a name", async () => {
    const projectId = await kit.newProject();
    const made = (name: string) => ({ projectId, sdk: { name, version: "1" } });
    await note(...Array.from({ length: 150 }, (_, index) => made(`sdk ${index}`)));
    await note(...Array.from({ length: 150 }, (_, index) => made(`another sdk ${index}`)), made("sdk 7"));
    const sdks: { name: string; accepted: number }[] = await sdksOf(projectId);
    expect(sdks).toHaveLength(201);
    expect(sdks.find(({ name }) => name === "other")).toMatchObject({ accepted: 100 });
    expect(sdks.find(({ name }) => name === "sdk 7")).toMatchObject({ accepted: 2 });
  });
});

describe("quotas and filters", () => {
  test("ET-330 ET-090 quotas of key, project and instance are read and changed, and shown with what is used", async () => {
    const id = await kit.newProject();
    const [key] = await kit.stores.projects.keys(id);
    const error = { categories: ["error"], limit: 5, window_s: 60 };
    const all = { categories: [], limit: 0, window_s: 3600 };
    const changes = { quotas: [error], allowed_origins: ["https://shop.example"] };
    const ofKey = await kit.call("PATCH", `/api/v1/projects/${id}/keys/${key?.id}`, changes);
    expect(ofKey.json()).toMatchObject(changes);
    const ofProject = await kit.call("PATCH", `/api/v1/projects/${id}`, { settings: { quotas: [error, all] } });
    expect(ofProject.json()).toMatchObject({ settings: { quotas: [error, all] } });
    const ofInstance = await kit.call("PUT", "/api/v1/errors/quotas", { quotas: [all] });
    expect(ofInstance.json()).toEqual({ quotas: [all], project_default: [] });
    expect((await kit.call("GET", "/api/v1/errors/quotas", undefined, "read")).json()).toMatchObject({ quotas: [all] });
    const listed = (await kit.call("GET", `/api/v1/projects/${id}/errors/quotas`)).json();
    expect(listed).toMatchObject([
      { ...error, scope: "key", key_id: key?.id, used: 0, resets_at: expect.any(String) },
      { ...error, scope: "project", used: 0 },
      { ...all, scope: "project" },
      { ...all, scope: "organization" },
    ]);
    // Back to what the instance gives.
    const reset = await kit.call("PATCH", `/api/v1/projects/${id}`, { settings: { quotas: null } });
    expect(reset.json()).toMatchObject({ settings: { quotas: null } });
    await kit.call("PUT", "/api/v1/errors/quotas", { quotas: [] });
  });

  test("ET-330 bad quotas are refused; tokens for single projects do not change the instance", async () => {
    const id = await kit.newProject();
    for (const quota of [
      { limit: -1, window_s: 60 },
      { limit: 1, window_s: 0 },
      { limit: 1.5, window_s: 60 },
      { limit: 1, window_s: 60, categories: ["errors"] },
      { limit: 1 },
    ])
      expect((await kit.call("PATCH", `/api/v1/projects/${id}`, { settings: { quotas: [quota] } })).statusCode).toBe(
        400,
      );
    const refused = await kit.call("PUT", "/api/v1/errors/quotas", { quotas: [] }, `only ${id}`);
    expect(refused.statusCode).toBe(403);
  });

  test("ET-098 ET-330 filters are read and changed one by one; a network that is none is refused", async () => {
    const id = await kit.newProject();
    const change = (filters: object) => kit.call("PATCH", `/api/v1/projects/${id}`, { settings: { filters } });
    await change({ messages: ["ChunkLoadError: *"], crawlers: true });
    const after = await change({ networks: ["10.0.0.0/8"] });
    expect(after.json().settings.filters).toEqual({
      messages: ["ChunkLoadError: *"],
      releases: [],
      environments: [],
      networks: ["10.0.0.0/8"],
      crawlers: true,
      browser_extensions: false,
      localhost: false,
      legacy_browsers: false,
      csp_sources: true,
    });
    const refused = await change({ networks: ["10.0.0.0/99"] });
    expect([refused.statusCode, refused.json().code]).toEqual([422, "ET_NETWORK_INVALID"]);
  });
});
