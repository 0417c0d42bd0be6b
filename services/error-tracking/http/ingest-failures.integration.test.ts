import { join } from "node:path";
import { openDatabase } from "@signalbox/database";
import { EventStoreError, type Transport } from "@signalbox/event-store";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { afterEach, describe, expect, test } from "vitest";
import { envelope, eventEnvelope, type IngestServer, startIngestServer } from "../testing/ingest-server.js";
import { startIngestProcess } from "../testing/start-ingest-process.js";

let server: IngestServer;
afterEach(() => server?.close());

/** A transport whose `enqueue` first does what `before` says. */
function beforeEnqueue(before: () => Promise<void>) {
  return (transport: Transport): Transport =>
    new Proxy(transport, {
      get(target, name) {
        if (name === "enqueue") {
          return async (...parameters: Parameters<Transport["enqueue"]>) => {
            await before();
            return target.enqueue(...parameters);
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
}

async function post(body: Uint8Array) {
  const response = await fetch(server.envelopeUrl, { method: "POST", body });
  return { status: response.status, headers: response.headers, json: JSON.parse(await response.text()) };
}

const lines = () =>
  server.outcomes.map(({ itemType, category, outcome, reason }) => [itemType, category, outcome, reason]);

describe("publishing", () => {
  test("ET-011 the answer waits until the transport has the event, and its attachments are stored before", async () => {
    let open = (): void => {};
    let blobsAtEnqueue = 0;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    server = await startIngestServer({
      wrapTransport: beforeEnqueue(async () => {
        for await (const _key of server.blobs.list("")) blobsAtEnqueue++;
        await gate;
      }),
    });
    let answered = false;
    const answer = post(envelope({}, [{ type: "event" }, {}], [{ type: "attachment" }, "abc"])).then((result) => {
      answered = true;
      return result;
    });
    await expect.poll(() => blobsAtEnqueue).toBe(1);
    // Everything else that could answer has had its turn.
    await post(envelope({}, [{ type: "span" }, {}]));
    expect(answered).toBe(false);
    open();
    expect(await answer).toMatchObject({ status: 200 });
    expect(await server.deliveries()).toBe(1);
  });

  test("ET-011 every event that was answered with 200 survives kill -9", async () => {
    const edge = await startIngestProcess();
    try {
      const accepted: string[] = [];
      const send = async (): Promise<void> => {
        for (;;) {
          try {
            const response = await fetch(edge.envelopeUrl, { method: "POST", body: eventEnvelope({ message: "x" }) });
            const { id } = JSON.parse(await response.text());
            if (response.status === 200) accepted.push(id);
          } catch {
            return;
          }
        }
      };
      const senders = Array.from({ length: 16 }, send);
      await expect.poll(() => accepted.length, { timeout: 30_000 }).toBeGreaterThan(200);
      await edge.kill();
      await Promise.all(senders);

      const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };
      const database = await openDatabase({ ...ports, path: join(edge.directory, "db") });
      const { rows } = await database.run<{ body: string }>("select body from event_deliveries");
      const held = new Set(rows.map(({ body }) => JSON.parse(body).id));
      await database.close();
      for (const id of accepted) expect(held).toContain(`et:1:${id}`);
    } finally {
      await edge.remove();
    }
  });

  test("ET-012 a transport that is away for a moment is waited for", async () => {
    let failures = 3;
    server = await startIngestServer({
      wrapTransport: beforeEnqueue(async () => {
        if (failures-- > 0) throw new EventStoreError("EVT_TRANSPORT_UNAVAILABLE");
      }),
    });
    expect(await post(eventEnvelope({ message: "x" }))).toMatchObject({ status: 200 });
    expect(await server.received(1)).toHaveLength(1);
    expect(lines()).toEqual([]);
  });

  const away = () => Promise.reject(new EventStoreError("EVT_TRANSPORT_UNAVAILABLE"));
  const expectUnavailable = async (): Promise<void> => {
    const started = performance.now();
    const { status, headers, json } = await post(eventEnvelope({ message: "x" }));
    expect({ status, code: json.code, after: headers.get("retry-after") }).toEqual({
      status: 503,
      code: "ET_QUEUE_UNAVAILABLE",
      after: "10",
    });
    expect(performance.now() - started).toBeGreaterThan(1500);
  };

  test("ET-012 a transport that refuses for longer than 2 seconds makes the answer 503", async () => {
    server = await startIngestServer({ wrapTransport: beforeEnqueue(away) });
    await expectUnavailable();
    expect(lines()).toEqual([["event", "error", "rate_limited", "backpressure"]]);
  });

  test.each([
    ["takes it after all", () => Promise.resolve(), 1, []],
    ["refuses it in the end", away, 0, [["event", "error", "rate_limited", "backpressure"]]],
  ])(
    "ET-012 ET-119 one that does not answer makes it 503, too; when it %s the event has one outcome",
    async (_end, ending, deliveries, counted) => {
      let answer = (): void => {};
      const silence = new Promise<void>((resolve) => {
        answer = resolve;
      });
      server = await startIngestServer({
        wrapTransport: beforeEnqueue(async () => {
          await silence;
          await ending();
        }),
      });
      await expectUnavailable();
      expect(lines()).toEqual([]);
      answer();
      await expect.poll(() => server.deliveries()).toBe(deliveries);
      await expect.poll(lines).toEqual(counted);
    },
  );

  test("ET-012 payloads take room until the transport has answered for them, whoever still waits", async () => {
    let answer = (): void => {};
    const silence = new Promise<void>((resolve) => {
      answer = resolve;
    });
    server = await startIngestServer({ maxWaitingBytes: 10_000, wrapTransport: beforeEnqueue(() => silence) });
    const large = { message: "x".repeat(6_000) };
    expect(await post(eventEnvelope(large))).toMatchObject({ status: 503 });
    expect(await post(eventEnvelope(large))).toMatchObject({ status: 429, json: { code: "ET_BACKPRESSURE" } });
    answer();
    await expect.poll(() => server.deliveries()).toBe(1);
    expect(await post(eventEnvelope({ message: "x" }))).toMatchObject({ status: 200 });
  });

  test("ET-012 a transport that is full makes the answer 429 and names the limit", async () => {
    server = await startIngestServer({ maxPending: { count: 2 } });
    for (let n = 0; n < 2; n++) expect(await post(eventEnvelope({ n }))).toMatchObject({ status: 200 });
    const { status, headers, json } = await post(eventEnvelope({ n: 2 }));
    expect({ status, code: json.code }).toEqual({ status: 429, code: "ET_BACKPRESSURE" });
    expect(headers.get("retry-after")).toBe("60");
    expect(headers.get("x-sentry-rate-limits")).toBe("60::organization:backpressure");
    expect(headers.get("x-sentry-error")).toBe("ET_BACKPRESSURE");
    expect(await server.deliveries()).toBe(2);
    expect(lines()).toEqual([["event", "error", "rate_limited", "backpressure"]]);
  });

  test("ET-012 ET-119 while the line before a slow transport is too long, who joins it is refused at once and counted", async () => {
    const gates: (() => void)[] = [];
    let isSlow = true;
    server = await startIngestServer({
      maxWaitMs: 100,
      wrapTransport: beforeEnqueue(async () => {
        if (isSlow) await new Promise<void>((resolve) => gates.push(resolve));
      }),
    });
    const open = async (place: number): Promise<void> => {
      await expect.poll(() => gates.length).toBeGreaterThan(place);
      gates[place]?.();
    };
    const first = post(eventEnvelope({ n: 1 }));
    const second = post(eventEnvelope({ n: 2 }));
    await expect.poll(() => gates.length).toBe(2);
    await systemClock.sleep(150);
    // Nobody was taken yet: that may be a transport that is away, which is waited for.
    const third = post(eventEnvelope({ n: 3 }));
    await open(0);
    await first;
    await expect.poll(() => gates.length).toBe(3);

    const { status, headers, json } = await post(eventEnvelope({ n: 4 }));
    expect({ status, code: json.code }).toEqual({ status: 429, code: "ET_BACKPRESSURE" });
    expect(headers.get("retry-after")).toBe("60");
    expect(headers.get("x-sentry-rate-limits")).toBe("60::organization:backpressure");
    expect(gates).toHaveLength(3);
    expect(lines()).toEqual([["request", "default", "rate_limited", "backpressure"]]);

    isSlow = false;
    await open(1);
    await open(2);
    await Promise.all([second, third]);
    await expect.poll(() => server.deliveries()).toBe(3);
    expect(await post(eventEnvelope({ n: 5 }))).toMatchObject({ status: 200 });
  });

  test("ET-012 while the disk guard is active everything is refused, and taken again afterwards", async () => {
    let active = true;
    server = await startIngestServer({ isDiskGuardActive: () => active });
    const { status, headers } = await post(eventEnvelope({ message: "x" }));
    expect(status).toBe(429);
    expect(headers.get("retry-after")).toBe("60");
    expect(headers.get("x-sentry-rate-limits")).toBe("60::organization:backpressure");
    expect(await server.deliveries()).toBe(0);
    active = false;
    expect(await post(eventEnvelope({ message: "x" }))).toMatchObject({ status: 200 });
  });

  test("ET-011 an event that no subscription would hold is not answered with 200", async () => {
    server = await startIngestServer({ withSubscriber: false });
    expect(await post(eventEnvelope({ message: "x" }))).toMatchObject({ status: 503 });
  });

  test("attachments whose store is away are left out, the event is taken", async () => {
    server = await startIngestServer();
    await server.blobs.close();
    const body = envelope({}, [{ type: "event" }, {}], [{ type: "attachment" }, "abc"]);
    expect(await post(body)).toMatchObject({ status: 200 });
    expect(await server.received(1)).toHaveLength(1);
    expect(lines()).toEqual([["attachment", "attachment", "rate_limited", "disk"]]);
  });

  test("without a blob store attachments are counted and skipped", async () => {
    server = await startIngestServer({ withBlobs: false });
    expect(await post(envelope({}, [{ type: "attachment" }, "abc"], [{ type: "event" }, {}]))).toMatchObject({
      status: 200,
    });
    expect(lines()).toEqual([["attachment", "attachment", "not_stored", "attachment"]]);
  });
});
