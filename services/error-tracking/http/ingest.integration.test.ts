import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { canonicalCorrelationId } from "@signalbox/kernel";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  dataOf,
  envelope,
  eventEnvelope,
  type IngestServer,
  sentEvent,
  startIngestServer,
} from "../testing/ingest-server.js";
import { zstdEncode } from "../testing/zstd-frames.js";

let server: IngestServer;
let seen = 0;

beforeAll(async () => {
  server = await startIngestServer({ trustedProxies: ["127.0.0.1"] });
});
afterAll(() => server.close());
beforeEach(async () => {
  await server.idle();
  seen = (await server.received(0)).length;
});

const id = (digit: string): string => digit.repeat(32);

/** The events that arrived since the test began, at least `count`. */
async function arrived(count: number) {
  return (await server.received(seen + count)).slice(seen);
}

async function post(url: string, body: RequestInit["body"], headers: Record<string, string | undefined> = {}) {
  const sent = Object.entries(headers).filter((header): header is [string, string] => header[1] !== undefined);
  const response = await fetch(url, { method: "POST", body: body ?? null, headers: sent });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === "" ? undefined : JSON.parse(text) };
}

/** How a request with this project and key, but without an item, is answered. */
async function statusFor(project: string, key: string): Promise<number> {
  return (await post(`${server.url}/api/${project}/envelope/?sentry_key=${key}`, "{}")).status;
}

describe("routes", () => {
  test.each(["/api/1/envelope/", "/api/1/envelope", "/any/prefix/api/1/envelope/", "/p/api/1/envelope"])(
    "ET-001 an envelope sent to %s is answered with the event's id",
    async (path) => {
      const { status, json } = await post(
        `${server.url}${path}?sentry_key=${server.key}`,
        eventEnvelope({ message: path }, { event_id: id("a") }),
      );
      expect({ status, json }).toEqual({ status: 200, json: { id: id("a") } });
    },
  );

  test("ET-001 ET-037 without an item that makes an event the answer is an empty object", async () => {
    for (const body of ["{}", "{}\n", envelope({ event_id: id("b") }, [{ type: "session" }, {}])])
      expect(await post(server.envelopeUrl, body)).toMatchObject({ status: 200, json: {} });
    expect((await post(server.envelopeUrl, "{}")).json).toEqual({});
  });

  test("ET-002 ET-033 a store request is one event, as JSON, base64 or base64 of zlib", async () => {
    const event = { event_id: "0123456789abcdef0123456789ABCDEF", message: "stored" };
    const text = JSON.stringify(event);
    for (const body of [text, Buffer.from(text).toString("base64"), deflateSync(text).toString("base64")])
      expect(await post(server.storeUrl, body)).toMatchObject({
        status: 200,
        json: { id: "0123456789abcdef0123456789abcdef" },
      });
    const [first] = await arrived(1);
    expect(sentEvent(first)).toEqual(event);
  });

  test("ET-002 without a project in the path the key selects it", async () => {
    const other = await server.projects.create("other");
    const key = new URL(other.dsn).username;
    await expect.poll(() => statusFor(String(other.id), key)).toBe(200);
    for (const path of ["/api/store/", "/prefix/api/store"])
      expect(await post(`${server.url}${path}?sentry_key=${key}`, '{"message":"x"}')).toMatchObject({ status: 200 });
    const events = await arrived(2);
    expect(events.map((event) => dataOf(event).project_id)).toEqual([other.id, other.id]);
    expect(await post(`${server.url}/api/store/`, '{"message":"x"}')).toMatchObject({ status: 401 });
  });

  test("ET-002 an envelope's media type makes a store request an envelope", async () => {
    const body = eventEnvelope({ message: "x" }, { event_id: id("c") });
    expect(await post(server.storeUrl, body, { "content-type": "application/x-sentry-envelope" })).toMatchObject({
      status: 200,
      json: { id: id("c") },
    });
  });

  test("ET-002 GET with sentry_data is answered with a pixel", async () => {
    for (const data of [deflateSync('{"message":"get"}').toString("base64"), '{"message":"get"}']) {
      const response = await fetch(`${server.storeUrl}&sentry_data=${encodeURIComponent(data)}`);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("image/gif");
      expect(Buffer.from(await response.arrayBuffer()).toString("latin1")).toMatch(/^GIF89a/);
    }
    expect((await arrived(2)).map(sentEvent)).toEqual([{ message: "get" }, { message: "get" }]);
    expect((await fetch(server.storeUrl)).status).toBe(400);
  });

  test.each([
    "/api/1/envelope/",
    "/api/1/store/",
    "/api/store/",
    "/api/1/security/",
    "/api/1/csp-report/",
    "/api/1/minidump/",
    "/api/1/cron/nightly/",
    "/api/1/cron/nightly/key/",
    "/api/1/events/0af/attachments/",
    "/api/1/nel/",
    "/api/1/unreal/key/",
    "/api/1/integration/otlp/v1/traces/",
    "/api/1/integration/otlp/v1/logs/",
    "/api/v3/projects/1/notices/",
  ])("ET-008 OPTIONS %s is answered with CORS headers, also behind a prefix", async (path) => {
    for (const url of [path, path.slice(0, -1), `/some/prefix${path}`]) {
      const response = await fetch(`${server.url}${url}`, {
        method: "OPTIONS",
        headers: { origin: "https://shop.example", "access-control-request-method": "POST" },
      });
      expect(response.status).toBe(204);
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      expect(response.headers.get("access-control-allow-methods")).toBe("POST, GET, OPTIONS");
    }
  });

  test.each(["abc", "0", "-1", "1.5", "1e3", "99999999999999999999"])(
    "ET-010 the project %s is refused as invalid",
    async (project) => {
      expect(await post(`${server.url}/api/${project}/envelope/?sentry_key=${server.key}`, "{}")).toMatchObject({
        status: 400,
        json: { code: "ET_PROJECT_INVALID" },
      });
    },
  );

  test("ET-010 the paths that SDKs make of GitLab's DSN forms lead to the project", async () => {
    for (const path of [
      "/api/v4/error_tracking/collector/api/1/envelope/",
      "/errortracking/api/v1/projects/api/1/envelope/",
      "/errortracking/api/v1/projects/api/api/1/envelope/",
    ])
      expect(
        await post(`${server.url}${path}?sentry_key=${server.key}`, eventEnvelope({ message: path })),
      ).toMatchObject({
        status: 200,
        json: { id: expect.stringMatching(/^[0-9a-f]{32}$/) },
      });
    expect(await arrived(3)).toHaveLength(3);
  });
});

