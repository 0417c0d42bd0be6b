import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { requireServers, startNats, startRedis, type TestServer } from "../servers/index.js";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";
import { killNine } from "./kill-nine.js";

/** The server on what carries its events instead of the database. */
const transports = [
  {
    name: "JetStream",
    program: "nats-server" as const,
    start: () => startNats(),
    env: (url: string) => ({ SIGNALBOX_TRANSPORT: "jetstream", SIGNALBOX_NATS_URL: url }),
    banner: /NATS JetStream at 127\.0\.0\.1:\d+ \(transport\)/,
  },
  {
    name: "BullMQ",
    program: "redis-server" as const,
    start: () => startRedis(),
    env: (url: string) => ({ SIGNALBOX_TRANSPORT: "bullmq", SIGNALBOX_REDIS_URL: url }),
    banner: /BullMQ at 127\.0\.0\.1:\d+ \(transport\)/,
  },
];

const envelopes = Number(process.env["KILL_NINE_ENVELOPES"] ?? 200);
const app = fileURLToPath(new URL("../sdk-apps/node-error.mjs", import.meta.url));

for (const { name, program, start, env, banner } of transports) {
  const needed = requireServers([program]);

  describe.skipIf(needed.skip)(needed.title(name), () => {
    let carrier: TestServer | undefined;
    let server: SignalboxServer | undefined;
    let dataDirectory: string | undefined;

    afterEach(async () => {
      await server?.stop();
      await carrier?.stop();
      if (dataDirectory) await rm(dataDirectory, { recursive: true, force: true });
    });

    const install = async (): Promise<SignalboxInstallation> => {
      carrier = await start();
      dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-transport-"));
      return installSignalbox({ dataDirectory, env: env(carrier.url) });
    };

    test("ES-223 ES-225 ET-001 an error of @sentry/node becomes an issue; readiness follows the carrier of the events", async () => {
      const installation = await install();
      server = await installation.start();
      const { url } = server;
      expect(server.output()).toMatch(banner);
      const [project] = (await installation.command("project", "list")) as { dsn: string }[];
      const { token } = (await installation.command("token", "create", "--scope", "errors:read")) as { token: string };

      const run = promisify(execFile)(process.execPath, [app], {
        env: { ...process.env, SENTRY_DSN: project?.dsn ?? "" },
      });
      await expect(run).rejects.toMatchObject({ code: 1 });
      const issues = async (): Promise<unknown> => {
        const answer = await fetch(`${url}/api/v1/projects/1/errors`, {
          headers: { authorization: `Bearer ${token}` },
        });
        return answer.json();
      };
      await expect.poll(issues).toMatchObject([{ event_count: 1, title: "RangeError: the basket is empty" }]);

      const readiness = async (): Promise<number> => (await fetch(`${url}/-/readiness`)).status;
      expect(await readiness()).toBe(200);
      await carrier?.kill();
      await expect.poll(readiness, { timeout: 30_000 }).toBe(503);
      await carrier?.restart();
      await expect.poll(readiness, { timeout: 30_000 }).toBe(200);
    });

    test("ES-201 ET-011 every envelope that got its 200 is stored exactly once, although server and carrier are killed", async () => {
      const installation = await install();
      const result = await killNine({
        installation,
        envelopes,
        connections: 20,
        kills: 2,
        onAcknowledged: async (count) => {
          // Between the kills of the server itself.
          if (count !== Math.floor(envelopes / 2)) return;
          await carrier?.kill();
          await carrier?.restart();
        },
      });
      server = result.server;
      expect([...result.acknowledged].filter((eventId) => result.stored.get(eventId) !== 1)).toEqual([]);
      expect(result.acknowledged.size).toBe(envelopes);
      expect(result.counted).toBe(envelopes);
    });
  });
}
