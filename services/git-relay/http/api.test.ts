import { createHttpServer, findUndocumented, HttpProblem, type Principal } from "@signalbox/http";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { encodeNpub, kinds } from "@signalbox/nostr";
import { repositoryTag, signAnnouncement, signEvent, signState, testSigner } from "@signalbox/nostr/testing";
import type { FastifyInstance } from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relayErrors } from "../errors.js";
import { createGitRelayApi } from "../service.js";
import { readRelaySettings, startTestRelay, type TestRelay } from "../testing/start-relay.js";

const [owner, friend, stranger] = [testSigner("owner"), testSigner("friend"), testSigner("stranger")];
const npub = encodeNpub(owner.publicKey);
const identifier = "a repo/with: odd name".replace("/", "");
const commit = "1".repeat(40);

describe("repositories in the API", () => {
  let server: TestRelay;
  let app: FastifyInstance;
  beforeAll(async () => {
    server = await startTestRelay();
    app = await createHttpServer({
      rateLimits: false,
      openApi: { title: "test", version: "1", catalogues: [relayErrors] },
      authenticator: {
        async authenticate(token): Promise<Principal> {
          if (token !== "reader" && token !== "other") throw new HttpProblem("invalid_token");
          const scopes = new Set([token === "reader" ? ("relay:read" as const) : ("errors:read" as const)]);
          return { subject: "test", issuer: "signalbox", scopes, tokenId: "1", expiresAtMs: Number.MAX_SAFE_INTEGER };
        },
        isVerified: () => false,
      },
    });
    const { database } = server;
    await app.register(
      createGitRelayApi({ database, clock: systemClock, logger: silentLogger, settings: readRelaySettings() }),
    );
    await app.ready();
    const [, address] = repositoryTag(owner, identifier);
    const root = (kind: number, subject: string, tags: string[][] = []) =>
      signEvent(stranger, { kind, created_at: 2_000, tags: [["a", address], ["subject", subject], ...tags] });
    const issue = root(1621, "An issue");
    const patch = root(1617, "A patch");
    const pull = root(1618, "A pull request", [["c", commit]]);
    const profile = (author: typeof owner, content: string) =>
      signEvent(author, { kind: kinds.profile, created_at: 2_000, content });
    const status = (author: typeof owner, kind: number, id: string, created_at: number) =>
      signEvent(author, { kind, created_at, tags: [["e", id]] });
    const events = [
      signAnnouncement(owner, {
        identifier,
        domains: ["relay.example"],
        maintainers: [friend.publicKey, "nonsense"],
        createdAt: 1_000,
        name: "Odd",
      }),
      ...Array.from({ length: 5 }, (_, index) =>
        signAnnouncement(stranger, {
          identifier: `other ${index}`,
          domains: ["relay.example"],
          createdAt: 100 + index,
        }),
      ),
      signState(friend, identifier, { "refs/heads/main": commit, HEAD: "ref: refs/heads/main" }, 3_000),
      signState(stranger, identifier, { "refs/heads/main": "2".repeat(40) }, 4_000),
      issue,
      patch,
      pull,
      status(friend, 1631, patch.id, 3_000),
      status(stranger, 1632, issue.id, 3_000),
      status(friend, 1630, issue.id, 3_001),
      status(testSigner("nobody"), 1632, issue.id, 9_000),
      profile(owner, JSON.stringify({ name: "olga", display_name: " Olga Owner " })),
      profile(stranger, "{ no JSON"),
    ];
    for (const event of events)
      await server.relay.eventIntake.accept(event, {
        origin: { source: "client", correlationId: "C" },
        authenticated: new Set(),
      });
  });
  afterAll(async () => {
    await app.close();
    await server.destroy();
  });
  const get = async (url: string, token = "reader") => {
    const answer = await app.inject({ url, headers: { authorization: `Bearer ${token}` } });
    return { status: answer.statusCode, body: answer.json(), link: answer.headers["link"] };
  };
  const path = `/api/v1/relay/repositories/${npub}/${encodeURIComponent(identifier)}`;

  test("the list goes through all announcements, the last first, page by page", async () => {
    const names: string[] = [];
    const owners = new Set<string | null>();
    let pages = 0;
    for (let url: string | undefined = "/api/v1/relay/repositories?limit=2"; url !== undefined; pages++) {
      const { status, body, link } = await get(url);
      expect(status).toBe(200);
      names.push(...body.map((repository: { identifier: string }) => repository.identifier));
      for (const repository of body) owners.add(repository.owner_name);
      url = /<([^>]+)>; rel="next"/.exec(String(link ?? ""))?.[1];
    }
    expect(names).toEqual([identifier, "other 4", "other 3", "other 2", "other 1", "other 0"]);
    expect([...owners]).toEqual(["Olga Owner", null]);
    expect(pages).toBe(3);
    expect(await get("/api/v1/relay/repositories?cursor=x")).toMatchObject({
      status: 400,
      body: { code: "invalid_cursor" },
    });
  });

  test("a repository is shown with maintainers, the governing state and conversations with their status", async () => {
    const { status, body } = await get(path);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      npub,
      owner_name: "Olga Owner",
      identifier,
      name: "Odd",
      announced_at: "1970-01-01T00:16:40.000Z",
      state: {
        author: encodeNpub(friend.publicKey),
        head: "refs/heads/main",
        refs: [{ name: "refs/heads/main", target: commit }],
      },
    });
    expect(
      body.conversations
        .map(({ subject, status }: { subject: string; status: string }) => `${subject}: ${status}`)
        .sort(),
    ).toEqual(["A patch: applied", "A pull request: open", "An issue: open"]);
    expect(body.conversations).toContainEqual(expect.objectContaining({ kind: "pull_request", commit }));
  });

  test("GR-604 each maintainer has the chain that admits it", async () => {
    expect((await get(`${path}/authority`)).body).toEqual({
      members: [
        { npub, through: [npub] },
        { npub: encodeNpub(friend.publicKey), through: [npub, encodeNpub(friend.publicKey)] },
      ],
      invited: [],
      skipped: ["nonsense"],
    });
  });

  test("an unknown repository, and a key that is none, is 404", async () => {
    for (const url of [path.replace(npub, encodeNpub(friend.publicKey)), path.replace(npub, "npub1x"), `${path}x`])
      expect(await get(url)).toMatchObject({ status: 404, body: { code: "relay_repository_unknown" } });
  });

  test("the scope relay:read is needed, and every route is documented", async () => {
    expect(await get(path, "other")).toMatchObject({ status: 403, body: { code: "insufficient_scope" } });
    expect(await get(path, "nobody")).toMatchObject({ status: 401 });
    const { body } = await get("/openapi.json");
    expect(findUndocumented(body)).toEqual([]);
  });
});
