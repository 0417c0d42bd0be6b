import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type ClickHouseHttpServer,
  installSignalbox,
  type PostgresServer,
  requireServers,
  type SignalboxInstallation,
  type SignalboxServer,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { firstDsn, getJson, newToken, runProgram, sendError, startProgram, temporaryDirectory } from "./testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let dataDirectory: string;
const running: SignalboxServer[] = [];

beforeEach(() => {
  directory = temporaryDirectory();
  dataDirectory = join(directory.path, "data");
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  directory.remove();
});

async function start(installation: SignalboxInstallation): Promise<SignalboxServer> {
  const server = await installation.start();
  running.push(server);
  return server;
}

describe("roles on embedded stores", () => {
  test.for(["ingest", "worker", "dashboard", "ingest,worker,dashboard"])(
    "PF-008 --only %s is refused beside a running server, naming its process",
    async (only) => {
      const server = await start(await installSignalbox({ dataDirectory }));
      const other = await installSignalbox({ dataDirectory });
      const { exitCode, err } = await runProgram(["serve", "--only", only], other.env);
      expect(exitCode).toBe(1);
      expect(err).toContain(`Process ${server.pid} on `);
      expect(err).toContain("holds the data directory");
      expect(err).toContain("DATA_DIRECTORY_HELD");
      expect(err).toContain("database_url");
      expect(await getJson(`${server.url}/-/readiness`)).toMatchObject({ status: 200 });
    },
  );

  test("GR-477 GR-479 PF-008 a second relay on the data directory of another is refused, naming its process", async () => {
    const first = await start(await installSignalbox({ dataDirectory, flags: ["--only", "relay"] }));
    const second = await installSignalbox({ dataDirectory });
    const { exitCode, err } = await runProgram(["serve", "--only", "relay"], second.env);
    expect(exitCode).toBe(1);
    expect(err).toContain("(RELAY_DATA_LOCKED)");
    expect(err.split(`Process ${first.pid} on `)).toHaveLength(2);
    expect(err).toContain("several relays may serve");
    expect(await getJson(`${first.metricsUrl}/-/readiness`)).toMatchObject({ status: 200 });
  });

  test("PF-008 a role alone serves its part and nothing else", async () => {
    const ingest = await start(await installSignalbox({ dataDirectory, flags: ["--only", "ingest"] }));
    expect(await getJson(`${ingest.url}/-/readiness`)).toMatchObject({ status: 200 });
    expect((await getJson(`${ingest.url}/api/v1/projects`)).status).toBe(404);
    await expect.poll(ingest.output).toContain("Roles           ingest\n");
    expect(existsSync(join(dataDirectory, "analytics"))).toBe(false);
    await ingest.stop();

    const dashboard = await start(await installSignalbox({ dataDirectory, flags: ["--only", "dashboard"] }));
    expect((await getJson(`${dashboard.url}/api/v1/projects`)).status).toBe(401);
    const answer = await fetch(`${dashboard.url}/api/1/envelope/`, { method: "POST", body: "{}\n" });
    expect(answer.status).toBe(404);
  });
});

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("roles on real servers"), () => {
  let postgres: PostgresServer;
  let clickhouse: ClickHouseHttpServer;
  beforeAll(async () => {
    [postgres, clickhouse] = await Promise.all([startPostgres(), startClickHouseHttp()]);
  });
  afterAll(() => Promise.all([postgres.stop(), clickhouse.stop()]));

  async function install(only: string, databaseUrl: string): Promise<SignalboxInstallation> {
    return installSignalbox({
      dataDirectory,
      flags: ["--only", only],
      env: { SIGNALBOX_DATABASE_URL: databaseUrl, SIGNALBOX_CLICKHOUSE_URL: clickhouse.url },
    });
  }

  test("PF-008 run in processes of their own on one data directory: one takes events, another stores and shows them", async () => {
    const databaseUrl = await postgres.createDatabase();
    const edge = await install("ingest", databaseUrl);
    await start(edge);
    const back = await start(await install("worker,dashboard", databaseUrl));
    await expect.poll(back.output).toContain("PostgreSQL at 127.0.0.1");
    expect(back.output()).toContain("ClickHouse at 127.0.0.1");

    const dsn = await firstDsn(edge);
    expect((await sendError(dsn, "through two processes")).status).toBe(200);
    const token = await newToken(edge);
    await expect
      .poll(async () => (await getJson(`${back.url}/api/v1/projects/1/errors`, token)).body, { timeout: 60_000 })
      .toEqual([expect.objectContaining({ description: expect.stringContaining("through two processes") })]);
  });

  test("PF-063 a server starts while the analytics engine is away, takes events, and stores them once it is back", async () => {
    const installation = await install("ingest,worker,dashboard", await postgres.createDatabase());
    await clickhouse.kill();
    const server = startProgram(["serve"], installation.env);
    try {
      await expect.poll(server.out, { timeout: 60_000 }).toContain("DSN of default");
      const dsn = await firstDsn(installation);
      const { origin: url } = new URL(dsn);
      const errors = `${url}/api/v1/projects/1/errors`;
      const token = await newToken(installation);
      expect(await getJson(`${url}/-/readiness`)).toMatchObject({
        status: 503,
        body: { checks: expect.arrayContaining([expect.objectContaining({ name: "analytics", status: "down" })]) },
      });
      expect((await sendError(dsn, "while away")).status).toBe(200);

      await clickhouse.restart();
      await expect.poll(async () => (await getJson(`${url}/-/readiness`)).status, { timeout: 60_000 }).toBe(200);
      await expect
        .poll(async () => (await getJson(errors, token)).body, { timeout: 60_000 })
        .toEqual([expect.objectContaining({ description: expect.stringContaining("while away") })]);
    } finally {
      server.process.kill("SIGTERM");
      expect((await server.ended).exitCode).toBe(0);
    }
  });
});
