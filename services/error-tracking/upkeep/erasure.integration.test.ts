import { systemClock } from "@signalbox/kernel";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventReceived } from "../events/event-received.js";
import { itemReceived } from "../events/item-events.js";
import { type ApiKit, openApiKit } from "../testing/api-kit.js";
import { type FullServer, startFullServer } from "../testing/full-server.js";
import { errorPayload, newEventId, receivedEvent } from "../testing/received-event.js";
import { receivedItems } from "../testing/received-items.js";
import { runDeletions } from "./delete-data.js";
import { forgetEndedLetters } from "./erase-letters.js";

let engine: ClickHouseHttpServer;
beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());

/** What identifies a person, in all places that a client can put it. */
const ann = { id: "ann-4711", email: "Ann@example.com", ip_address: "203.0.113.9" };
const bob = { id: "bob", email: "bob@example.com", ip_address: "203.0.113.10" };

describe("ET-380 everything of an event, an issue, a project or a user goes", () => {
  let server: FullServer;
  beforeEach(async () => {
    server = await startFullServer({
      analyticsUrl: engine.url,
      environment: { SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "10ms" },
    });
  });
  afterEach(() => server?.close());

  const base = () => `/api/v1/projects/${server.projectId}`;

  const send = async (payload: JsonObject, file?: string): Promise<string> => {
    const id = newEventId();
    const event = JSON.stringify(payload);
    const lines = [
      JSON.stringify({ event_id: id }),
      JSON.stringify({ type: "event", length: Buffer.byteLength(event) }),
      event,
      ...(file === undefined
        ? []
        : [JSON.stringify({ type: "attachment", length: file.length, filename: "log.txt" }), file]),
    ];
    const answer = await fetch(server.ingest("/envelope/"), { method: "POST", body: lines.join("\n") });
    expect(answer.status).toBe(200);
    return id;
  };
  const sendItem = async (type: string, item: object): Promise<void> => {
    const body = `{}\n${JSON.stringify({ type })}\n${JSON.stringify(item)}`;
    expect((await fetch(server.ingest("/envelope/"), { method: "POST", body })).status).toBe(200);
  };

  /** Letters of messages that nobody can handle: one that can be read, one that cannot, and one of items. */
  const bury = async (user: typeof ann): Promise<string[]> => {
    const { projectId, eventStore } = server;
    const blob = await server.blobs.put(Buffer.from("of a dead letter"), { namespace: "attachments" });
    const attachments = [{ blob: blob.key, name: "a", bytes: blob.bytes, sha256: blob.sha256 }];
    const readable = receivedEvent(errorPayload("dead", { user }), { projectId });
    const unreadable = receivedEvent({}, { projectId, content: `{"user": {"email": "${user.email}"` });
    const items = receivedItems([["user_report", { comments: "hm", email: user.email }]], { projectId });
    const never = { received_at: "never" };
    const messages = [
      eventReceived.create({ ...readable.data, ...never, attachments }, { id: readable.id }),
      unreadable,
      itemReceived.create({ ...items.data, ...never, items: [...items.data.items], attachments: [] }, { id: items.id }),
    ];
    for (const message of messages) await eventStore.publish(message);
    await expect
      .poll(async () => (await eventStore.dead.list({ state: "dead" })).letters.map(({ event }) => event).join(), {
        timeout: 30_000,
      })
      .toSatisfy((all: string) => messages.every(({ id }) => all.includes(id)));
    return messages.map(({ id }) => id);
  };

  const letters = async (): Promise<string> =>
    JSON.stringify((await server.eventStore.dead.list({}, { limit: 100 })).letters);

  const blobs = async (): Promise<number> => {
    let count = 0;
    for await (const _ of server.blobs.list("")) count++;
    return count;
  };

  /** Rows on disk, those that are only marked as deleted included. */
  const rowsOnDisk = async (table: string): Promise<number> => {
    const [row] = await server.analytics.query<{ n: string }>(
      `SELECT count() AS n FROM ${table} WHERE project_id = {project:UInt64} SETTINGS apply_deleted_mask = 0`,
      { project: server.projectId },
    );
    return Number(row?.n);
  };

  const removals = async (): Promise<void> => {
    const { database, analytics, eventStore } = server;
    await runDeletions({
      database,
      analytics,
      blobs: server.blobs,
      letters: () => eventStore.dead,
      clock: systemClock,
    });
  };

  /** Lets the job run as often as it wants to, as if hours went by. */
  const finish = async (jobId: number): Promise<Record<string, number>> => {
    await expect.poll(async () => (await jobRow(jobId))?.runs, { timeout: 30_000 }).toBe(1);
    await server.database.run("update error_deletions set next_run_at_ms = 0 where id = ?", [jobId]);
    await removals();
    expect(await jobRow(jobId)).toEqual({ runs: 2, next: null, subject: "{}" });
    const job = await server.call("GET", `${base()}/errors/deletions/${jobId}`);
    expect(job.json.state).toBe("done");
    return job.json.counts;
  };
  const jobRow = async (jobId: number) => {
    const { rows } = await server.database.run<{ runs: number; next: number | null; subject: string }>(
      "select runs, next_run_at_ms as next, subject from error_deletions where id = ?",
      [jobId],
    );
    return rows[0];
  };

  const ledger = async (): Promise<{ received: number; balance: number }> =>
    (await server.call("GET", `${base()}/errors/ledger`)).json;

  test("of a user, named by any of three names", async () => {
    const annsEvents = [
      await send(errorPayload("mine", { user: { id: ann.id } }), "ann's file"),
      await send(errorPayload("ours", { user: { email: ann.email.toLowerCase() } })),
      await send(errorPayload("ours", { user: { ip_address: ann.ip_address } })),
    ];
    const bobs = await send(errorPayload("ours", { user: bob }), "bob's file");
    await sendItem("user_report", { event_id: bobs, email: ann.email, name: "Ann", comments: "it is broken" });
    await sendItem("user_report", { event_id: annsEvents[0], email: "other@example.com", name: "x", comments: "?" });
    const started = new Date().toISOString();
    for (const did of [ann.id, bob.id])
      await sendItem("session", { sid: newEventId(), did, started, status: "ok", attrs: { release: "shop@1" } });
    await server.settled();
    const [annsLetter = ""] = await bury(ann);
    const [bobsLetter = ""] = await bury(bob);
    const before = await ledger();

    const answer = await server.call("POST", `${base()}/errors/delete-user`, {
      id: ann.id,
      email: ann.email,
      ip_address: ann.ip_address,
    });
    expect(answer.status).toBe(202);
    expect(await finish(answer.json.job_id)).toMatchObject({
      events: 3,
      issues: 1,
      attachments: 1,
      feedback: 2,
      sessions: 1,
      dead_letters: 3,
    });

    for (const id of annsEvents) expect((await server.call("GET", `${base()}/errors/events/${id}`)).status).toBe(404);
    expect((await server.call("GET", `${base()}/errors/events/${bobs}`)).status).toBe(200);
    expect((await server.call("GET", `${base()}/errors/events/${bobs}/attachments/1`)).text).toBe("bob's file");
    expect((await server.call("GET", `${base()}/errors/feedback`)).json).toEqual([]);
    expect([await rowsOnDisk("error_events"), await rowsOnDisk("error_payloads")]).toEqual([1, 1]);
    expect(await rowsOnDisk("error_sessions")).toBe(1);
    // Bob's file and that of his letter.
    expect(await blobs()).toBe(2);
    expect(await letters()).not.toMatch(/ann-4711|ann@example|203\.0\.113\.9\D/i);
    expect(await letters()).toContain("bob@example.com");
    const raw = await server.call("GET", `${base()}/errors/dead-letters/${annsLetter.split(":").at(-1)}`);
    expect(raw.json).toMatchObject({ state: "discarded", payloads: [] });
    const kept = await server.call("GET", `${base()}/errors/dead-letters/${bobsLetter.split(":").at(-1)}`);
    expect(kept.json).toMatchObject({ state: "dead", payloads: [expect.anything()] });
    // Totals stay, whatever becomes of what they count.
    expect(before.received).toBeGreaterThan(8);
    expect(await ledger()).toMatchObject({ received: before.received, balance: 0 });
  });

  test("of a user whose event still waits in the queue", async () => {
    await server.eventStore.pause("error_tracking.digest");
    const waiting = await send(errorPayload("late", { user: ann }));
    const answer = await server.call("POST", `${base()}/errors/delete-user`, { email: ann.email });
    await expect.poll(async () => (await jobRow(answer.json.job_id))?.runs, { timeout: 30_000 }).toBe(1);
    await server.eventStore.resume("error_tracking.digest");
    await server.settled();
    // It is there now, and nobody sees it.
    expect(await rowsOnDisk("error_events")).toBe(1);
    expect((await server.call("GET", `${base()}/errors/events/${waiting}`)).status).toBe(404);
    // What the user sends after the request is another matter.
    const later = await send(errorPayload("late", { user: ann }));
    await server.settled();
    expect(await finish(answer.json.job_id)).toMatchObject({ events: 1 });
    expect(await rowsOnDisk("error_events")).toBe(1);
    expect((await server.call("GET", `${base()}/errors/events/${later}`)).status).toBe(200);
  });

  test("PF-065 ET-288 of a project, with what waits and what was given up, and the counts are told", async () => {
    await send(errorPayload("a", { user: ann }), "a file");
    await server.settled();
    await bury(ann);
    await server.eventStore.pause("error_tracking.digest");
    await send(errorPayload("b", { user: ann }), "waits");
    const answer = await server.call("DELETE", base());
    expect(answer.status).toBe(202);
    expect((await server.call("GET", base())).status).toBe(404);
    await expect.poll(async () => (await jobRow(answer.json.job_id))?.runs, { timeout: 30_000 }).toBe(1);
    await server.eventStore.resume("error_tracking.digest");
    await server.settled();
    expect(await finish(answer.json.job_id)).toMatchObject({
      events: 1,
      issues: 1,
      hashes: 1,
      event_ids: 1,
      attachments: 1,
      dead_letters: 3,
    });
    for (const table of ["error_events", "error_payloads", "error_users"]) expect(await rowsOnDisk(table)).toBe(0);
    await expect.poll(blobs).toBe(0);
    expect(await letters()).not.toMatch(/ann-4711|ann@example/i);
  });

  test("and what letters carry goes once they have ended, however they did", async () => {
    const [first = "", second = ""] = await bury(ann);
    const { dead } = server.eventStore;
    await dead.discard({ idPrefix: first }, { reason: "known" });
    await forgetEndedLetters(dead);
    expect(await dead.list({ idPrefix: first })).toMatchObject({ letters: [{ state: "discarded", note: "known" }] });
    expect(JSON.stringify(await dead.list({ idPrefix: first }))).not.toContain(ann.id);
    expect(JSON.stringify(await dead.list({ idPrefix: second }))).toContain(ann.email);
    // Who deletes a letter over the API deletes its bytes.
    await server.call("DELETE", `${base()}/errors/dead-letters/${second.split(":").at(-1)}`);
    expect(JSON.stringify(await dead.list({ idPrefix: second }))).not.toContain(ann.email);
  });

  test("of an issue and of an event", async () => {
    const [one, two] = [await send(errorPayload("a"), "first"), await send(errorPayload("a"), "second")];
    const other = await send(errorPayload("b"), "third");
    await server.settled();
    const event = await server.call("DELETE", `${base()}/errors/events/${one}`);
    expect(event.status).toBe(202);
    expect(await finish(event.json.job_id)).toMatchObject({ events: 1, attachments: 1 });
    expect(await rowsOnDisk("error_events")).toBe(2);
    expect(await blobs()).toBe(2);
    const issue = (await server.call("GET", `${base()}/errors/events/${two}`)).json.fingerprint;
    const job = await server.call("DELETE", `${base()}/errors/${issue}`);
    expect(await finish(job.json.job_id)).toMatchObject({ issues: 1, hashes: 1, events: 1, attachments: 1 });
    expect([await rowsOnDisk("error_events"), await rowsOnDisk("error_payloads"), await blobs()]).toEqual([1, 1, 1]);
    expect((await server.call("GET", `${base()}/errors/events/${other}`)).status).toBe(200);
  });
});

