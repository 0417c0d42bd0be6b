import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { getJson, runProgram, temporaryDirectory } from "./testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;

beforeEach(async () => {
  directory = temporaryDirectory();
  installation = await installSignalbox({ dataDirectory: join(directory.path, "data") });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  directory.remove();
});

describe("a running server", () => {
  const place = temporaryDirectory();
  let server: SignalboxServer;
  beforeAll(async () => {
    server = await (await installSignalbox({ dataDirectory: join(place.path, "data") })).start();
  });
  afterAll(async () => {
    await server.stop();
    place.remove();
  });

  test("PF-003 says where everything is in at most 20 lines, with the DSN of the project default", async () => {
    await expect.poll(server.output).toContain("token create --scope");
    const lines = server
      .output()
      .split("\n")
      .filter((line) => !line.startsWith("{"));
    expect(lines.length).toBeLessThanOrEqual(20);
    const banner = lines.join("\n");
    expect(banner).toContain(`Ingest and API  ${server.url}\n`);
    expect(banner).toContain(`Metrics, health ${server.metricsUrl}\n`);
    expect(banner).toContain(`Data directory  ${place.path}/data\n`);
    expect(banner).toContain(
      "Embedded        SQLite (database), SQL on SQLite (transport), chDB (analytics), files (blobs)",
    );
    expect(banner).toMatch(/DSN of default {2}http:\/\/[0-9a-f]{32}@127\.0\.0\.1:\d+\/1\n/);
  });

  test("PF-053 liveness and readiness answer on both listeners, with every dependency of the running roles", async () => {
    for (const url of [server.url, server.metricsUrl]) {
      expect(await getJson(`${url}/-/liveness`)).toMatchObject({ status: 200 });
      const { status, body } = await getJson(`${url}/-/readiness`);
      expect(status).toBe(200);
      expect(body).toMatchObject({ status: "ready" });
      for (const name of ["server", "database", "analytics", "experiences"])
        expect(body).toHaveProperty(
          "checks",
          expect.arrayContaining([expect.objectContaining({ name, status: "up" })]),
        );
    }
  });

  test("PF-054 /metrics shows the process and the queues, on its own listener alone", async () => {
    const text = await (await fetch(`${server.metricsUrl}/metrics`)).text();
    for (const series of [
      'signalbox_event_loop_delay_seconds{stat="p999"}',
      'signalbox_memory_bytes{kind="resident"}',
      'signalbox_memory_bytes{kind="heap_used"}',
      "signalbox_open_handles{kind=",
      'signalbox_queue_items{queue="error_tracking.digest"}',
      'signalbox_queue_oldest_item_age_seconds{queue="error_tracking.digest"}',
      "signalbox_disk_full 0",
    ])
      expect(text).toContain(series);
    expect((await getJson(`${server.url}/metrics`)).status).toBe(404);
  });

  test("the data directory and what is secret in it belong to the server's user alone", async () => {
    const mode = (name: string): number => statSync(join(place.path, "data", name)).mode & 0o777;
    expect(mode(".")).toBe(0o700);
    expect(mode("token-key.json")).toBe(0o600);
  });
});