describe("credentials", () => {
  const body = eventEnvelope({ message: "x" });
  const url = () => `${server.url}/api/1/envelope/`;

  test("ET-021 every place for the key works", async () => {
    const basic = Buffer.from(`${server.key}:`).toString("base64");
    for (const headers of [
      { "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${server.key}` },
      { authorization: `sentry sentry_key=${server.key}` },
      { authorization: `Basic ${basic}` },
    ])
      expect(await post(url(), body, headers)).toMatchObject({ status: 200 });
    expect(await post(server.envelopeUrl, body, { authorization: `Basic ${basic}` })).toMatchObject({ status: 200 });
    expect(await post(server.envelopeUrl, body, { authorization: "Sentry sentry_key=other" })).toMatchObject({
      status: 401,
      json: { code: "ET_AUTH_MULTIPLE" },
    });
  });

  test("ET-021 ET-022 a DSN in the envelope is enough, and must agree with everything else", async () => {
    const withDsn = (dsn: string) => eventEnvelope({ message: "x" }, { dsn });
    expect(await post(url(), withDsn(server.dsn()))).toMatchObject({ status: 200 });
    expect(await post(url(), withDsn(server.dsn("/tunnel")))).toMatchObject({ status: 200 });
    expect(await post(server.envelopeUrl, withDsn(server.dsn()))).toMatchObject({ status: 200 });
    for (const dsn of [server.dsn().replace(server.key, "other"), server.dsn().replace(/1$/, "2")])
      expect(await post(server.envelopeUrl, withDsn(dsn))).toMatchObject({
        status: 403,
        json: { code: "ET_DSN_MISMATCH" },
      });
    expect(await post(`${server.url}/api/2/envelope/`, withDsn(server.dsn()))).toMatchObject({
      status: 403,
      json: { code: "ET_DSN_MISMATCH" },
    });
    expect(await post(url(), withDsn("nonsense"))).toMatchObject({ status: 400, json: { code: "ET_DSN_INVALID" } });
  });

  test("ET-023 newer versions of the protocol are refused; the client is recorded", async () => {
    const auth = (version: number) => ({
      "x-sentry-auth": `Sentry sentry_key=${server.key}, sentry_version=${version}, sentry_client=sentry.test/1.2, sentry_secret=s`,
    });
    expect(await post(url(), body, auth(9))).toMatchObject({ status: 400, json: { code: "ET_PROTOCOL_UNSUPPORTED" } });
    expect(await post(url(), body, auth(8))).toMatchObject({ status: 200 });
    const [event] = await arrived(1);
    expect(dataOf(event).sdk).toEqual({ name: "sentry.test", version: "1.2" });
  });

  test("ET-024 without a key the request is unauthorised", async () => {
    for (const headers of [{}, { "x-sentry-auth": "" }, { authorization: "Bearer abc" }])
      expect(await post(url(), body, headers)).toMatchObject({ status: 401, json: { code: "ET_AUTH_MISSING" } });
  });

  test("ET-024 ET-025 unknown, foreign and disabled keys are refused in exactly the same way; other keys work on", async () => {
    const other = await server.projects.create("elsewhere");
    const disabled = await server.projects.createKey(1, {});
    await server.projects.updateKey(1, disabled.id, { active: false });
    const off = await server.projects.create("switched off");
    await server.projects.update(off.id, { active: false });
    const keyOf = (dsn: string) => new URL(dsn).username;
    // All changes are seen once the last one is.
    await expect.poll(() => statusFor(String(other.id), keyOf(other.dsn))).toBe(200);
    await expect.poll(() => statusFor(String(off.id), keyOf(off.dsn))).toBe(403);

    const refusals = await Promise.all(
      [
        ["1", "0".repeat(32)],
        ["77", server.key],
        ["1", keyOf(other.dsn)],
        ["1", disabled.publicKey],
        [String(off.id), keyOf(off.dsn)],
      ].map(async ([project, key]) => {
        const response = await fetch(`${server.url}/api/${project}/envelope/?sentry_key=${key}`, {
          method: "POST",
          body,
        });
        const headers = [...response.headers].filter(([name]) => name !== "date" && name !== "x-correlation-id");
        return { status: response.status, headers, text: await response.text() };
      }),
    );
    expect(refusals[0]?.status).toBe(403);
    expect(JSON.parse(refusals[0]?.text ?? "")).toMatchObject({ code: "ET_KEY_REFUSED" });
    for (const refusal of refusals) expect(refusal).toEqual(refusals[0]);
    expect(await post(server.envelopeUrl, body)).toMatchObject({ status: 200 });
  });

  test("ET-020 a key of other characters is refused", async () => {
    expect(await post(`${url()}?sentry_key=a.b`, body)).toMatchObject({
      status: 400,
      json: { code: "ET_KEY_INVALID" },
    });
  });

  test("ET-026 the client's address is the one that the trusted proxy names; the origin is recorded", async () => {
    await post(server.envelopeUrl, body, { "x-forwarded-for": "203.0.113.9", origin: "https://shop.example" });
    await post(server.envelopeUrl, body, { referer: "https://shop.example:8443/basket?user=7", origin: "null" });
    await post(server.envelopeUrl, body, { referer: "file:///home/a" });
    const events = (await arrived(3)).map(dataOf);
    expect(events.map((data) => [data.client_address, data.origin])).toEqual([
      ["203.0.113.9", "https://shop.example"],
      ["127.0.0.1", "https://shop.example:8443"],
      ["127.0.0.1", undefined],
    ]);
  });
});

describe("bodies", () => {
  const event = { message: "encoded", extra: { text: "x".repeat(3000) } };
  const plain = eventEnvelope(event);
  const encodings: Readonly<Record<string, (data: Uint8Array) => Uint8Array>> = {
    identity: (data) => data,
    gzip: (data) => gzipSync(data),
    "x-gzip": (data) => gzipSync(data),
    deflate: (data) => deflateSync(data),
    "Deflate ": (data) => deflateRawSync(data),
    br: (data) => brotliCompressSync(data),
    zstd: (data) => zstdEncode(data),
    "gzip, br": (data) => brotliCompressSync(gzipSync(data)),
    "zstd,gzip": (data) => gzipSync(zstdEncode(data)),
  };

  test.each(Object.entries(encodings))("ET-030 a body in %s is understood", async (encoding, encode) => {
    const { status } = await post(server.envelopeUrl, encode(plain), { "content-encoding": encoding });
    expect(status).toBe(200);
    const [received] = await arrived(1);
    expect(sentEvent(received)).toEqual(event);
  });

  test("ET-030 unknown encodings are refused, and so is what is not encoded as it says", async () => {
    for (const encoding of ["compress", "gzip, gzip, gzip", "bogus"])
      expect(await post(server.envelopeUrl, plain, { "content-encoding": encoding })).toMatchObject({
        status: 415,
        json: { code: "ET_ENCODING_UNSUPPORTED" },
      });
    for (const encoding of ["gzip", "deflate", "br", "zstd"]) {
      const encode = encodings[encoding] ?? ((data: Uint8Array) => data);
      for (const body of [plain, encode(plain).subarray(0, 30)])
        expect(await post(server.envelopeUrl, body, { "content-encoding": encoding })).toMatchObject({
          status: 400,
          json: { code: "ET_BODY_CORRUPT" },
        });
    }
  });

  test.each([
    "application/x-sentry-envelope",
    "",
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/json",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "nonsense",
  ])("ET-032 the media type %j is parsed as envelope", async (mediaType) => {
    const answer = await server.raw((write) => {
      const type = mediaType === "" ? "" : `content-type: ${mediaType}\r\n`;
      const path = server.envelopeUrl.slice(server.url.length);
      write(`POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${type}content-length: ${plain.length}\r\n\r\n`);
      write(plain);
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  test("ET-032 a body in chunks, without its length, is understood", async () => {
    const answer = await server.raw((write) => {
      write(
        `POST ${server.envelopeUrl.slice(server.url.length)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`,
      );
      for (let at = 0; at < plain.length; at += 500) {
        const chunk = plain.subarray(at, at + 500);
        write(`${chunk.length.toString(16)}\r\n`);
        write(chunk);
        write("\r\n");
      }
      write("0\r\n\r\n");
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect((await arrived(1)).map(sentEvent)).toEqual([event]);
  });

  test("ET-032 a body larger than is collected comes in the same way", async () => {
    const large = { message: "large", extra: { text: "y".repeat(700_000) } };
    for (const [encoding, encode] of Object.entries(encodings))
      expect(
        await post(server.envelopeUrl, encode(eventEnvelope(large)), { "content-encoding": encoding }),
      ).toMatchObject({
        status: 200,
      });
    const events = await arrived(Object.keys(encodings).length);
    for (const received of events) expect(sentEvent(received)).toEqual(large);
  });

  test("ET-034 what no JSON parser takes is taken, and the payload is passed on byte by byte", async () => {
    const payload = Buffer.concat([
      Buffer.from('\ufeff{"a":NaN,"b":12345678901234567890,"c":"x\\ud800y\\u0000z","d":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('","d2":1,"d2":2}'),
    ]);
    expect(await post(server.envelopeUrl, envelope({}, [{ type: "event" }, payload]))).toMatchObject({ status: 200 });
    const [received] = await arrived(1);
    expect(sentEvent(received)).toEqual({
      a: null,
      b: "12345678901234567890",
      c: "x\ufffdyz",
      d: "\ufffd\ufffd",
      d2: 2,
    });
    const { payload: packed } = dataOf(received);
    expect(Buffer.from(packed.content, "base64")).toEqual(payload);
  });
});

describe("envelopes", () => {
  const whole = envelope({ event_id: id("d") }, [{ type: "event" }, { message: "whole" }]);

  test("ET-035 ET-036 ET-037 broken envelopes are refused", async () => {
    for (const body of [
      "nonsense",
      "[]\n",
      '{"sent_at":"2026-01-01T00:00:00Z","sent_at":"2026-01-01T00:00:00Z"}',
      `{"x":"${"a".repeat(9000)}"}`,
    ])
      expect(await post(server.envelopeUrl, body)).toMatchObject({
        status: 400,
        json: { code: "ET_ENVELOPE_MALFORMED" },
      });
    expect(await post(server.envelopeUrl, "")).toMatchObject({ status: 400, json: { code: "ET_BODY_EMPTY" } });
    for (const length of ["-1", "1.5", '"3"'])
      expect(await post(server.envelopeUrl, `{}\n{"type":"event","length":${length}}\n{}\n`)).toMatchObject({
        status: 400,
        json: { code: "ET_ENVELOPE_MALFORMED" },
      });
  });

  test("ET-039 what arrived whole before the damage is published, and the answer says how much", async () => {
    const long = `\n{"type":"session","length":900000}\n${"x".repeat(500_000)}`;
    for (const damage of ['\n{"type":"attachment","length":99}\nabc', "\nnonsense\n", long]) {
      const body = Buffer.concat([whole, Buffer.from(damage)]);
      for (const [encoding, encode] of [
        ["identity", (data: Uint8Array) => data],
        ["gzip", (data: Uint8Array) => gzipSync(data)],
      ] as const)
        expect(await post(server.envelopeUrl, encode(body), { "content-encoding": encoding })).toMatchObject({
          status: 400,
          json: { code: "ET_ENVELOPE_MALFORMED", causes: ["Items kept: 1."] },
        });
    }
    const [received] = await arrived(1);
    expect(sentEvent(received)).toEqual({ message: "whole" });
    expect(server.outcomes.filter(({ reason }) => reason === "framing").length).toBeGreaterThanOrEqual(4);
  });

  test("ET-038 ET-041 unknown items and second events are skipped and counted, the event is taken", async () => {
    const before = server.outcomes.length;
    const body = envelope(
      { event_id: id("e") },
      [{ type: "made_up", more: 1 }, "abc"],
      [{ type: "event", unknown_attribute: true }, { message: "first" }],
      [{ type: "event" }, { message: "second" }],
      [{ type: "log", item_count: 7 }, { items: [] }],
      [{ type: "transaction" }, {}],
      [{ type: "transaction" }, {}],
      [{ type: "client_report" }, {}],
    );
    expect(await post(server.envelopeUrl, body)).toMatchObject({ status: 200, json: { id: id("e") } });
    expect((await arrived(1)).map(sentEvent)).toEqual([{ message: "first" }]);
    expect(
      server.outcomes.slice(before).map(({ itemType, category, outcome, reason, quantity, projectId, keyId }) => {
        expect([projectId, keyId]).toEqual([1, 1]);
        return [itemType, category, outcome, reason, quantity];
      }),
    ).toEqual([
      ["made_up", "default", "not_stored", "unknown_type", 1],
      ["event", "error", "invalid", "duplicate_item", 1],
      ["log", "log_item", "not_stored", "log", 7],
      ["transaction", "transaction", "not_stored", "transaction", 1],
      ["transaction", "transaction", "invalid", "duplicate_item", 1],
    ]);
  });

  test("ET-040 the id of the header wins over the payload's; without any the server makes one", async () => {
    const upper = "ABCDEF00-0000-4000-8000-00000000000A";
    const plain = "abcdef0000004000800000000000000a";
    expect((await post(server.envelopeUrl, eventEnvelope({ event_id: id("1") }, { event_id: upper }))).json).toEqual({
      id: plain,
    });
    expect((await post(server.envelopeUrl, eventEnvelope({ event_id: upper }, {}))).json).toEqual({ id: plain });
    expect((await post(server.envelopeUrl, eventEnvelope({ event_id: upper }, { event_id: "../../x" }))).json).toEqual({
      id: plain,
    });
    const made = await post(server.envelopeUrl, eventEnvelope({ event_id: 7 }, { event_id: "x" }));
    expect(made.json.id).toMatch(/^[0-9a-f]{32}$/);
    const events = await arrived(2);
    expect(events.map((event) => dataOf(event).event_id)).toEqual([plain, made.json.id]);
  });

  test("ET-050 an event is published with all that its digest needs", async () => {
    const sentAt = "2026-03-01T10:00:00.000Z";
    const header = { event_id: id("f"), sent_at: sentAt, sdk: { name: "sentry.test", version: "9.1" } };
    const sent = { message: "complete", tags: [["correlation_id", "Journey-7"]] };
    const body = eventEnvelope(sent, header);
    const before = Date.now();
    await post(server.envelopeUrl, gzipSync(body), { "content-encoding": "gzip", "user-agent": "test/1" });
    const [event] = await arrived(1);
    const data = dataOf(event);
    expect(data).toEqual({
      project_id: 1,
      key_id: 1,
      event_id: id("f"),
      received_at: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
      sent_at: sentAt,
      client_address: "127.0.0.1",
      user_agent: "test/1",
      sdk: { name: "sentry.test", version: "9.1" },
      request_correlation_id: expect.any(String),
      payload: expect.objectContaining({ bytes: JSON.stringify(sent).length }),
      attachments: [],
    });
    expect(Date.parse(data.received_at)).toBeGreaterThanOrEqual(before);
    expect(event).toMatchObject({ id: `et:1:${id("f")}`, subject: `projects/1/events/${id("f")}` });
  });

  test("ET-140 the correlation id is the event's tag, else its trace, else the request's", async () => {
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const request = { "x-correlation-id": "request-7" };
    await post(
      server.envelopeUrl,
      eventEnvelope({ tags: { correlation_id: "tag-7" }, contexts: { trace: { trace_id: trace } } }),
      request,
    );
    await post(server.envelopeUrl, eventEnvelope({ tags: [{ key: "correlation_id", value: "tag-8" }] }), request);
    await post(
      server.envelopeUrl,
      eventEnvelope({ tags: { correlation_id: "not printable \u0001" }, contexts: { trace: { trace_id: trace } } }),
      request,
    );
    await post(server.envelopeUrl, eventEnvelope({ contexts: { trace: null } }), request);
    const events = await arrived(4);
    expect(events.map(({ correlationId }) => correlationId)).toEqual([
      "tag-7",
      "tag-8",
      canonicalCorrelationId(trace),
      "request-7",
    ]);
  });

  test("the same event sent again is answered alike, published once and counted", async () => {
    const before = server.outcomes.length;
    const body = eventEnvelope({ message: "again" }, { event_id: id("2") });
    for (let n = 0; n < 3; n++)
      expect(await post(server.envelopeUrl, body)).toMatchObject({ status: 200, json: { id: id("2") } });
    await post(server.envelopeUrl, eventEnvelope({ message: "end" }));
    expect((await arrived(2)).map(sentEvent)).toEqual([{ message: "again" }, { message: "end" }]);
    expect(server.outcomes.slice(before).map(({ outcome, itemType }) => [outcome, itemType])).toEqual([
      ["duplicate", "event"],
      ["duplicate", "event"],
    ]);
  });

  test("ET-130 an event that is no JSON object is refused and counted", async () => {
    const before = server.outcomes.length;
    for (const payload of ["nonsense", "[1]", '"x"', ""])
      expect(await post(server.envelopeUrl, envelope({}, [{ type: "event" }, payload]))).toMatchObject({
        status: 400,
        json: { code: "ET_JSON_INVALID" },
      });
    expect(server.outcomes.slice(before).map(({ outcome, reason }) => `${outcome}/${reason}`)).toEqual(
      Array.from({ length: 4 }, () => "invalid/json"),
    );
  });

  test("ET-076 an event of more than 200 levels is refused and counted", async () => {
    const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
    const before = server.outcomes.length;
    expect(await post(server.envelopeUrl, envelope({}, [{ type: "event" }, nested(200)]))).toMatchObject({
      status: 200,
    });
    for (const levels of [201, 100_000])
      for (const url of [server.envelopeUrl, server.storeUrl])
        expect(
          await post(url, url === server.storeUrl ? nested(levels) : envelope({}, [{ type: "event" }, nested(levels)])),
        ).toMatchObject({
          status: 400,
          json: { code: "ET_JSON_TOO_DEEP" },
        });
    expect(server.outcomes.slice(before).map(({ outcome, reason }) => `${outcome}/${reason}`)).toEqual(
      Array.from({ length: 4 }, () => "invalid/too_deep"),
    );
  });
});

describe("answers", () => {
  test("ET-077 refusals are JSON with detail, causes and code, and tell nothing of the event", async () => {
    const { status, headers, json } = await post(server.envelopeUrl, envelope({}, [{ type: "event" }, "secret words"]));
    expect(status).toBe(400);
    expect(headers.get("content-type")).toMatch(/^application\/json/);
    expect(headers.get("x-sentry-error")).toBe("ET_JSON_INVALID");
    expect(json).toEqual({ detail: expect.any(String), causes: expect.any(Array), code: "ET_JSON_INVALID" });
    expect(JSON.stringify(json)).not.toContain("secret");
  });

  test("ET-077 other methods are 405, routes without a handler 404, in the same shape", async () => {
    for (const method of ["PUT", "DELETE", "PATCH", "GET"]) {
      const response = await fetch(server.envelopeUrl, { method });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("OPTIONS, POST");
      expect(await response.json()).toMatchObject({ code: "ET_METHOD_NOT_ALLOWED" });
    }
    expect((await fetch(server.envelopeUrl, { method: "HEAD" })).status).toBe(405);
    expect(await post(`${server.url}/api/1/integration/otlp/v1/metrics/`, "x")).toMatchObject({
      status: 404,
      json: { code: "ET_ROUTE_UNKNOWN" },
    });
  });

  test("ET-078 every answer carries the CORS headers, whatever it is", async () => {
    const answers = await Promise.all([
      fetch(server.envelopeUrl, { method: "POST", body: eventEnvelope({ message: "x" }) }),
      fetch(server.envelopeUrl, { method: "POST", body: "nonsense" }),
      fetch(server.envelopeUrl, { method: "POST", body: "x", headers: { "content-encoding": "bogus" } }),
      fetch(`${server.url}/api/1/envelope/`, { method: "POST", body: "{}" }),
      fetch(`${server.url}/api/1/envelope/?sentry_key=unknown`, { method: "POST", body: "{}" }),
      fetch(`${server.url}/api/x/store/`, { method: "POST", body: "{}" }),
      fetch(`${server.storeUrl}&sentry_data=${encodeURIComponent('{"message":"x"}')}`),
      fetch(server.envelopeUrl, { method: "PUT" }),
      fetch(server.envelopeUrl, { method: "OPTIONS" }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 400, 415, 401, 403, 400, 200, 405, 204]);
    for (const { headers } of answers) {
      expect(headers.get("access-control-allow-origin")).toBe("*");
      expect(headers.get("access-control-allow-methods")).toBe("POST, GET, OPTIONS");
      expect(headers.get("access-control-max-age")).toBe("3600");
      expect(headers.get("access-control-allow-headers")).toBe(
        "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, authorization, content-encoding, transfer-encoding, sentry-trace, baggage, x-correlation-id",
      );
      expect(headers.get("access-control-expose-headers")).toBe(
        "x-sentry-error, x-sentry-rate-limits, retry-after, x-correlation-id",
      );
      expect(headers.get("access-control-allow-credentials")).toBeNull();
      expect(headers.get("x-correlation-id")).toBeTruthy();
    }
  });

  test("ET-078 ET-077 a server that stops answers in the protocol's shape", async () => {
    const stopping = await startIngestServer();
    stopping.app.beginShutdown();
    const { status, headers, json } = await post(stopping.envelopeUrl, "{}");
    expect({ status, code: json.code, origin: headers.get("access-control-allow-origin") }).toEqual({
      status: 503,
      code: "ET_QUEUE_UNAVAILABLE",
      origin: "*",
    });
    expect(headers.get("retry-after")).toBe("5");
    await stopping.close();
  });
});
