import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { firstDsn, getJson, newToken, runProgram, sendError, temporaryDirectory } from "./testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let dataDirectory: string;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;

beforeEach(async () => {
  directory = temporaryDirectory();
  dataDirectory = join(directory.path, "data");
  installation = await installSignalbox({ dataDirectory, flags: ["--quiet"] });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  directory.remove();
});

const command = (...args: string[]) => runProgram(args, installation.env);

describe("commands without a server", () => {
  test("PF-014 make what is missing, and a server started later works with what they made", async () => {
    const created = await command("project", "create", "Shop", "--json");
    expect(created.exitCode).toBe(0);
    const project = JSON.parse(created.out);
    expect(project).toEqual({ id: 1, name: "Shop", dsn: expect.stringMatching(/^http:\/\/[0-9a-f]{32}@.*\/1$/) });
    const token = await newToken(installation);
    expect(statSync(join(dataDirectory, "token-key.json")).mode & 0o777).toBe(0o600);

    server = await installation.start();
    expect((await sendError(project.dsn, "hello")).status).toBe(200);
    await expect
      .poll(async () => (await getJson(`${server?.url}/api/v1/projects/1/errors`, token)).body)
      .toEqual([expect.objectContaining({ description: expect.stringContaining("hello") })]);
  });

  test("migrate says what it applied, and the second time that there is nothing to do", async () => {
    const first = await command("migrate", "--json");
    expect(first.exitCode).toBe(0);
    const applied: { store: string; set: string }[] = JSON.parse(first.out);
    expect(new Set(applied.map(({ store }) => store))).toEqual(new Set(["database", "analytics"]));
    expect(await command("migrate")).toMatchObject({ exitCode: 0, out: "Everything is up to date\n", err: "" });
    expect(existsSync(join(dataDirectory, "server.lock"))).toBe(false);
  });
});

describe("commands and restarts", () => {
  test("PF-014 commands say the same beside a server and without one", async () => {
    server = await installation.start();
    await command("project", "create", "Shop");
    const lines = [
      ["project", "list"],
      ["project", "list", "--json"],
      ["project", "keys", "2"],
      ["token", "list"],
      ["migrate"],
      ["config", "print"],
    ];
    const beside = await Promise.all(lines.map((line) => command(...line)));
    await server.stop();
    server = undefined;
    const alone = await Promise.all(lines.map((line) => command(...line)));
    expect(beside.map(({ exitCode }) => exitCode)).toEqual(lines.map(() => 0));
    expect(alone).toEqual(beside);
  });

  test("PF-032 a token that was revoked stays so", async () => {
    const token = await newToken(installation);
    const [{ id }] = JSON.parse((await command("token", "list", "--json")).out);
    expect((await command("token", "revoke", id)).exitCode).toBe(0);
    server = await installation.start();
    expect((await getJson(`${server.url}/api/v1/projects/1/errors`, token)).status).toBe(401);
  });
});

describe("commands beside a server", () => {
  const place = temporaryDirectory();
  let shared: SignalboxInstallation;
  let running: SignalboxServer;
  beforeAll(async () => {
    shared = await installSignalbox({ dataDirectory: join(place.path, "data"), flags: ["--quiet"] });
    running = await shared.start();
  });
  afterAll(async () => {
    await running.stop();
    place.remove();
  });
  const run = (...args: string[]) => runProgram(args, shared.env);

  test("PF-014 a project made beside a server takes events at once", async () => {
    const { dsn } = JSON.parse((await run("project", "create", "Shop", "--json")).out);
    expect((await sendError(dsn, "new project")).status).toBe(200);
  });

  test("PF-032 a token can be made, used, listed and revoked while the server runs", async () => {
    const url = `${running.url}/api/v1/projects/1/errors`;
    const made = await run("token", "create", "--scope", "errors:read", "--ttl", "1h", "--name", "ci", "--json");
    const { id, token, expires_at: expiresAt } = JSON.parse(made.out);
    expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(3_000_000);
    expect((await getJson(url, token)).status).toBe(200);

    const listed: object[] = JSON.parse((await run("token", "list", "--json")).out);
    expect(listed).toContainEqual(
      expect.objectContaining({ id, name: "ci", scopes: ["errors:read"], projects: null, state: "valid" }),
    );
    expect((await run("token", "list")).out).not.toContain(token);

    expect((await run("token", "revoke", id)).exitCode).toBe(0);
    await expect.poll(async () => (await getJson(url, token)).status).toBe(401);
    expect(JSON.parse((await run("token", "list", "--json")).out)).toContainEqual(
      expect.objectContaining({ id, state: "revoked" }),
    );
  });

  test("PF-031 a token holds its scopes and its projects, and no others", async () => {
    const { id } = JSON.parse((await run("project", "create", "Other", "--json")).out);
    const made = await run("token", "create", "--scope", "errors:read", "--project", String(id), "--json");
    const { token } = JSON.parse(made.out);
    expect((await getJson(`${running.url}/api/v1/projects/${id}/errors`, token)).status).toBe(200);
    expect((await getJson(`${running.url}/api/v1/projects/1/errors`, token)).status).toBe(404);
    const other = await newToken(shared, "relay:read");
    expect((await getJson(`${running.url}/api/v1/projects/1/errors`, other)).status).toBe(403);
  });

  test("PF-032 a scope or project that is given again is added to those before", async () => {
    const { id } = JSON.parse((await run("project", "create", "Third", "--json")).out);
    const line = [
      "--scope",
      "errors:read",
      "--scope",
      "errors:read,errors:write",
      "--project",
      "1",
      "--project",
      `${id}`,
    ];
    const { scopes, token } = JSON.parse((await run("token", "create", ...line, "--json")).out);
    expect(scopes).toEqual(["errors:read", "errors:write"]);
    for (const project of [1, id])
      expect((await getJson(`${running.url}/api/v1/projects/${project}/errors`, token)).status).toBe(200);
  });

  test("revoking an unknown token is an error that names it", async () => {
    const unknown = await run("token", "revoke", "01JZ3V2M5T8Q4X9C7B6A1D0E2F");
    expect(unknown.exitCode).toBe(1);
    expect(unknown.err).toContain("There is no token 01JZ3V2M5T8Q4X9C7B6A1D0E2F (TOKEN_UNKNOWN)");
    expect(unknown.err).toContain("`signalbox token list` shows the ids of all tokens.");
  });

  test("PF-014 commands know where the running server listens, whatever their own configuration says", async () => {
    const elsewhere = { ...shared.env, SIGNALBOX_LISTEN: "127.0.0.1:1", SIGNALBOX_METRICS_LISTEN: "127.0.0.1:2" };
    const [{ dsn }] = JSON.parse((await runProgram(["project", "list", "--json"], elsewhere)).out);
    expect(new URL(dsn).origin).toBe(running.url);
    const findings: { subject: string; status: string }[] = JSON.parse(
      (await runProgram(["doctor", "--json"], elsewhere)).out,
    );
    expect(findings).toContainEqual(
      expect.objectContaining({ subject: `server (process ${running.pid})`, status: "ok" }),
    );
  });

  test("the DSN of a project is built from the public address", async () => {
    const { out } = await runProgram(["project", "list", "--json"], {
      ...shared.env,
      SIGNALBOX_PUBLIC_URL: "https://box.example.test/base/",
    });
    const [{ dsn }] = JSON.parse(out);
    expect(dsn).toMatch(/^https:\/\/[0-9a-f]{32}@box\.example\.test\/base\/1$/);
    expect(await firstDsn(shared)).toMatch(/@127\.0\.0\.1:\d+\/1$/);
  });
});