describe("ET-380 what is to go is hidden at once, whenever the job runs", () => {
  let kit: ApiKit;
  beforeAll(async () => {
    kit = await openApiKit(engine.url);
  });
  afterAll(() => kit?.close());

  test("from every place where events are read", async () => {
    const project = await kit.newProject();
    const base = `/api/v1/projects/${project}`;
    const tags = { team: "x", correlation_id: "01JZZZZZZZZZZZZZZZZZZZZZZZ" };
    const [byId = "", byUser = "", stays = ""] = await kit.store(
      project,
      [errorPayload("a", { tags })],
      [errorPayload("a", { tags, user: ann })],
      [errorPayload("a", { tags, user: bob })],
    );
    const [issue] = (await kit.call("GET", `${base}/errors`)).json();
    const url = `${base}/errors/${issue.fingerprint}`;
    expect((await kit.call("DELETE", `${base}/errors/events/${byId}`)).statusCode).toBe(202);
    expect((await kit.call("POST", `${base}/errors/delete-user`, { id: ann.id })).statusCode).toBe(202);
    const { rows } = await kit.stores.database.run("select state from error_deletions where project_id = ?", [project]);
    expect(rows).toEqual([{ state: "pending" }, { state: "pending" }]);

    for (const id of [byId, byUser]) {
      expect((await kit.call("GET", `${base}/errors/events/${id}`)).statusCode).toBe(404);
      expect((await kit.call("GET", `${base}/errors/events/${id}.md`)).statusCode).toBe(404);
      expect((await kit.call("GET", `${base}/errors/events/${id}/grouping`)).statusCode).toBe(404);
      expect((await kit.call("GET", `${url}/events/${id}`)).statusCode).toBe(404);
      expect((await kit.call("GET", `${base}/errors?query=${id}`)).json()).toEqual([]);
    }
    const events = (await kit.call("GET", `${url}/events`)).json();
    expect(events.map((event: { event_id: string }) => event.event_id)).toEqual([stays]);
    expect((await kit.call("GET", `${url}/events/latest`)).json()).toMatchObject({ event_id: stays, previous: null });
    expect((await kit.call("GET", `${url}/tags/team`)).json()).toMatchObject({ total: 1 });
    expect((await kit.call("GET", `${base}/errors?query=user.id:${ann.id}`)).json()).toEqual([]);
    expect((await kit.call("GET", `${base}/errors?query=user.id:${bob.id}`)).json()).toHaveLength(1);
  });
});
