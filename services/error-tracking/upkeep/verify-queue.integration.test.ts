import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileBlobs } from "@signalbox/blobs";
import { createVirtualClock, systemClock } from "@signalbox/kernel";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startNats,
  startPostgres,
} from "@signalbox/testing/servers";
import { openTransport } from "@signalbox/testing/transports";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { attachmentNamespace } from "../edge/ingest-limits.js";
import { eventReceived, eventReceivedId } from "../events/event-received.js";
import { type OpenService, openService } from "../testing/open-service.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { type VerifyReport, verify } from "./verify.js";

let engine: ClickHouseHttpServer;
beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const hourMs = 3_600_000;
const carriers = [
  { name: "SQLite", program: undefined },
  { name: "PostgreSQL", program: "postgres" },
  { name: "JetStream", program: "nats-server" },
] as const;

interface Rig {
  readonly service: OpenService;
  readonly projectId: number;
  readonly directory: string;
  /** The check of all projects. */
  run(options?: {
    readonly blobs?: Awaited<ReturnType<typeof createFileBlobs>>;
    readonly repair?: boolean;
  }): Promise<VerifyReport>;
}

async function open(name: (typeof carriers)[number]["name"]): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), "verify-queue-"));
  closers.push(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "db");
  let database: { readonly path: string } | { readonly url: string } = { path };
  let transport: Awaited<ReturnType<typeof openTransport>>["transport"] | undefined;
  if (name === "PostgreSQL") {
    const server = await startPostgres();
    closers.push(() => server.stop());
    database = { url: await server.createDatabase() };
  } else if (name === "JetStream") {
    const server = await startNats();
    closers.push(() => server.stop());
    const carrier = await openTransport({ kind: "jetstream", databasePath: path, url: server.url });
    closers.push(() => carrier.close());
    ({ transport } = carrier);
  }
  const service = await openService({
    database,
    analytics: { url: engine.url },
    ...(transport === undefined ? {} : { transport }),
    environment: { SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "10ms" },
  });
  closers.push(() => service.close());
  const { eventStore, analytics } = service;
  // Each database has a project 1, and all of them share an engine.
  for (const table of ["error_events", "error_payloads"]) await analytics.command(`TRUNCATE TABLE ${table}`);
  const { id: projectId } = await service.errorTracking.projects.create("Shop");
  return {
    service,
    projectId,
    directory,
    run: ({ blobs, repair = false } = {}) =>
      verify(
        { database: service.database, analytics, blobs, messages: eventStore, clock: systemClock, groupingVersion: 1 },
        { sinceMs: Date.now() - 2 * hourMs, repair },
      ),
  };
}

for (const { name, program } of carriers) {
  const needed = requireServers(program === undefined ? [] : [program]);

  describe.skipIf(needed.skip)(needed.title(`on ${name}`), () => {
    test("ET-381 bytes that belong to nothing are found and kept, those of attachments and dead letters are not found", async () => {
      const { service, projectId, directory, run } = await open(name);
      const old = await createFileBlobs({
        directory: join(directory, "blobs"),
        clock: createVirtualClock(Date.now() - 30 * hourMs),
      });
      closers.push(() => old.close());
      const blobs = await createFileBlobs({ directory: join(directory, "blobs") });
      closers.push(() => blobs.close());
      const put = (store: typeof blobs) => store.put(Buffer.from("bytes"), { namespace: attachmentNamespace });
      const [attached, orphan, carried] = [await put(old), await put(old), await put(old)];
      await put(blobs);
      await service.database.run(
        `insert into error_attachments (project_id, event_id, blob, name, bytes, sha256, received_at_ms)
        values (?, ?, ?, 'a', 5, '', ?)`,
        [projectId, newEventId(), attached.key, Date.now() - hourMs],
      );
      const broken = receivedEvent({}, { projectId, content: "{" });
      await service.eventStore.start();
      await service.eventStore.publish(
        eventReceived.create(
          { ...broken.data, attachments: [{ blob: carried.key, name: "b", bytes: 5, sha256: carried.sha256 }] },
          { id: eventReceivedId(projectId, broken.data.event_id) },
        ),
      );
      await expect.poll(async () => (await service.eventStore.dead.list()).letters.length, { timeout: 30_000 }).toBe(1);

      for (const repair of [false, true])
        expect(await run({ blobs, repair })).toMatchObject({
          total: 1,
          open: 1,
          openBy: { blobs: 1 },
          findings: [{ check: "blobs", projectId: 0, subject: orphan.key, repaired: false }],
        });
      expect(await blobs.stat(orphan.key)).toMatchObject({ bytes: 5 });
      await blobs.delete(orphan.key);
      expect(await run({ blobs })).toMatchObject({ total: 0, checked: { blobs: 3 } });
    });

    test("ET-381 what waits for its rows is in the queue, or it is found", async () => {
      const { service, projectId, run } = await open(name);
      for (let sent = 0; sent < 3; sent++)
        await service.eventStore.publish(receivedEvent(errorPayload("work"), { projectId }));
      expect(await run()).toMatchObject({ total: 0, checked: { pending: 3 } });
      // Counted, and handed out to nobody: 3 of these could be the ones that wait.
      const count = (eventId: string) =>
        service.database.run(
          `insert into error_event_ids
            (project_id, event_id, received_at_ms, primary_hash, timestamp_ms, state, body_digest, sample_weight)
          values (?, ?, ?, '', ?, 'counted', '', 1)`,
          [projectId, eventId, Date.now(), Date.now()],
        );
      for (let counted = 0; counted < 3; counted++) await count(newEventId());
      expect(await run()).toMatchObject({ total: 0 });
      await count(newEventId());
      for (const repair of [false, true])
        expect(await run({ repair })).toMatchObject({
          total: 1,
          open: 1,
          findings: [{ check: "pending", message: "4 events wait for their rows, and the transport holds 3 messages" }],
        });
    });

    test("ET-381 nothing is found while events are taken in and stored", async () => {
      const { service, projectId, run } = await open(name);
      await service.eventStore.start();
      let isSending = true;
      const sending = (async () => {
        while (isSending) await service.eventStore.publish(receivedEvent(errorPayload("work"), { projectId }));
      })();
      try {
        for (let look = 0; look < 5; look++) expect((await run()).findings).toEqual([]);
      } finally {
        isSending = false;
        await sending;
      }
      await expect.poll(async () => (await run()).checked.pending, { timeout: 60_000 }).toBe(0);
    });
  });
}

test("ET-381 messages that the ledger cannot find are found", async () => {
  const { service, projectId, run } = await open("SQLite");
  await service.eventStore.publish(receivedEvent(errorPayload("work"), { projectId }));
  await service.database.run("update event_deliveries set id = 'x' || id");
  expect(await run()).toMatchObject({
    findings: [
      { check: "pending", message: "The ledger knows 0 messages that wait, the transport holds 1", repaired: false },
    ],
  });
});
