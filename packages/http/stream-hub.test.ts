import { createVirtualClock } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test } from "vitest";
import { createPrometheusMetrics } from "./prometheus.js";
import { RecentMessages } from "./recent-messages.js";
import { createStreamHub, type StreamHubOptions } from "./stream-hub.js";
import { eventually } from "./testing/eventually.js";
import { openRaw } from "./testing/raw-connection.js";
import { bodyOf, serve } from "./testing/serve.js";
import { createTestTokens } from "./testing/tokens.js";

const sharedTokens = await createTestTokens();

interface Message {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
  readonly comment?: string;
  readonly retry?: string;
}

/** A listener that reads as a browser does. */
class Listener {
  readonly response: Response;
  readonly messages: Message[] = [];
  ended = false;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.response = response;
    this.#abort = abort;
    this.#read().catch(() => {
      this.ended = true;
    });
  }

  static async open(url: string, topics: string, headers: Record<string, string>): Promise<Listener> {
    const abort = new AbortController();
    onTestFinished(() => abort.abort());
    const response = await fetch(`${url}/api/v1/stream?topics=${topics}`, { headers, signal: abort.signal });
    return new Listener(response, abort);
  }

  async #read(): Promise<void> {
    let text = "";
    for await (const chunk of this.response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        this.messages.push(parse(text.slice(0, end)));
        text = text.slice(end + 2);
      }
    }
    this.ended = true;
  }

  /** Resolves when a message with this name is there. */
  async until(event: string): Promise<Message> {
    await eventually(() => this.messages.some((message) => message.event === event)).toBe(true);
    return this.messages.find((message) => message.event === event) ?? {};
  }

  /** `name data` of the changes. */
  get changes(): string[] {
    return this.messages.flatMap(({ event, data }) =>
      event === undefined || event === "ready" || event === "reset" ? [] : [`${event} ${data}`],
    );
  }

  close(): void {
    this.#abort.abort();
  }
}

function parse(block: string): Message {
  const fields = block.split("\n").map((line) => {
    const [name = "", ...rest] = line.split(": ");
    return [name === "" || name === ":" ? "comment" : name, rest.join(": ")];
  });
  return Object.fromEntries(fields);
}

async function startHub(options: StreamHubOptions = {}, tokens = sharedTokens) {
  const metrics = createPrometheusMetrics();
  const hub = createStreamHub({ metrics, ...options });
  const queues = hub.addTopic("events.queues", { scope: "events:read" });
  const issues = hub.addTopic("errors.issues", { scope: "errors:read" });
  const health = hub.addTopic("system.health", { scope: ["events:read", "errors:read"] });
  const { url, app } = await serve({ authenticator: tokens.authenticator, metrics }, async (server) => {
    await server.register(hub.plugin);
  });
  const reader = await tokens.bearer(["events:read"]);
  const exposition = async (): Promise<string> => (await metrics.exposition()).body;
  return { hub, queues, issues, health, url, app, reader, exposition, metrics };
}

