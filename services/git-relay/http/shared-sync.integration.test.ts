import { createHttpServer, type Principal } from "@signalbox/http";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createGitRelayApi, type GitRelay } from "../service.js";
import { readRelaySettings, startTestRelay } from "../testing/start-relay.js";

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("several processes on one PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  test("GR-452 GR-479 every process shows the peers of the one that syncs, and only that one changes them", async () => {
    const databaseUrl = await server.createDatabase();
    const source = await startTestRelay({ name: "the source" });
    onTestFinished(() => source.destroy());
    const relay = {
      domain: "relay.example",
      sync: { enabled: true, bootstrap_relays: source.url, allow_private_targets: true },
    };
    const [one, two] = [await startTestRelay({ databaseUrl, relay }), await startTestRelay({ databaseUrl, relay })];
    for (const process of [one, two]) onTestFinished(() => process.destroy());
    const [leader, follower] = one.relay.sync?.engine.isActive() ? [one, two] : [two, one];

    const open = async (from: GitRelay | undefined): Promise<FastifyInstance> => {
      const app = await createHttpServer({
        rateLimits: false,
        authenticator: {
          async authenticate(): Promise<Principal> {
            const scopes = new Set(["relay:read" as const, "relay:admin" as const]);
            return { subject: "a", issuer: "signalbox", scopes, tokenId: "1", expiresAtMs: Number.MAX_SAFE_INTEGER };
          },
          isVerified: () => false,
        },
      });
      const { database } = follower;
      const settings = readRelaySettings(relay);
      await app.register(
        createGitRelayApi({ database, clock: systemClock, logger: silentLogger, settings, relay: from }),
      );
      onTestFinished(() => app.close());
      return app;
    };
    const headers = { authorization: "Bearer any" };
    const peerPath = `/api/v1/relay/peers/${encodeURIComponent(source.url)}`;
    const [own, other, pages] = [await open(leader.relay), await open(follower.relay), await open(undefined)];
    for (const app of [own, other, pages]) {
      const ask = async (url: string) => (await app.inject({ url, headers })).json();
      await expect.poll(async () => (await ask(peerPath)).status, { timeout: 30_000 }).toBe("connected");
      expect((await ask("/api/v1/relay/status")).peers).toMatchObject({ total: 1, completely_synced: 1 });
      expect((await ask(peerPath)).transitions.length).toBeGreaterThan(0);
    }
    expect((await own.inject({ url: peerPath, headers })).json()).toHaveProperty("repos");
    expect((await other.inject({ url: peerPath, headers })).json()).not.toHaveProperty("repos");
    for (const app of [other, pages])
      expect((await app.inject({ method: "DELETE", url: peerPath, headers })).statusCode).toBe(503);
    expect((await own.inject({ method: "DELETE", url: peerPath, headers })).statusCode).toBe(204);
    await expect.poll(async () => (await other.inject({ url: peerPath, headers })).statusCode).toBe(404);
  });
});