describe("start", () => {
  test("PF-001 a second start reuses what is there", async () => {
    server = await installation.start();
    await expect.poll(server.output).toContain("DSN of default");
    const dsnLine = (output: string): string | undefined => /DSN of default.*/.exec(output)?.[0];
    const first = dsnLine(server.output());
    await server.stop();
    const key = readFileSync(join(directory.path, "data", "token-key.json"), "utf8");

    server = await installation.start();
    await expect.poll(server.output).toContain("DSN of default");
    expect(dsnLine(server.output())).toBe(first);
    expect(server.output()).not.toContain("migration applied");
    expect(readFileSync(join(directory.path, "data", "token-key.json"), "utf8")).toBe(key);
  });

  test("a program of --app finds the server answering when it starts", async () => {
    const module = join(directory.path, "app.mjs");
    writeFileSync(
      module,
      `export const configure = () => {};
export const start = async ({ serverUrl }) => {
  console.log("the server answered", (await fetch(serverUrl + "/-/liveness")).status);
};`,
    );
    const withApp = await installSignalbox({ dataDirectory: join(directory.path, "data"), flags: ["--app", module] });
    server = await withApp.start();
    expect(server.output()).toContain("the server answered 200");
  });

  test("PF-050 writes JSON lines of one shape, and a banner only when it is wanted", async () => {
    const quiet = await installSignalbox({ dataDirectory: join(directory.path, "data"), flags: ["--quiet"] });
    server = await quiet.start();
    await server.stop();
    const lines = server.output().trim().split("\n");
    for (const line of lines)
      expect(JSON.parse(line), line).toMatchObject({
        level: expect.stringMatching(/^(debug|info|warn|error)$/),
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        msg: expect.any(String),
        component: expect.any(String),
      });
    const messages = lines.map((line) => JSON.parse(line)["msg"]);
    expect(messages).toEqual(expect.arrayContaining(["ready", "stopping"]));
  });

  test("PF-050 --log-format pretty writes lines for people", async () => {
    const pretty = await installSignalbox({
      dataDirectory: join(directory.path, "data"),
      flags: ["--quiet", "--log-format", "pretty"],
    });
    server = await pretty.start();
    await expect.poll(server.output).toContain("[server] ready");
    expect(server.output()).not.toContain('{"level"');
  });

  test("PF-015 PF-010 after a crash the next start needs no help and says what happened", async () => {
    server = await installation.start();
    const { pid } = server;
    server.kill("SIGABRT");
    expect(await server.ended).toBe("SIGABRT");

    server = await installation.start();
    await expect.poll(server.output).toContain("ended without stopping");
    expect(server.output()).toContain(`"previous_pid":${pid}`);
  });
});

describe("a start that cannot succeed", () => {
  test("PF-020 nothing starts on a bad configuration: exit code 1, every problem named", async () => {
    const { exitCode, err } = await runProgram(["serve"], {
      ...installation.env,
      SIGNALBOX_SHUTDOWN_DEADLINE: "soon",
      SIGNALBOX_LISTN: "127.0.0.1:1",
    });
    expect(exitCode).toBe(1);
    expect(err).toContain('SIGNALBOX_SHUTDOWN_DEADLINE: shutdown.deadline is "soon": expected a duration');
    expect(err).toContain("SIGNALBOX_LISTN: unknown variable; did you mean SIGNALBOX_LISTEN?");
    expect(existsSync(join(directory.path, "data"))).toBe(false);
  });

  test("an address that is taken is named with its key, and everything is closed again", async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
    const address = blocker.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const { exitCode, err } = await runProgram(["serve", "--listen", `127.0.0.1:${port}`], installation.env);
    blocker.close();
    expect(exitCode).toBe(1);
    expect(err).toContain(`listen: 127.0.0.1:${port} cannot be listened on (EADDRINUSE) (LISTEN_FAILED)`);
    expect(existsSync(join(directory.path, "data", "server.lock"))).toBe(false);
  });

  test("a data directory that cannot be made is named", async () => {
    const file = join(directory.path, "file");
    writeFileSync(file, "");
    const { exitCode, err } = await runProgram(["serve", "--data-dir", join(file, "data")], installation.env);
    expect(exitCode).toBe(1);
    expect(err).toContain(`The data directory ${file}/data cannot be made`);
  });

  test("a database server that refuses the login is not waited for", async () => {
    const { exitCode, err } = await runProgram(["serve"], {
      ...installation.env,
      SIGNALBOX_DATABASE_URL: "mysql://nobody@127.0.0.1/box",
    });
    expect(exitCode).toBe(1);
    expect(err).toContain("database_url");
    expect(err).toContain("postgres://");
  });
});