describe("PF-047 the stream", () => {
  test("PF-047 pushes the changes of the topics that were asked for, and no others", async () => {
    const { url, queues, issues, reader } = await startHub();
    const listener = await Listener.open(url, "events.queues,system.health", reader);
    expect(listener.response.status).toBe(200);
    expect(listener.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(listener.response.headers.get("cache-control")).toBe("no-store");
    expect(listener.response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(listener.response.headers.get("x-correlation-id")).not.toBeNull();
    expect(JSON.parse((await listener.until("ready")).data ?? "")).toEqual({
      topics: ["events.queues", "system.health"],
    });
    issues.publish({ id: 1 });
    queues.publish({ subscriber: "ci.worker", text: "two\nlines" });
    await listener.until("events.queues");
    expect(listener.changes).toEqual(['events.queues {"subscriber":"ci.worker","text":"two\\nlines"}']);
  });

  test("PF-047 a topic is listened to as long as somebody does", async () => {
    const { url, queues, issues, reader, exposition } = await startHub();
    expect(queues.isListenedTo).toBe(false);
    const listener = await Listener.open(url, "events.queues", reader);
    await listener.until("ready");
    expect([queues.isListenedTo, issues.isListenedTo]).toEqual([true, false]);
    expect(await exposition()).toMatch(/^signalbox_stream_clients 1$/m);
    listener.close();
    await eventually(() => queues.isListenedTo).toBe(false);
    expect(await exposition()).toMatch(/^signalbox_stream_ends_total\{reason="client"\} 1$/m);
  });

  test("PF-047 whoever comes back with the last id gets what was missed", async () => {
    const { url, queues, issues, reader } = await startHub();
    const first = await Listener.open(url, "events.queues", reader);
    await first.until("ready");
    queues.publish(1);
    const { id = "" } = await first.until("events.queues");
    first.close();
    await eventually(() => queues.isListenedTo).toBe(false);
    queues.publish(2);
    issues.publish("not mine");
    queues.publish(3);

    const second = await Listener.open(url, "events.queues", { ...reader, "last-event-id": id });
    const ready = await second.until("ready");
    expect(second.changes).toEqual(["events.queues 2", "events.queues 3"]);
    const third = await Listener.open(url, `events.queues&last_event_id=${id}`, reader);
    await third.until("ready");
    expect(third.changes).toEqual(["events.queues 2", "events.queues 3"]);
    // With the id of `ready` nothing was missed.
    const fourth = await Listener.open(url, "events.queues", { ...reader, "last-event-id": ready.id ?? "" });
    await fourth.until("ready");
    expect(fourth.changes).toEqual([]);
  });

  test.each([["other.1"], ["nonsense"], [""], ["1.2.3"], [`${"9".repeat(40)}.1`]])(
    "PF-047 an id that means nothing here (%j) is answered with a reset",
    async (id) => {
      const { url, queues, reader } = await startHub();
      const listener = await Listener.open(url, `events.queues&last_event_id=${id}`, reader);
      await listener.until("reset");
      queues.publish(1);
      await listener.until("events.queues");
    },
  );

  test("PF-047 an id whose successors are forgotten is answered with a reset", async () => {
    const { url, queues, reader } = await startHub({ keptMessages: 2 });
    const first = await Listener.open(url, "events.queues", reader);
    const { id = "" } = await first.until("ready");
    for (let count = 1; count <= 3; count++) queues.publish(count);
    const second = await Listener.open(url, "events.queues", { ...reader, "last-event-id": id });
    await second.until("reset");
    expect(second.changes).toEqual([]);
  });

  test("PF-047 something is sent now and then when nothing happens", async () => {
    const clock = createVirtualClock();
    const { url, reader } = await startHub({ clock });
    const listener = await Listener.open(url, "events.queues", reader);
    await listener.until("ready");
    await clock.advanceBy(30_000);
    const heartbeats = () => listener.messages.filter(({ comment }) => comment === "heartbeat").length;
    await eventually(heartbeats).toBe(2);
  });

  test("PF-047 a listener that does not read is dropped, and the others are not kept waiting", async () => {
    const { url, queues, reader, exposition } = await startHub({ maxBehindBytes: 100_000 });
    const slow = await openRaw(url);
    slow.send(
      `GET /api/v1/stream?topics=events.queues HTTP/1.1\r\nHost: a\r\nAuthorization: ${reader.authorization}\r\n\r\n`,
    );
    await slow.until((received) => received.includes("event: ready"));
    slow.socket.pause();
    const quick = await Listener.open(url, "events.queues", reader);
    await quick.until("ready");
    const text = "x".repeat(50_000);
    let sent = 0;
    const slowEnds = /^signalbox_stream_ends_total\{reason="slow"\} 1$/m;
    // What the system itself holds for a connection comes on top: megabytes.
    while (sent < 2_000 && !slowEnds.test(await exposition())) {
      queues.publish({ number: ++sent, text });
      while (quick.changes.length < sent && !quick.ended) await new Promise(setImmediate);
    }
    expect(await exposition()).toMatch(slowEnds);
    await eventually(() => quick.changes.length).toBe(sent);
    slow.socket.destroy();
  });

  test("PF-047 more listeners than allowed are told to come back later", async () => {
    const { url, reader } = await startHub({ maxClients: 1 });
    const listener = await Listener.open(url, "events.queues", reader);
    await listener.until("ready");
    const refused = await Listener.open(url, "events.queues", reader);
    expect(refused.response.status).toBe(503);
    expect(refused.response.headers.get("retry-after")).toBe("30");
  });

  test("PF-047 a stream ends when the server stops", async () => {
    const { url, app, reader } = await startHub();
    const listener = await Listener.open(url, "events.queues", reader);
    await listener.until("ready");
    app.beginShutdown();
    await eventually(() => listener.ended).toBe(true);
    await app.shutdown.drained();
  });

  test("PF-047 HEAD answers without a stream", async () => {
    const { url, reader } = await startHub();
    const answer = await fetch(`${url}/api/v1/stream?topics=events.queues`, { method: "HEAD", headers: reader });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("");
  });
});

describe("PF-047 who may listen", () => {
  test("PF-047 each topic needs its own scope", async () => {
    const { url } = await startHub();
    const get = async (topics: string, headers: Record<string, string>): Promise<Response> =>
      fetch(`${url}/api/v1/stream?topics=${topics}`, { headers });
    expect((await get("events.queues", {})).status).toBe(401);
    const refused = await get("events.queues,errors.issues", await sharedTokens.bearer(["events:read"]));
    expect(refused.status).toBe(403);
    expect(await bodyOf(refused)).toMatchObject({
      code: "insufficient_scope",
      detail: expect.stringMatching(/errors:read/),
    });
    for (const scopes of [["events:read", "errors:read"], ["admin"]] as const) {
      const listener = await Listener.open(url, "events.queues,errors.issues", await sharedTokens.bearer(scopes));
      expect(listener.response.status).toBe(200);
    }
  });

  test("PF-047 an unknown topic is refused by name", async () => {
    const { url, reader } = await startHub();
    const answer = await fetch(`${url}/api/v1/stream?topics=events.queues,events.nothing`, { headers: reader });
    expect(answer.status).toBe(400);
    expect(await bodyOf(answer)).toMatchObject({
      code: "invalid_parameter",
      errors: [{ pointer: "/query/topics", message: expect.stringMatching(/"events\.nothing".*events\.queues/) }],
    });
    expect((await fetch(`${url}/api/v1/stream`, { headers: reader })).status).toBe(400);
  });

  test("PF-047 a change may be for some principals only, also when it was missed", async () => {
    const { url, issues } = await startHub();
    const narrowed = await sharedTokens.bearer(["errors:read"], { projects: [1] });
    const listener = await Listener.open(url, "errors.issues", narrowed);
    const { id = "" } = await listener.until("ready");
    for (const project of [1, 2])
      issues.publish(project, { visibleTo: ({ projects }) => projects === undefined || projects.includes(project) });
    await listener.until("errors.issues");
    expect(listener.changes).toEqual(["errors.issues 1"]);
    const again = await Listener.open(url, "errors.issues", { ...narrowed, "last-event-id": id });
    await again.until("ready");
    expect(again.changes).toEqual(["errors.issues 1"]);
  });

  test("PF-047 a stream ends when its token is revoked", async () => {
    const tokens = await createTestTokens();
    const { url, reader, exposition } = await startHub({ recheckMs: 50 }, tokens);
    const listener = await Listener.open(url, "events.queues", reader);
    await listener.until("ready");
    tokens.revokeAll();
    await eventually(() => listener.ended).toBe(true);
    expect(await exposition()).toMatch(/^signalbox_stream_ends_total\{reason="token"\} 1$/m);
  });

  test("two topics of one name are refused", async () => {
    const hub = createStreamHub();
    hub.addTopic("a.b", { scope: "admin" });
    expect(() => hub.addTopic("a.b", { scope: "admin" })).toThrow("a.b");
  });
});

test("PF-047 what is kept for those who come back is bounded in number and size", () => {
  const few = new RecentMessages<unknown>(3, 1_000);
  for (let count = 0; count < 10; count++) few.add({ topic: "t", data: "x", visibleTo: undefined });
  expect(few.after(7)?.map(({ sequence }) => sequence)).toEqual([8, 9, 10]);
  expect(few.after(10)).toEqual([]);
  expect(few.after(6)).toBeUndefined();
  expect(few.after(11)).toBeUndefined();
  const small = new RecentMessages<unknown>(100, 10);
  for (let count = 0; count < 10; count++) small.add({ topic: "t", data: "xxxx", visibleTo: undefined });
  expect(small.after(8)).toHaveLength(2);
  expect(small.after(7)).toBeUndefined();
});
