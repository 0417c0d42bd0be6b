import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  dataOf,
  envelope,
  eventEnvelope,
  type IngestServer,
  type IngestServerOptions,
  startIngestServer,
} from "../testing/ingest-server.js";

async function post(url: string, body: RequestInit["body"], headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: "POST", body: body ?? null, headers });
  return { status: response.status, headers: response.headers, json: JSON.parse(await response.text()) };
}

/** A body of unknown length: it is sent in chunks. */
function chunked(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 16_384) controller.enqueue(bytes.subarray(at, at + 16_384));
      controller.close();
    },
  });
}

async function postChunked(url: string, bytes: Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: "POST", body: chunked(bytes), headers, duplex: "half" } as RequestInit);
  return { status: response.status, json: JSON.parse(await response.text()) };
}

const outcomes = (server: IngestServer) =>
  server.outcomes.map(({ itemType, outcome, reason }) => `${itemType} ${outcome}/${reason}`);

async function blobKeys(server: IngestServer): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of server.blobs.list("")) keys.push(key);
  return keys;
}

describe("limits", () => {
  let server: IngestServer;

  const start = async (limits: NonNullable<IngestServerOptions["limits"]>) => {
    server = await startIngestServer({ limits });
  };
  afterEach(() => server.close());

  test("ET-070 a request of more bytes than allowed is refused, with and without its length, and counted", async () => {
    await start({ requestBytes: 500_000 });
    const fits = eventEnvelope({ message: "x".repeat(499_800) });
    const tooLarge = eventEnvelope({ message: "x".repeat(500_000) });
    expect(fits.length).toBeLessThanOrEqual(500_000);
    expect(await post(server.envelopeUrl, fits)).toMatchObject({ status: 200 });
    expect(await postChunked(server.envelopeUrl, fits)).toMatchObject({ status: 200 });
    for (const answer of [
      await post(server.envelopeUrl, tooLarge),
      await postChunked(server.envelopeUrl, tooLarge),
      await post(server.storeUrl, tooLarge),
    ])
      expect(answer).toMatchObject({
        status: 413,
        json: { code: "ET_BODY_TOO_LARGE", causes: ["The limit is 500000 bytes."] },
      });
    expect(outcomes(server)).toEqual([
      "request invalid/too_large",
      "request invalid/too_large",
      "request invalid/too_large",
    ]);
  });

  test("ET-071 an envelope that decompresses to more than allowed is refused and counted", async () => {
    await start({ envelopeBytes: 3_000_000 });
    const large = (bytes: number) =>
      gzipSync(
        envelope({}, [{ type: "event" }, { message: "x" }], [{ type: "replay_video" }, Buffer.alloc(bytes, "y")]),
      );
    const gzip = { "content-encoding": "gzip" };
    expect(await post(server.envelopeUrl, large(2_900_000), gzip)).toMatchObject({ status: 200 });
    expect(await post(server.envelopeUrl, large(3_000_000), gzip)).toMatchObject({
      status: 413,
      json: { code: "ET_BODY_TOO_LARGE", causes: ["The limit is 3000000 bytes."] },
    });
    // Of the refused one only the request counts.
    expect(outcomes(server)).toEqual(["replay_video not_stored/replay_video", "request invalid/too_large"]);
    expect(await server.received(1)).toHaveLength(1);
  });

  test("ET-072 an event of more bytes than allowed is dropped and answered 413, in one go and as a stream", async () => {
    await start({ eventBytes: 400_000 });
    const event = (bytes: number) => ({ message: "x".repeat(bytes) });
    for (const [fits, tooLarge] of [
      [event(300_000), event(400_000)],
      [event(350_000), event(2_500_000)],
    ] as const) {
      expect(await post(server.envelopeUrl, eventEnvelope(fits))).toMatchObject({ status: 200 });
      expect(await post(server.envelopeUrl, eventEnvelope(tooLarge))).toMatchObject({
        status: 413,
        json: { code: "ET_EVENT_TOO_LARGE", causes: ["The limit is 400000 bytes.", "Items kept: 1."] },
      });
      expect(await post(server.envelopeUrl, `{}\n{"type":"event"}\n${JSON.stringify(tooLarge)}\n`)).toMatchObject({
        status: 413,
        json: { code: "ET_EVENT_TOO_LARGE" },
      });
      expect(await post(server.storeUrl, JSON.stringify(fits))).toMatchObject({ status: 200 });
      expect(await post(server.storeUrl, JSON.stringify(tooLarge))).toMatchObject({
        status: 413,
        json: { code: "ET_BODY_TOO_LARGE" },
      });
    }
    expect(await server.received(4)).toHaveLength(4);
    expect(outcomes(server).filter((line) => line === "event invalid/too_large")).toHaveLength(4);
  });

  test("ET-073 attachments beyond size or number are dropped and counted, the event is kept", async () => {
    await start({ attachmentBytes: 1000, attachmentsPerEvent: 3 });
    const attachment = (name: string, bytes: number) =>
      [
        { type: "attachment", filename: name, content_type: "text/plain", attachment_type: "event.attachment" },
        Buffer.alloc(bytes, name),
      ] as const;
    const body = envelope(
      { event_id: "a".repeat(32) },
      attachment("large", 1001),
      attachment("a", 1000),
      attachment("b", 0),
      [{ type: "event" }, { message: "x" }],
      attachment("c", 5),
      attachment("d", 5),
      // Long enough to be read as a stream.
      [{ type: "replay_video" }, Buffer.alloc(400_000)],
    );
    expect(await post(server.envelopeUrl, body)).toMatchObject({ status: 200, json: { id: "a".repeat(32) } });
    const small = envelope({}, [{ type: "event" }, {}], attachment("large", 1001), attachment("e", 3));
    expect(await post(server.envelopeUrl, small)).toMatchObject({ status: 200 });

    const [first, second] = (await server.received(2)).map(dataOf);
    expect(first?.attachments.map(({ name, bytes }) => [name, bytes])).toEqual([
      ["a", 1000],
      ["b", 0],
      ["c", 5],
    ]);
    expect(second?.attachments.map(({ name, bytes }) => [name, bytes])).toEqual([["e", 3]]);
    for (const { blob, name, bytes, ...more } of first?.attachments ?? []) {
      expect(Buffer.from(await server.blobs.get(blob))).toEqual(Buffer.alloc(bytes, name));
      expect(more).toEqual({
        content_type: "text/plain",
        attachment_type: "event.attachment",
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
    }
    expect(await blobKeys(server)).toHaveLength(4);
    expect(outcomes(server)).toEqual([
      "attachment invalid/too_large",
      "attachment invalid/too_large",
      "replay_video not_stored/replay_video",
      "attachment invalid/too_large",
    ]);
  });

  test("ET-040 names of attachments are data, not file names", async () => {
    await start({});
    const name = "../../../etc/passwd";
    await post(
      server.envelopeUrl,
      envelope({}, [{ type: "event" }, {}], [{ type: "attachment", filename: name }, "x"]),
    );
    const [event] = await server.received(1);
    expect(dataOf(event).attachments).toMatchObject([{ name, blob: expect.not.stringContaining("passwd") }]);
  });

  test("ET-075 items beyond the number allowed are refused, those within it are taken", async () => {
    await start({ itemsPerEnvelope: 4 });
    const items = (sessions: number) =>
      envelope(
        {},
        [{ type: "event" }, { message: "x" }],
        ...Array.from({ length: sessions }, () => [{ type: "session" }, {}] as const),
      );
    expect(await post(server.envelopeUrl, items(3))).toMatchObject({ status: 200 });
    expect(await post(server.envelopeUrl, items(4))).toMatchObject({
      status: 400,
      json: { code: "ET_ITEMS_TOO_MANY", causes: ["Items kept: 4."] },
    });
    expect(await server.received(2)).toHaveLength(2);
  });

  test("attachments without an event leave nothing behind", async () => {
    await start({});
    const body = envelope({}, [{ type: "attachment" }, "x"], [{ type: "attachment" }, "y"]);
    expect(await post(server.envelopeUrl, body)).toMatchObject({ status: 200, json: {} });
    expect(
      await post(server.envelopeUrl, envelope({}, [{ type: "attachment" }, "x"], [{ type: "event" }, "nonsense"])),
    ).toMatchObject({
      status: 400,
    });
    expect(await blobKeys(server)).toEqual([]);
    expect(outcomes(server)).toContain("attachment not_stored/attachment");
  });
});

describe("clients that break off", () => {
  let server: IngestServer;
  const head = (length: number) =>
    `POST ${server.envelopeUrl.slice(server.url.length)} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n`;

  beforeAll(async () => {
    server = await startIngestServer({ maxBodyIdleMs: 400 });
  });
  afterAll(() => server.close());
  let before = 0;
  beforeEach(() => {
    before = server.outcomes.length;
  });
  const newOutcomes = () => outcomes(server).slice(before);

  test("ET-013 hanging up in the middle of a small body leaves one count behind and nothing else", async () => {
    const body = eventEnvelope({ message: "never" });
    await server.raw((write, end) => {
      write(head(body.length));
      write(body.subarray(0, -5));
      setTimeout(end, 50);
    });
    await expect.poll(newOutcomes).toEqual(["request invalid/aborted"]);
    expect(await server.deliveries()).toBe(0);
  });

  test("ET-013 hanging up in the middle of a large body leaves no attachment behind either", async () => {
    const body = envelope(
      {},
      [{ type: "event" }, { message: "never" }],
      [{ type: "attachment" }, Buffer.alloc(300_000)],
      [{ type: "attachment" }, Buffer.alloc(3_000_000)],
    );
    await server.raw((write, end) => {
      write(head(body.length));
      write(body.subarray(0, -1_000_000));
      setTimeout(end, 200);
    });
    await expect.poll(newOutcomes).toEqual(["request invalid/aborted"]);
    await expect.poll(() => blobKeys(server)).toEqual([]);
    expect(await server.deliveries()).toBe(0);
  });

  test("ET-013 nothing is counted when the key was not known", async () => {
    await server.raw((write, end) => {
      write("POST /api/1/envelope/?sentry_key=unknown HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{}");
      setTimeout(end, 50);
    });
    await server.raw((write, end) => {
      write("POST /api/1/envelope/ HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{}");
      setTimeout(end, 50);
    });
    await server.idle();
    expect(newOutcomes()).toEqual([]);
  });

  test.each([
    ["a small body", 100],
    ["a large body", 2_000_000],
  ])("ET-013 a client that sends nothing more of %s is cut", async (_size, length) => {
    const answer = await server.raw((write) => {
      write(head(length));
      write(`{}\n{"type":"session","length":${length}}\n`);
      if (length > 1000) write(Buffer.alloc(500_000));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 .*\r\n/);
    expect(answer).toContain("ET_BODY_INCOMPLETE");
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(newOutcomes()).toEqual(["request invalid/aborted"]);
  });

  test("a client that sends a byte now and then is cut", async () => {
    let timer: NodeJS.Timeout | undefined;
    const answer = await server.raw((write) => {
      write(head(100_000));
      timer = setInterval(() => write("x"), 50);
    });
    clearInterval(timer);
    expect(answer).toContain("ET_BODY_INCOMPLETE");
  });

  test("a refused body does not disturb the next request on its connection", async () => {
    const next = eventEnvelope({ message: "next" });
    const refused = Buffer.alloc(1_000_000, "x");
    const answer = await server.raw((write, end) => {
      write(head(refused.length));
      write(refused);
      write(head(next.length));
      write(next);
      setTimeout(end, 1500);
    });
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 400", "HTTP/1.1 200"]);
  });
});
