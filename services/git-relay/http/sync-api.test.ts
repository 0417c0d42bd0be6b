import { createHttpServer, HttpProblem, type Principal, type Scope } from "@signalbox/http";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { encodeNpub, kinds, type NostrEvent } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, testSigner } from "@signalbox/nostr/testing";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { relayErrors } from "../errors.js";
import { createGitRelayApi } from "../service.js";
import type { EventSource } from "../store/port.js";
import { readRelaySettings, startTestRelay, type TestRelay } from "../testing/start-relay.js";

const owner = testSigner("owner");
const stranger = testSigner("stranger");
const domain = "here.example";
const privatePeer = "ws://10.1.2.3";
const noPeer = "ws://127.0.0.1:1";
const nobody: ReadonlySet<string> = new Set();

describe("the sync in the API", () => {
  let source: TestRelay;
  let relay: TestRelay;
  let app: FastifyInstance;
  let announcement: NostrEvent;
  let refused: NostrEvent;

  beforeAll(async () => {
    source = await startTestRelay({ name: "the source" });
    announcement = signEvent(owner, {
      kind: kinds.announcement,
      tags: [
        ["d", "shop"],
        ["clone", `https://${domain}/${encodeNpub(owner.publicKey)}/shop.git`],
        ["relays", `wss://${domain}`, source.url, privatePeer],
      ],
    });
    refused = signAnnouncement(stranger, { identifier: "mill", domains: ["elsewhere.example"] });
    for (const event of [announcement, refused, issueOf("shop")]) await accept(source, event);
    relay = await startTestRelay({
      relay: {
        domain,
        profile: "grasp",
        sync: {
          enabled: true,
          bootstrap_relays: [source.url, noPeer],
          allowed_networks: ["127.0.0.0/8"],
          batch_window_ms: 50,
        },
      },
    });
    app = await openApi();
    await vi.waitFor(async () => expect((await peerOf(source.url)).status).toBe("connected"), { timeout: 30_000 });
  });
  afterAll(async () => {
    await app?.close();
    await relay?.destroy();
    await source?.destroy();
  });

  const openApi = async (withRelay = true): Promise<FastifyInstance> => {
    const server = await createHttpServer({
      rateLimits: false,
      openApi: { title: "test", version: "1", catalogues: [relayErrors] },
      authenticator: {
        async authenticate(token): Promise<Principal> {
          const scopes = new Set<Scope>(token === "admin" ? ["relay:read", "relay:admin"] : ["relay:read"]);
          if (token !== "admin" && token !== "reader") throw new HttpProblem("invalid_token");
          return { subject: token, issuer: "signalbox", scopes, tokenId: "1", expiresAtMs: Number.MAX_SAFE_INTEGER };
        },
        isVerified: () => false,
      },
    });
    await server.register(
      createGitRelayApi({
        database: relay.database,
        clock: systemClock,
        logger: silentLogger,
        settings: readRelaySettings({ profile: "grasp", domain, sync: { enabled: true } }),
        relay: withRelay ? relay.relay : undefined,
      }),
    );
    return server;
  };
  const ask = async (method: "GET" | "POST" | "DELETE", path: string, token = "reader", payload?: object) => {
    const answer = await app.inject({
      method,
      url: `/api/v1/relay${path}`,
      headers: { authorization: `Bearer ${token}` },
      ...(payload && { payload }),
    });
    return { status: answer.statusCode, body: answer.body === "" ? undefined : answer.json(), headers: answer.headers };
  };
  const peerOf = async (url: string) => (await ask("GET", `/peers/${encodeURIComponent(url)}`)).body;

  test("GR-452 peers are listed by address, page by page", async () => {
    const urls: string[] = [];
    for (let path: string | undefined = "/peers?limit=2"; path !== undefined; ) {
      const { status, body, headers } = await ask("GET", path);
      expect(status).toBe(200);
      urls.push(...body.map(({ url }: { url: string }) => url));
      path = /<\/api\/v1\/relay([^>]+)>; rel="next"/.exec(String(headers["link"] ?? ""))?.[1];
    }
    expect(urls).toEqual([privatePeer, noPeer, source.url].sort());
  });

  test("GR-452 GR-450 a peer is shown with all that is known of it", async () => {
    const peer = await peerOf(source.url);
    expect(peer).toMatchObject({
      url: source.url,
      status: "connected",
      health: "healthy",
      is_bootstrap: true,
      failures: 0,
      last_failure: null,
      next_attempt_at: null,
      disconnected_at: null,
      announcements_synced: true,
      historic_sync_completed: true,
      historic_sync_had_failures: false,
      wanted: { repos: 1, root_events: 1 },
      confirmed: { repos: 1, root_events: 1 },
      complete: { announcements: true, states: true, repositories: true, roots: true },
      negentropy_unsupported: null,
      naughty: null,
      pending_batches: [],
      repos: [`30617:${owner.publicKey}:shop`],
      root_events: [issueOf("shop").id],
    });
    for (const time of [peer.last_connected, peer.historic_sync_completed_at, peer.last_success_at])
      expect(Date.now() - Date.parse(time)).toBeLessThan(60_000);
    expect(peer.certificates.announcements[0]).toMatchObject({
      method: "negentropy",
      proof: "negentropy",
      complete: true,
      missing_here: 0,
      excluded: { rejected: 1 },
    });
  });

  test("GR-452 GR-458 what happened to the connection is told with its causes, within a span", async () => {
    const { transitions } = await peerOf(source.url);
    const steps = transitions.map(({ from, to }: { from: string; to: string }) => `${from} → ${to}`).reverse();
    expect(steps).toEqual(["disconnected → connecting", "connecting → syncing", "syncing → connected"]);
    const path = `/peers/${encodeURIComponent(source.url)}/transitions`;
    expect((await ask("GET", path)).body).toEqual(transitions);
    const { at } = transitions[0];
    expect((await ask("GET", `${path}?from=${encodeURIComponent(at)}`)).body[0]).toMatchObject({ to: "connected" });
    expect((await ask("GET", `${path}?to=2020-01-01T00:00:00Z`)).body).toEqual([]);
    expect((await ask("GET", `${path}?limit=1`)).body).toHaveLength(1);
    expect((await ask("GET", `${path}?from=yesterday`)).status).toBe(400);
  });

  test("GR-395 GR-452 a peer whose address may not be called shows why, and when it is tried again", async () => {
    await expect
      .poll(async () => peerOf(privatePeer))
      .toMatchObject({
        status: "disconnected",
        health: "disconnected",
        failures: 0,
        last_failure: { kind: "target_not_allowed" },
        naughty: null,
      });
    const { last_failure, next_attempt_at } = await peerOf(privatePeer);
    expect(Date.parse(next_attempt_at) - Date.parse(last_failure.at)).toBe(3_600_000);
  });

  test("the status counts peers and says what needs a look", async () => {
    await expect
      .poll(async () => (await ask("GET", "/status")).body)
      .toMatchObject({
        profile: "grasp",
        domain,
        url: `wss://${domain}`,
        sync_enabled: true,
        peers: { total: 3, completely_synced: 1, by_status: { connected: 1 }, by_health: { healthy: 1, degraded: 1 } },
        refused_targets: [privatePeer],
        over_limit: [],
        queues: { undecided_events: 0, pending_batches: 0 },
      });
  });

  test("GR-270 every spelling of an address means the same peer", async () => {
    const other = source.url.replace("ws:", "WS:");
    expect((await peerOf(`${other}/`)).url).toBe(source.url);
  });

  test("a peer that is not tracked, and what is no address, are 404", async () => {
    for (const text of ["wss://unknown.example", "nonsense without end", "https://relay.example"])
      for (const path of [`/peers/${encodeURIComponent(text)}`, `/peers/${encodeURIComponent(text)}/transitions`])
        expect(await ask("GET", path)).toMatchObject({ status: 404, body: { code: "relay_peer_unknown" } });
    expect(await ask("POST", "/repair", "admin", { relay: "wss://unknown.example" })).toMatchObject({ status: 404 });
    expect(await ask("DELETE", "/peers/nobody", "admin")).toMatchObject({ status: 404 });
  });

  test("an event is explained by what is true of it", async () => {
    const explain = async (id: string) => (await ask("GET", `/explain/event/${id}`)).body.findings;
    expect(await explain(announcement.id)).toMatchObject([
      { state: "stored", kind: 30617, source: "sync", peer: source.url },
    ]);
    expect(await explain(refused.id)).toMatchObject([
      {
        state: "rejected",
        reason: "does_not_list_service",
        message: "blocked: announcement does not list this service in clone and relays",
        peer: source.url,
        fix: expect.stringContaining("relays"),
      },
    ]);
    const waiting = issueOf("unknown");
    expect(await accept(relay, waiting, "sync")).toMatchObject({ kind: "waiting" });
    expect(await explain(waiting.id)).toMatchObject([
      { state: "waiting", kind: 1621, waits_for: [`30617:${owner.publicKey}:unknown`] },
    ]);
    expect((await ask("GET", "/held")).body).toMatchObject([
      { event_id: waiting.id, kind: 1621, state: "waiting", author: encodeNpub(stranger.publicKey) },
    ]);
    expect((await ask("GET", "/status")).body.waiting.events).toBe(1);
    const gone = signEvent(stranger, { kind: kinds.issue, tags: [repositoryTag(owner, "shop")], content: "gone" });
    await accept(relay, gone);
    const deletion = signEvent(stranger, { kind: kinds.deletion, tags: [["e", gone.id]] });
    await accept(relay, deletion);
    expect(await explain(gone.id)).toMatchObject([{ state: "deleted", deletion_id: deletion.id }]);
    const short = signEvent(stranger, {
      kind: kinds.issue,
      tags: [repositoryTag(owner, "shop"), ["expiration", String(Math.floor(Date.now() / 1_000) + 1)]],
    });
    await accept(relay, short);
    await expect.poll(async () => (await explain(short.id))[0].state).toBe("expired");
    expect(await ask("GET", `/explain/event/${"0".repeat(64)}`)).toMatchObject({
      status: 404,
      body: { code: "relay_event_unknown" },
    });
    expect((await ask("GET", "/explain/event/nonsense")).status).toBe(400);
  });

  test("somebody else's wish to delete an event does not make it deleted", async () => {
    const event = signEvent(stranger, { kind: kinds.issue, tags: [repositoryTag(owner, "shop")], content: "stays" });
    await accept(relay, event);
    await accept(relay, signEvent(owner, { kind: kinds.deletion, tags: [["e", event.id]] }));
    expect((await ask("GET", `/explain/event/${event.id}`)).body.findings).toMatchObject([{ state: "stored" }]);
  });

  test("a repair needs the scope, says what it would do, and then syncs anew", async () => {
    const body = { relay: source.url };
    expect(await ask("POST", "/repair", "reader", body)).toMatchObject({
      status: 403,
      body: { code: "insufficient_scope" },
    });
    const before = (await peerOf(source.url)).transitions.length;
    const planned = await ask("POST", "/repair", "admin", { ...body, dry_run: true });
    expect(planned).toMatchObject({ status: 200, body: { relay: source.url, dry_run: true } });
    expect(planned.body.actions).toContain("sync everything anew");
    expect((await peerOf(source.url)).transitions).toHaveLength(before);
    expect((await ask("POST", "/repair", "admin", body)).body).toEqual({ ...planned.body, dry_run: false });
    await expect.poll(async () => (await peerOf(source.url)).transitions.length).toBeGreaterThan(before);
    await expect.poll(async () => (await peerOf(source.url)).status, { timeout: 30_000 }).toBe("connected");
  });

  test("a repair forgets failures and tries at once", async () => {
    await expect.poll(async () => (await peerOf(noPeer)).failures).toBeGreaterThan(0);
    const { body } = await ask("POST", "/repair", "admin", { relay: noPeer });
    expect(body.actions[0]).toMatch(/^forget \d+ failures? and try at once$/);
    await expect.poll(async () => (await peerOf(noPeer)).failures).toBe(1);
  });

  test("a peer is tried at once, with the scope for it, and its failures are not forgotten", async () => {
    const path = `/peers/${encodeURIComponent(noPeer)}/retry`;
    expect((await ask("POST", path)).status).toBe(403);
    await expect.poll(async () => (await peerOf(noPeer)).status).toBe("disconnected");
    const { failures } = await peerOf(noPeer);
    expect(failures).toBeGreaterThan(0);
    expect(await ask("POST", path, "admin")).toMatchObject({ status: 200, body: { relay: noPeer, action: "connect" } });
    await expect.poll(async () => (await peerOf(noPeer)).failures).toBeGreaterThan(failures);
    const answer = await ask("POST", `/peers/${encodeURIComponent(source.url)}/retry`, "admin");
    expect(answer.body).toEqual({ relay: source.url, action: "nothing" });
    expect((await ask("POST", "/peers/nobody/retry", "admin")).status).toBe(404);
  });

  test("GR-458 a peer can be forgotten, with the scope for it", async () => {
    const path = `/peers/${encodeURIComponent(noPeer)}`;
    expect((await ask("DELETE", path)).status).toBe(403);
    expect((await ask("DELETE", path, "admin")).status).toBe(204);
    expect((await ask("GET", path)).status).toBe(404);
    const { body } = await ask("GET", "/peers");
    expect(body.map(({ url }: { url: string }) => url)).not.toContain(noPeer);
  });

  test("GR-147 stored events are reviewed by the policy of today, with the scope for it", async () => {
    expect((await ask("GET", "/policy/review")).status).toBe(403);
    const { status, body } = await ask("GET", "/policy/review", "admin");
    expect([status, body.unfit, body.is_cut]).toEqual([200, [], false]);
    expect(body.checked).toBeGreaterThan(0);
  });

  test("a process without the relay says so, and still explains what the database knows", async () => {
    const other = await openApi(false);
    const headers = { authorization: "Bearer reader" };
    for (const path of ["peers", "status", "held"]) {
      const answer = await other.inject({ url: `/api/v1/relay/${path}`, headers });
      expect([path, answer.statusCode, answer.json().code]).toEqual([path, 503, "unavailable"]);
    }
    const explained = await other.inject({ url: `/api/v1/relay/explain/event/${refused.id}`, headers });
    expect(explained.json().findings).toMatchObject([{ state: "rejected" }]);
    await other.close();
  });
});

function issueOf(identifier: string): NostrEvent {
  return signEvent(stranger, { kind: kinds.issue, tags: [repositoryTag(owner, identifier)] });
}

function accept(to: TestRelay, event: NostrEvent, source: EventSource = "client") {
  return to.relay.eventIntake.accept(event, { origin: { source, correlationId: "C" }, authenticated: nobody });
}
