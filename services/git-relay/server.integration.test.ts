import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeNpub, type NostrEvent, type VerifiedEvent } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "@signalbox/testing/servers";
import { finalizeEvent, generateSecretKey, getPublicKey, verifyEvent } from "nostr-tools";
import { AbstractRelay } from "nostr-tools/abstract-relay";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { connectRaw } from "./testing/raw-client.js";

// The relay as a user runs it: the built server, in a process of its own.

let directory: string;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;
const install = async (env: Record<string, string> = {}, flags: string[] = []): Promise<void> => {
  installation = await installSignalbox({ dataDirectory: join(directory, "data"), env, flags });
};
const address = (): string => installation.env["SIGNALBOX_RELAY_LISTEN"] ?? "";
const relayUrl = (): string => `ws://${address()}`;
const seconds = (): number => Math.floor(Date.now() / 1_000);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "relay-server-"));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** Sends events of its own one after the other; tells which were acknowledged. */
async function publishUntilKilled(name: string, acknowledged: VerifiedEvent[]): Promise<void> {
  const signer = testSigner(name);
  const client = await connectRaw(relayUrl());
  for (let index = 0; ; index++) {
    const regular = signEvent(signer, { created_at: seconds(), content: `${name} ${index}`, tags: [["t", "crash"]] });
    const version = signEvent(signer, {
      kind: 30_023,
      created_at: seconds() - 10_000 + index,
      tags: [
        ["d", "x"],
        ["t", "crash"],
      ],
    });
    for (const event of [regular, version]) client.send(["EVENT", event]);
    try {
      for (const event of [regular, version]) {
        const answer = await client.next();
        expect(answer).toEqual(["OK", event.id, true, ""]);
        acknowledged.push(event);
      }
    } catch (error) {
      if (client.socket.readyState === WebSocket.CLOSED) return;
      throw error;
    }
  }
}

async function storedWith(topic: string): Promise<NostrEvent[]> {
  const client = await connectRaw(relayUrl());
  const found: NostrEvent[] = [];
  for (let until = Number.MAX_SAFE_INTEGER; ; ) {
    client.send(["REQ", "all", { "#t": [topic], until }]);
    const messages = await client.until("EOSE");
    // The relay's own events: their shape is what the other tests are about.
    const page = messages.slice(0, -1).map(([, , event]) => event as NostrEvent);
    found.push(...page);
    const last = page.at(-1);
    if (messages.at(-1)?.[2] === "finish" || !last) break;
    until = last.created_at - 1;
  }
  await client.close();
  return found;
}

describe("the relay of a started server", () => {
  test("GR-025 GR-478 PF-010 kill -9 while events stream in loses nothing acknowledged and halves no replacement", async () => {
    await install({ SIGNALBOX_RELAY_PROFILE: "open", SIGNALBOX_RELAY_AUTH_CHALLENGE_ON_CONNECT: "false" }, [
      "--only",
      "relay",
    ]);
    const acknowledged: VerifiedEvent[] = [];
    for (const round of [1, 2]) {
      server = await installation.start();
      const before = acknowledged.length;
      const publishers = ["a", "b", "c"].map((name) => publishUntilKilled(`${name}${round}`, acknowledged));
      await expect.poll(() => acknowledged.length - before, { interval: 5 }).toBeGreaterThan(150);
      server.kill("SIGKILL");
      await server.ended;
      await Promise.all(publishers);
    }
    server = await installation.start();
    const stored = await storedWith("crash");
    const ids = new Set(stored.map(({ id }) => id));
    const regular = acknowledged.filter(({ kind }) => kind === 1);
    expect(regular.filter(({ id }) => !ids.has(id))).toEqual([]);
    for (const author of new Set(acknowledged.map(({ pubkey }) => pubkey))) {
      const versions = stored.filter(({ kind, pubkey }) => kind === 30_023 && pubkey === author);
      expect(versions).toHaveLength(1);
      const newest = Math.max(
        ...acknowledged
          .filter(({ kind, pubkey }) => kind === 30_023 && pubkey === author)
          .map(({ created_at }) => created_at),
      );
      expect(versions[0]?.created_at).toBeGreaterThanOrEqual(newest);
    }
  });

  test("PF-003 PF-008 GR-131 GR-134 announces itself; nostr-tools publishes a repository that lists it, and what is about it", async () => {
    await install();
    server = await installation.start();
    await expect.poll(server.output).toContain(`Git relay       ${relayUrl()}\n`);
    const client = new AbstractRelay(relayUrl(), {
      verifyEvent,
      websocketImplementation: globalThis.WebSocket ?? WebSocket,
    });
    await client.connect();
    const key = generateSecretKey();
    const npub = encodeNpub(getPublicKey(key));
    const announcement = finalizeEvent(
      {
        kind: 30_617,
        created_at: seconds(),
        tags: [
          ["d", "x"],
          ["relays", relayUrl()],
          ["clone", `http://${address()}/${npub}/x.git`],
        ],
        content: "",
      },
      key,
    );
    const about = (content: string) =>
      finalizeEvent({ kind: 1621, created_at: seconds(), tags: [["a", `30617:${getPublicKey(key)}:x`]], content }, key);
    await expect(client.publish(about("too early"))).rejects.toThrow(/^blocked: not related/);
    await client.publish(announcement);
    const heard: string[] = [];
    client.subscribe([{ "#a": [`30617:${getPublicKey(key)}:x`] }], { onevent: ({ id }) => void heard.push(id) });
    const issue = about("now");
    await client.publish(issue);
    await expect.poll(() => heard).toEqual([issue.id]);
    expect(await client.count([{ kinds: [1621, 30_617] }], {})).toBe(2);
    client.close();

    const metrics = await (await fetch(`${server.metricsUrl}/metrics`)).text();
    for (const line of [
      'ngit_events_stored_total{kind="1621"} 1',
      'ngit_events_rejected_total{kind="1621",reason="blocked"} 1',
      "ngit_repositories_total 1",
      'ngit_websocket_messages_received_total{type="COUNT"} 1',
    ])
      expect(metrics).toContain(line);
  });

  test("GR-006 the relay's own key is made once, for its owner's eyes, and a damaged one refuses the start", async () => {
    await install({}, ["--only", "relay"]);
    server = await installation.start();
    const self = async (): Promise<unknown> => {
      const answer = await fetch(`http://${address()}`, { headers: { accept: "application/nostr+json" } });
      return JSON.parse(await answer.text()).self;
    };
    const first = await self();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    const path = join(directory, "data", "relay-key");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const secret = readFileSync(path, "utf8").trim();
    expect(server.output()).not.toContain(secret);
    await server.stop();
    server = await installation.start();
    expect(await self()).toBe(first);
    await server.stop();
    server = undefined;
    writeFileSync(path, "hunter2\n");
    await expect(installation.start()).rejects.toThrow(/RELAY_BAD_KEY/);
    await expect(installation.start()).rejects.not.toThrow(/hunter2/);
    writeFileSync(path, `${secret}\n`);
  });
});
