import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeConversation } from "../nostr/conversation.js";
import { connectRelay } from "../nostr/relay-client.js";
import { findFreePort } from "../servers/free-port.js";
import { installSignalbox } from "../servers/signalbox.js";
import { startExperienceServer } from "./experience-server.js";

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});

interface Entry {
  readonly kind: string;
}

test("a sync with a peer is a journey of the tracker, and the events it brought carry its id", async () => {
  const [source, own] = [`127.0.0.1:${await findFreePort()}`, `127.0.0.1:${await findFreePort()}`];
  const dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-journey-"));
  ending.push(() => rm(dataDirectory, { recursive: true, force: true }));
  const shared = { SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true", SIGNALBOX_RELAY_SYNC_BATCH_WINDOW_MS: "500" };
  const installation = await installSignalbox({
    dataDirectory,
    flags: ["--only", "relay"],
    env: { ...shared, SIGNALBOX_RELAY_LISTEN: source, SIGNALBOX_RELAY_LIMITS_EVENTS_PER_MINUTE: "0" },
  });
  const peer = await installation.start();
  ending.push(() => peer.stop());
  const { events } = makeConversation({ identifier: "shop", hosts: [source, own], roots: 5 });
  const client = await connectRelay(`ws://${source}`);
  ending.push(() => client.close());
  await client.publish(events);

  const server = await startExperienceServer({
    ...shared,
    SIGNALBOX_RELAY_LISTEN: own,
    SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: `ws://${source}`,
  });
  ending.push(() => server.close());
  const path = "/api/v1/experience/runs?experience=signalbox_relay_historic_sync&state=succeeded";
  const succeeded = async () => (await server.get(path)).body.runs;
  await expect.poll(async () => (await succeeded()).length, { timeout: 60_000 }).toBe(1);

  const [run] = await succeeded();
  const timeline = async (): Promise<Entry[]> =>
    (await server.get(`/api/v1/timeline/${run.correlation_id}`)).body.entries;
  const brought = async (): Promise<number> => (await timeline()).filter(({ kind }) => kind === "relay_event").length;
  await expect.poll(brought, { timeout: 30_000 }).toBe(events.length);
});
