import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Script } from "node:vm";
import { gzipSync } from "node:zlib";
import type { LogFields, Logger } from "@signalbox/kernel";
import { isJsonObject, type JsonObject, parseJsonObject } from "@signalbox/sentry-protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { unpackPayload } from "../digest/payload.js";
import { noFilters } from "../filters/filter-settings.js";
import { updateSettings } from "../projects/project-settings.js";
import { dataOf, envelope, type IngestServer, sentEvent, startIngestServer } from "../testing/ingest-server.js";
import { zstdEncode } from "../testing/zstd-frames.js";

const run = promisify(execFile);
const lines: [message: string, fields: LogFields | undefined][] = [];
const note = (message: string, fields?: LogFields): void => void lines.push([message, fields]);
const logger: Logger = {
  debug: note,
  info: note,
  warn: note,
  error: note,
  child: () => logger,
  isEnabled: () => true,
};

let server: IngestServer;
let events = 0;
let messages = 0;
let outcomes = 0;

beforeAll(async () => {
  server = await startIngestServer({ trustedProxies: ["127.0.0.1"], logger, limits: { attachmentBytes: 400_000 } });
});
afterAll(() => server.close());
beforeEach(async () => {
  await server.idle();
  events = (await server.received(0)).length;
  messages = (await server.receivedItems(0)).length;
  outcomes = server.outcomes.length;
});

const newEvents = async (count: number) => (await server.received(events + count)).slice(events);
/** Items of the messages since the test began, once there are so many messages. */
const newItems = async (count = 1) =>
  (await server.receivedItems(messages + count))
    .slice(messages)
    .flatMap(({ data }) =>
      data.items.map(({ type, payload }) => [type, parseJsonObject(unpackPayload(payload))] as const),
    );
const newOutcomes = () =>
  server.outcomes
    .slice(outcomes)
    .map(({ category, itemType, outcome, reason, quantity }) => [category, itemType, outcome, reason, quantity]);

const at = (path: string, query = ""): string => `${server.url}/api/1${path}?sentry_key=${server.key}${query}`;

async function send(url: string, body?: RequestInit["body"], headers: Record<string, string> = {}, method = "POST") {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  return {
    status: response.status,
    type: response.headers.get("content-type"),
    headers: response.headers,
    text: await response.text(),
  };
}

const exceptionOf = (event: JsonObject): unknown =>
  isJsonObject(event["exception"]) && Array.isArray(event["exception"]["values"])
    ? event["exception"]["values"][0]
    : undefined;

describe("items beside events", () => {
  test("ET-053 ET-054 ET-052 ET-055 sessions, check-ins, feedback and reports travel as one message", async () => {
    const body = envelope(
      { sent_at: "2026-03-01T10:00:00Z" },
      [{ type: "session" }, { sid: "1".repeat(32) }],
      [{ type: "sessions" }, { aggregates: [] }],
      [{ type: "check_in" }, { monitor_slug: "m", status: "ok" }],
      [{ type: "feedback" }, { contexts: {} }],
      [{ type: "user_report" }, { comments: "x" }],
      [{ type: "client_report" }, { discarded_events: [] }],
    );
    expect(await send(at("/envelope/"), body)).toMatchObject({ status: 200, text: "{}" });
    expect((await newItems()).map(([type]) => type)).toEqual([
      "session",
      "sessions",
      "check_in",
      "feedback",
      "user_report",
      "client_report",
    ]);
    const [message] = (await server.receivedItems(messages + 1)).slice(messages);
    expect(message?.id).toMatch(/^et:1:items:[0-9a-f]{32}$/);
    expect(message?.data.sent_at).toBe("2026-03-01T10:00:00.000Z");
    // The same envelope again is the same message.
    expect(await send(at("/envelope/"), body)).toMatchObject({ status: 200 });
    expect(newOutcomes().map(([category, , outcome]) => [category, outcome])).toEqual([
      ["session", "duplicate"],
      ["session", "duplicate"],
      ["monitor", "duplicate"],
      ["feedback", "duplicate"],
      ["feedback", "duplicate"],
    ]);
  });

  test("ET-051 ET-039 an event, its attachments and a session in one envelope are an event and a message", async () => {
    const body = envelope(
      { event_id: "a".repeat(32) },
      [{ type: "event" }, { message: "x" }],
      [{ type: "attachment", filename: "../../etc/passwd" }, "abc"],
      [{ type: "session" }, { sid: "2".repeat(32) }],
    );
    expect(await send(at("/envelope/"), body)).toMatchObject({ status: 200 });
    const [event] = await newEvents(1);
    const [attachment] = dataOf(event).attachments;
    expect(attachment?.name).toBe("../../etc/passwd");
    expect(attachment?.blob).toMatch(/^error-attachments\/[0-9A-Z]{26}$/);
    expect((await newItems()).map(([type]) => type)).toEqual(["session"]);
  });

  test("ET-051 attachments without an event belong to the id of the envelope, and to nothing without one", async () => {
    const attachment = [{ type: "attachment", filename: "a.txt" }, "abc"] as const;
    await send(at("/envelope/"), envelope({ event_id: "b".repeat(32) }, attachment));
    const [message] = (await server.receivedItems(messages + 1)).slice(messages);
    expect(message?.data).toMatchObject({ event_id: "b".repeat(32), attachments: [{ name: "a.txt", bytes: 3 }] });
    await send(at("/envelope/"), envelope({}, attachment));
    expect(newOutcomes()).toEqual([["attachment", "attachment", "not_stored", "attachment", 1]]);
  });

  test("ET-074 items larger than their type may be are dropped; 413 where nothing else was sent", async () => {
    const large = (type: string, bytes: number) => [{ type }, { text: "x".repeat(bytes) }] as const;
    const kib = 1024;
    for (const [type, bytes] of [
      ["session", 100 * kib],
      ["sessions", 100 * kib],
      ["check_in", 100 * kib],
      ["client_report", 64 * kib],
      ["raw_security", 64 * kib],
      ["feedback", kib * kib],
    ] as const) {
      const refused = await send(at("/envelope/"), envelope({}, large(type, bytes)));
      expect([type, refused.status, JSON.parse(refused.text).code]).toEqual([type, 413, "ET_ITEM_TOO_LARGE"]);
      const beside = await send(at("/envelope/"), envelope({}, large(type, bytes), [{ type: "event" }, {}]));
      expect(beside.status).toBe(200);
    }
    await newEvents(6);
    expect(newOutcomes().every(([, , outcome, reason]) => outcome === "invalid" && reason === "too_large")).toBe(true);
    expect(newOutcomes()).toHaveLength(12);
  });

  test("ET-074 of the sessions in one envelope a hundred are taken", async () => {
    const sessions = Array.from({ length: 105 }, (_, n) => [{ type: "session" }, { n }] as const);
    expect(await send(at("/envelope/"), envelope({}, ...sessions))).toMatchObject({ status: 200 });
    expect(await newItems()).toHaveLength(100);
    expect(newOutcomes()).toEqual(Array.from({ length: 5 }, () => ["session", "session", "invalid", "too_large", 1]));
  });

  test("ET-056 what is not kept is counted by type and logged once per type and hour", async () => {
    const types = [
      "transaction",
      "span",
      "log",
      "trace_metric",
      "statsd",
      "metric_buckets",
      "profile",
      "profile_chunk",
      "replay_event",
      "replay_recording",
      "replay_video",
      "nel",
      "form_data",
      "made_up",
      "made_up_2",
    ];
    for (let turn = 0; turn < 3; turn++)
      for (const type of types)
        expect(await send(at("/envelope/"), envelope({}, [{ type, item_count: 4 }, "x".repeat(100)]))).toMatchObject({
          status: 200,
          text: "{}",
        });
    const counted = newOutcomes();
    expect(counted).toHaveLength(45);
    expect(counted.every(([, , outcome]) => outcome === "not_stored")).toBe(true);
    expect(counted.find(([, type]) => type === "span")).toEqual(["span", "span", "not_stored", "span", 4]);
    expect(counted.find(([, type]) => type === "made_up")).toEqual([
      "default",
      "made_up",
      "not_stored",
      "unknown_type",
      1,
    ]);
    const logged = lines.filter(([message]) => message.includes("not kept")).map(([, fields]) => fields?.["item_type"]);
    // All unknown types share one line.
    expect(new Set(logged).size).toBe(logged.length);
    expect(logged).toEqual(expect.arrayContaining(["transaction", "span", "log", "other"]));
  });
});

describe("crashes", () => {
  test.each([
    ["event.minidump", "b".repeat(31)],
    ["event.applecrashreport", "c".repeat(31)],
  ])("ET-057 an attachment of type %s without an event makes one", async (type, most) => {
    const id = `${most}0`;
    const attachment = [{ type: "attachment", attachment_type: type, filename: "crash" }, "MDMP..."] as const;
    const answer = await send(at("/envelope/"), envelope({ event_id: id }, attachment));
    expect(answer).toMatchObject({ status: 200, text: `{"id":"${id}"}` });
    const [event] = await newEvents(1);
    expect(sentEvent(event)).toMatchObject({ level: "fatal" });
    expect(exceptionOf(sentEvent(event))).toMatchObject({ mechanism: { synthetic: true, handled: false } });
    expect(dataOf(event).attachments).toMatchObject([{ attachment_type: type }]);
  });

  const minidump = [
    { type: "attachment", attachment_type: "event.minidump", filename: "crash.dmp" },
    "MDMP...",
  ] as const;

  test("ET-057 ET-160 an event that tells only the circumstances of a crash becomes that crash", async () => {
    // The threads are those of the process that reports: none of them crashed.
    const threads = { values: [{ id: 1, current: true, stacktrace: { frames: [{ function: "report" }] } }] };
    const sent = { release: "shop@2", tags: { module: "libgpu.so" }, threads };
    await send(at("/envelope/"), envelope({ event_id: "e".repeat(32) }, [{ type: "event" }, sent], minidump));
    const [event] = await newEvents(1);
    expect(sentEvent(event)).toMatchObject({ ...sent, level: "fatal", fingerprint: ["minidump", "libgpu.so"] });
    expect(exceptionOf(sentEvent(event))).toMatchObject({ type: "Minidump", mechanism: { synthetic: true } });
    expect(dataOf(event).attachments).toMatchObject([{ attachment_type: "event.minidump" }]);
  });

  test.each([
    ["an exception", { exception: { values: [{ type: "SIGSEGV", value: "at 0x10" }] } }],
    ["a message", { message: "the renderer is gone" }],
    ["the thread that crashed", { threads: { values: [{ id: 7, crashed: true, stacktrace: { frames: [] } }] } }],
  ])("ET-160 an event that tells of the crash by %s stays as it came", async (_, sent) => {
    await send(at("/envelope/"), envelope({}, [{ type: "event" }, sent], minidump));
    const [event] = await newEvents(1);
    expect(sentEvent(event)).toEqual(sent);
  });

  test("ET-041 ET-057 the crash of an event that is not taken makes no second one", async () => {
    const crash = [{ type: "attachment", attachment_type: "event.minidump" }, "MDMP"] as const;
    const large = [{ type: "event" }, { message: "x".repeat(1024 * 1024) }] as const;
    expect((await send(at("/envelope/"), envelope({ event_id: "d".repeat(32) }, large, crash))).status).toBe(413);
    expect(newOutcomes().map(([, type, outcome]) => [type, outcome])).toEqual([
      ["event", "invalid"],
      ["attachment", "not_stored"],
    ]);
  });

  test("ET-004 ET-160 curl sends a minidump with what the crash handler knows", async () => {
    const folder = await mkdtemp(join(tmpdir(), "minidump-"));
    try {
      const dump = join(folder, "crash.dmp");
      await writeFile(dump, Buffer.concat([Buffer.from("MDMP"), Buffer.alloc(300_000, 7)]));
      const log = join(folder, "last.log");
      await writeFile(log, "the end");
      const { stdout } = await run("curl", [
        ...["-sS", "-F", `upload_file_minidump=@${dump}`, "-F", `log=@${log}`],
        ...["-F", 'sentry={"release":"game@7","tags":{"gpu":"none"}}', "-F", "sentry[tags][os]=linux"],
        ...["-F", "sentry[environment]=beta", "-F", "guid=1234", at("/minidump/")],
      ]);
      expect(stdout).toMatch(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      const [event] = await newEvents(1);
      expect(dataOf(event).event_id).toBe(stdout.replaceAll("-", ""));
      expect(sentEvent(event)).toMatchObject({
        platform: "native",
        level: "fatal",
        release: "game@7",
        environment: "beta",
        tags: { gpu: "none", os: "linux" },
        extra: { guid: "1234" },
        fingerprint: ["minidump", "{{ release }}"],
      });
      expect(exceptionOf(sentEvent(event))).toMatchObject({ type: "Minidump", mechanism: { synthetic: true } });
      expect(dataOf(event).attachments.map(({ name, attachment_type: type, bytes }) => [name, type, bytes])).toEqual([
        ["crash.dmp", "event.minidump", 300_004],
        ["last.log", "event.attachment", 7],
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  test("ET-004 what a native SDK left in MessagePack is the event of the crash", async () => {
    const text = (value: string): Buffer =>
      Buffer.concat([Buffer.from([0xd9, Buffer.byteLength(value)]), Buffer.from(value)]);
    const map = (...entries: readonly (readonly [string, Uint8Array])[]): Buffer =>
      Buffer.concat([Buffer.from([0x80 + entries.length]), ...entries.flatMap(([key, value]) => [text(key), value])]);
    const crumb = (message: string, timestamp: string): Buffer =>
      map(["message", text(message)], ["timestamp", text(timestamp)]);
    const data = form("MDMP and more", { sentry: '{"environment":"beta"}' });
    const event = map(
      ["event_id", text("9ec79c33-ec99-42ab-8353-589fcb2e04dc")],
      ["release", text("game@7")],
      ["environment", text("production")],
      ["user", map(["id", text("42")])],
    );
    data.set("__sentry-event", new Blob([event]), "__sentry-event");
    data.set("__sentry-breadcrumb1", new Blob([crumb("third", "2026-03-01T09:30:03Z")]), "__sentry-breadcrumb1");
    data.set(
      "__sentry-breadcrumb2",
      new Blob([crumb("first", "2026-03-01T09:30:01Z"), crumb("second", "2026-03-01T09:30:02Z")]),
      "__sentry-breadcrumb2",
    );
    data.set("log", new Blob(["the end"]), "last.log");
    const answer = await send(at("/minidump/"), data);
    expect(answer).toMatchObject({ status: 200, text: "9ec79c33-ec99-42ab-8353-589fcb2e04dc" });
    const [arrived] = await newEvents(1);
    expect(sentEvent(arrived)).toMatchObject({
      platform: "native",
      level: "fatal",
      release: "game@7",
      environment: "beta",
      user: { id: "42" },
      breadcrumbs: { values: [{ message: "first" }, { message: "second" }, { message: "third" }] },
    });
    expect(dataOf(arrived).attachments.map(({ name }) => name)).toEqual(["a.dmp", "last.log"]);
  });

  test("ET-004 a crash counts, whatever became of what was left beside it", async () => {
    const data = form("MDMP and more");
    data.set("__sentry-event", new Blob([Buffer.from([0xdf, 0xff, 0xff])]), "__sentry-event");
    data.set("__sentry-breadcrumb1", new Blob([Buffer.from([0xc1])]), "__sentry-breadcrumb1");
    expect(await send(at("/minidump/"), data)).toMatchObject({ status: 200 });
    const [arrived] = await newEvents(1);
    expect(sentEvent(arrived)).toMatchObject({ platform: "native", level: "fatal" });
  });

  const form = (dump: Uint8Array | string, fields: Record<string, string> = {}): FormData => {
    const data = new FormData();
    data.set("upload_file_minidump", new Blob([dump]), "a.dmp");
    for (const [name, value] of Object.entries(fields)) data.set(name, value);
    return data;
  };

  test("ET-160 compression around a minidump is undone where it can be, and kept elsewhere", async () => {
    const dump = Buffer.concat([Buffer.from("MDMP"), Buffer.alloc(1000, 3)]);
    const bzip2 = Buffer.concat([Buffer.from("BZh9"), Buffer.alloc(50, 1)]);
    const xz = Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), Buffer.alloc(50, 1)]);
    for (const sent of [dump, gzipSync(dump), zstdEncode(dump), bzip2, xz])
      expect((await send(at("/minidump/"), form(sent))).status).toBe(200);
    const stored = await Promise.all(
      (await newEvents(5)).map(async (event) => server.blobs.get(dataOf(event).attachments[0]?.blob ?? "")),
    );
    expect(stored.map((bytes) => Buffer.from(bytes).equals(dump))).toEqual([true, true, true, false, false]);
    expect(stored.slice(3).map((bytes) => Buffer.from(bytes))).toEqual([bzip2, xz]);
  });

  test("ET-160 the module or the reason that is told groups the crash", async () => {
    await send(at("/minidump/"), form("MDMPx", { "sentry[tags][module]": "libgpu.so" }));
    await send(at("/minidump/"), form("MDMPy", { crash_reason: "SIGSEGV" }));
    await send(at("/minidump/"), form("MDMPz", { sentry: '{"exception":[{"type":"SIGABRT","value":"abort"}]}' }));
    expect((await newEvents(3)).map((event) => sentEvent(event)["fingerprint"])).toEqual([
      ["minidump", "libgpu.so"],
      ["minidump", "SIGSEGV"],
      undefined,
    ]);
  });

  test.each<[string, () => FormData | string]>([
    ["of something else", () => form("hello")],
    ["of gzip around something else", () => form(gzipSync("hello"))],
    ["of nothing", () => form("")],
    [
      "without a file",
      () => {
        const data = new FormData();
        data.set("sentry", "{}");
        return data;
      },
    ],
  ])("ET-160 a form %s is refused, and leaves nothing behind", async (_case, body) => {
    const before = await blobs();
    const refused = await send(at("/minidump/"), body());
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([400, "ET_MINIDUMP_INVALID"]);
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
    expect(await blobs()).toBe(before);
    expect(newOutcomes()).toEqual([["error", "request", "invalid", "framing", 1]]);
  });

  const blobs = async (): Promise<number> => {
    let count = 0;
    for await (const _key of server.blobs.list("error-attachments/")) count++;
    return count;
  };

  test("ET-031 ET-073 a minidump that is a bomb of gzip is dropped within bounds, the event is taken", async () => {
    const bomb = gzipSync(Buffer.concat([Buffer.from("MDMP"), Buffer.alloc(64 * 1024 * 1024)]));
    expect((await send(at("/minidump/"), form(bomb))).status).toBe(200);
    const [event] = await newEvents(1);
    expect(dataOf(event).attachments).toEqual([]);
    expect(newOutcomes()).toEqual([["attachment", "attachment", "invalid", "too_large", 1]]);
  });

  test("ET-004 fields named like parts of objects' insides are fields like others", async () => {
    const fields = {
      "sentry[__proto__][polluted]": "yes",
      "sentry[constructor][prototype][x]": "1",
      __proto__: "2",
      "sentry[][]": "3",
      "sentry[a": "4",
    };
    expect((await send(at("/minidump/"), form("MDMP", fields))).status).toBe(200);
    expect(Reflect.get({}, "polluted")).toBeUndefined();
    await newEvents(1);
  });

  test("ET-004 the parts of one JSON text are put together", async () => {
    await send(at("/minidump/"), form("MDMP", { sentry__2: '"shop@2"}', sentry__1: '{"release":' }));
    expect(sentEvent((await newEvents(1))[0])["release"]).toBe("shop@2");
  });

  test("ET-004 a body that is no form is refused", async () => {
    for (const headers of [
      undefined,
      { "content-type": "multipart/form-data" },
      { "content-type": "multipart/form-data; boundary=x" },
    ])
      expect((await send(at("/minidump/"), "MDMP", headers)).status).toBe(400);
  });
});

describe("security reports", () => {
  const csp = (blocked: string) =>
    JSON.stringify({
      "csp-report": {
        "document-uri": "https://shop.example/",
        "blocked-uri": blocked,
        "violated-directive": "img-src",
      },
    });
  const asCsp = { "content-type": "application/csp-report" };

  test.each(["/security/", "/csp-report/", "/security"])(
    "ET-003 a report sent to %s makes an event and an empty answer",
    async (path) => {
      const answer = await send(
        at(path, "&sentry_release=site%403&sentry_environment=beta"),
        csp("https://evil.example/a"),
        asCsp,
      );
      expect({ status: answer.status, text: answer.text }).toEqual({ status: 200, text: "" });
      const [event] = await newEvents(1);
      expect(sentEvent(event)).toMatchObject({
        release: "site@3",
        environment: "beta",
        logger: "csp",
        level: "warning",
      });
      expect(dataOf(event).category).toBe("security");
    },
  );

  test.each([
    "application/csp-report",
    "application/json; charset=utf-8",
    "application/reports+json",
    "application/expect-ct-report+json",
    "application/expect-ct-report",
    "application/expect-staple-report",
  ])("ET-150 the media type %s is taken", async (type) => {
    expect((await send(at("/security/"), csp("https://evil.example/"), { "content-type": type })).status).toBe(200);
    await newEvents(1);
  });

  test.each<[string, string, string | Uint8Array, number, string]>([
    ["of another media type", "text/plain", csp("x"), 415, "ET_MEDIA_TYPE_UNSUPPORTED"],
    ["without a media type", "", csp("x"), 415, "ET_MEDIA_TYPE_UNSUPPORTED"],
    ["that is not UTF-8", "application/json", Buffer.from([0x7b, 0xff, 0x7d]), 400, "ET_REPORT_INVALID"],
    ["that is not JSON", "application/json", "{csp", 400, "ET_JSON_INVALID"],
    ["that is a number", "application/json", "7", 400, "ET_REPORT_INVALID"],
    ["of nothing", "application/json", "", 400, "ET_BODY_EMPTY"],
    ["that is too large", "application/json", `{"csp-report":{"x":"${"y".repeat(65_536)}"}}`, 413, "ET_BODY_TOO_LARGE"],
  ])("ET-150 a report %s is refused", async (_case, type, body, status, code) => {
    const refused = await send(at("/security/"), body, { "content-type": type });
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([status, code]);
    expect(newOutcomes()).toEqual([["security", "request", "invalid", expect.any(String), 1]]);
  });

  test("ET-152 what extensions cause is filtered, unless the project wants it", async () => {
    for (const blocked of ["chrome-extension://abc/x", "about"])
      expect((await send(at("/security/"), csp(blocked), asCsp)).status).toBe(200);
    expect(newOutcomes()).toEqual([
      ["security", "raw_security", "filtered", "csp_source", 1],
      ["security", "raw_security", "filtered", "csp_source", 1],
    ]);
    await updateSettings(server.database, 1, { filters: { ...noFilters, cspSources: false } });
    await expect
      .poll(async () => {
        await send(at("/security/"), csp("chrome-extension://abc/x"), asCsp);
        return (await server.received(0)).length;
      })
      .toBeGreaterThan(events);
    await updateSettings(server.database, 1, { filters: noFilters });
  });

  test("ET-058 security items of an envelope are read like reports, and what makes no event is counted", async () => {
    const body = envelope(
      { event_id: "e".repeat(32) },
      [{ type: "raw_security" }, csp("https://evil.example/1")],
      [{ type: "security", sentry_release: "r@1" }, csp("https://evil.example/2")],
      [{ type: "raw_security" }, "{}"],
      [{ type: "raw_security" }, "no json"],
      [{ type: "nel" }, "{}"],
      [{ type: "unreal_report" }, "x"],
      [{ type: "form_data" }, "{}"],
    );
    expect(await send(at("/envelope/"), body)).toMatchObject({ status: 200 });
    const arrived = await newEvents(2);
    expect(arrived.map((event) => sentEvent(event)["release"])).toEqual([undefined, "r@1"]);
    expect(new Set(arrived.map((event) => dataOf(event).event_id)).size).toBe(2);
    expect(newOutcomes()).toEqual([
      ["security", "nel", "not_stored", "nel", 1],
      ["security", "unreal_report", "not_stored", "unreal_report", 1],
      ["security", "form_data", "not_stored", "form_data", 1],
      ["security", "raw_security", "not_stored", "raw_security", 1],
      ["security", "raw_security", "invalid", "json", 1],
    ]);
  });
});

describe("check-ins", () => {
  test("ET-005 a check-in comes by GET and by POST, with the key in the query or in the path", async () => {
    const id = "83a7c03ed0a04e1b97e2e3b18d38f244";
    const get = await send(
      at("/cron/Nightly%20Backup/", `&status=in_progress&check_in_id=${id}`),
      undefined,
      {},
      "GET",
    );
    expect({ status: get.status, text: get.text }).toEqual({ status: 202, text: `{"id":"${id}"}` });
    const path = `${server.url}/api/1/cron/nightly/${server.key}/`;
    const post = await send(
      path,
      JSON.stringify({
        status: "ok",
        duration: 3.5,
        monitor_config: { schedule: { type: "crontab", value: "0 * * * *" } },
      }),
    );
    expect(post.status).toBe(202);
    expect(await newItems(2)).toMatchObject([
      ["check_in", { monitor_slug: "nightly-backup", status: "in_progress", check_in_id: id }],
      [
        "check_in",
        {
          monitor_slug: "nightly",
          status: "ok",
          duration: 3.5,
          monitor_config: { schedule: {} },
          check_in_id: JSON.parse(post.text).id,
        },
      ],
    ]);
  });

  test("ET-005 the query goes before the body, and a check-in without a status is refused", async () => {
    await send(at("/cron/m/", "&status=error&environment=beta"), '{"status":"ok","check_in_id":"0000"}');
    expect(await newItems()).toMatchObject([
      ["check_in", { status: "error", environment: "beta", check_in_id: "0".repeat(32) }],
    ]);
    for (const [query, body] of [
      ["", "{}"],
      ["&status=missed", "{}"],
      ["&status=ok", "[]"],
      ["", "not json"],
    ] as const)
      expect((await send(at("/cron/m/", query), body)).status).toBe(400);
    expect((await send(at("/cron/%3F%3F/", "&status=ok"), "")).status).toBe(400);
    expect((await send(`${server.url}/api/1/cron/m/nokey/?status=ok`, undefined, {}, "GET")).status).toBe(403);
    expect((await send(`${server.url}/api/1/cron/m/?status=ok`, undefined, {}, "GET")).status).toBe(401);
  });

  test("ET-005 ET-091 a check-in is never told to wait for others", async () => {
    const full = await startIngestServer({ isDiskGuardActive: () => true });
    try {
      const url = `${full.url}/api/1/cron/m/?status=ok&sentry_key=${full.key}`;
      const answer = await send(url, undefined, {}, "GET");
      expect(answer.status).toBe(503);
      expect(answer.headers.get("x-sentry-rate-limits")).toBeNull();
    } finally {
      await full.close();
    }
  });
});

describe("other routes", () => {
  test("ET-006 attachments of an event come after it, or without it", async () => {
    const id = "f".repeat(32);
    const data = new FormData();
    data.set("a", new Blob(["<script>alert(1)</script>"], { type: "text/html" }), "..\\..\\a.html");
    data.set("b", new Blob(["two"]), "b.txt");
    data.set("c", "no file");
    const answer = await send(at(`/events/${id}/attachments/`), data);
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 201, text: "{}" });
    const [message] = (await server.receivedItems(messages + 1)).slice(messages);
    expect(message?.data).toMatchObject({
      event_id: id,
      items: [],
      attachments: [
        { name: "..\\..\\a.html", content_type: "text/html", bytes: 25 },
        { name: "b.txt", bytes: 3 },
      ],
    });
    const refused = await send(at("/events/not-an-id/attachments/"), data);
    expect([refused.status, JSON.parse(refused.text).code]).toEqual([400, "ET_EVENT_ID_INVALID"]);
  });

  test("ET-007 network errors, traces and logs are counted and not kept", async () => {
    expect((await send(at("/nel/"), "[]")).status).toBe(200);
    const traces = await send(at("/integration/otlp/v1/traces"), "{}", { "content-type": "application/json" });
    expect([traces.status, traces.text, traces.type]).toEqual([200, "{}", "application/json; charset=utf-8"]);
    const logs = await send(at("/integration/otlp/v1/logs/"), gzipSync("x"), { "content-encoding": "gzip" });
    expect([logs.status, logs.text, logs.type]).toEqual([200, "", "application/x-protobuf"]);
    expect((await send(at("/integration/otlp/v1/metrics"), "{}")).status).toBe(404);
    expect(newOutcomes()).toEqual([
      ["security", "nel", "not_stored", "nel", 1],
      ["span", "span", "not_stored", "span", 1],
      ["log_item", "log", "not_stored", "log", 1],
    ]);
  });

  test("ET-007 the body of an Unreal crash is kept as an attachment", async () => {
    const answer = await send(`${server.url}/api/1/unreal/${server.key}/`, Buffer.from([1, 2, 3]));
    expect(answer.status).toBe(200);
    const [message] = (await server.receivedItems(messages + 1)).slice(messages);
    expect(message?.data).toMatchObject({
      event_id: answer.text.replaceAll("-", ""),
      attachments: [{ name: "unreal.crash", attachment_type: "unreal.crash", bytes: 3 }],
    });
    expect(newOutcomes()).toEqual([["security", "unreal_report", "not_stored", "unreal_report", 1]]);
  });

  test("ET-009 a notice of an Airbrake notifier is an event", async () => {
    const notice = {
      notifier: { name: "airbrake-ruby", version: "6.2.2" },
      errors: [
        {
          type: "RuntimeError",
          message: "the basket is gone",
          backtrace: [
            {
              file: "/PROJECT_ROOT/app/basket.rb",
              line: 12,
              function: "find",
              code: { 11: "def find", 12: "  raise" },
            },
            { file: "/GEM_ROOT/gems/rack/rack.rb", line: 3, function: "call" },
          ],
        },
        { type: "KeyError", message: "no key", backtrace: null },
      ],
      context: {
        environment: "staging",
        version: "9.1",
        severity: "critical",
        component: "basket",
        action: "show",
        language: "ruby/3.3",
        user: { id: 7, name: "ann" },
      },
      params: { id: "3" },
    };
    const answer = await send(`${server.url}/api/v3/projects/1/notices?key=${server.key}`, JSON.stringify(notice), {
      "content-type": "application/json",
    });
    expect(answer.status).toBe(201);
    const { id, url } = JSON.parse(answer.text);
    expect(url).toBe(`${server.url}/api/v1/projects/1/errors/events/${id}`);
    const [event] = await newEvents(1);
    expect(dataOf(event).event_id).toBe(id);
    expect(sentEvent(event)).toMatchObject({
      platform: "ruby",
      level: "fatal",
      release: "9.1",
      environment: "staging",
      transaction: "basket#show",
      user: { id: 7, username: "ann" },
      sdk: { name: "airbrake-ruby" },
      exception: {
        values: [
          { type: "KeyError" },
          {
            type: "RuntimeError",
            value: "the basket is gone",
            stacktrace: {
              frames: [
                { filename: "gems/rack/rack.rb", in_app: false },
                { filename: "app/basket.rb", in_app: true, lineno: 12, context_line: "  raise" },
              ],
            },
          },
        ],
      },
    });
    for (const body of ["", "[]", "{"])
      expect((await send(`${server.url}/api/v3/projects/1/notices?key=${server.key}`, body)).status).toBe(400);
    expect((await send(`${server.url}/api/v3/projects/1/notices`, "{}")).status).toBe(401);
  });

  test("ET-163 what a user said comes as JSON with the DSN, or as the form of the dialog", async () => {
    const report = { event_id: "1".repeat(32), name: "Ann", email: "ann@example.com", comments: "It <b>broke</b>" };
    const path = `${server.url}/api/0/projects/acme/default/user-feedback/`;
    const dsn = { authorization: `DSN ${server.dsn()}` };
    const taken = await send(path, JSON.stringify(report), dsn);
    expect([taken.status, JSON.parse(taken.text)]).toMatchObject([200, { eventID: report.event_id, name: "Ann" }]);
    const dialog = `${server.url}/some/prefix/api/embed/error-page/?dsn=${encodeURIComponent(server.dsn())}&eventId=${"2".repeat(32)}`;
    const form = new URLSearchParams({ name: "Bob", email: "bob@example.com", comments: "Nothing works" });
    expect(await send(dialog, form)).toMatchObject({ status: 200, text: "{}" });
    await server.receivedItems(messages + 2);
    expect(await newItems()).toEqual([
      ["user_report", report],
      ["user_report", { event_id: "2".repeat(32), name: "Bob", email: "bob@example.com", comments: "Nothing works" }],
    ]);
    const missing = await send(dialog, new URLSearchParams({ name: "Bob", email: " " }));
    expect([missing.status, Object.keys(JSON.parse(missing.text).errors)]).toEqual([400, ["email", "comments"]]);
    for (const [body, code] of [
      ["{}", "ET_EVENT_ID_INVALID"],
      [JSON.stringify({ ...report, comments: " " }), "ET_REPORT_INVALID"],
      ["", "ET_BODY_EMPTY"],
    ] as const)
      expect(JSON.parse((await send(path, body, dsn)).text).code).toBe(code);
    expect((await send(path, JSON.stringify(report))).status).toBe(401);
    const other = { authorization: `DSN ${server.dsn()}` };
    expect(
      (await send(`${server.url}/api/0/projects/acme/99/user-feedback/`, JSON.stringify(report), other)).status,
    ).toBe(403);
  });

  test("ET-163 the dialog's script holds what came from the address as texts alone", async () => {
    const evil = `</script><script>alert(1)</script>"+alert(2)+"\u2028`;
    const query = new URLSearchParams({ dsn: server.dsn(), eventId: "3".repeat(32), title: evil, name: evil });
    const script = await send(`${server.url}/api/embed/error-page/?${query}`, undefined, {}, "GET");
    expect(script.status).toBe(200);
    expect(script.type).toBe("text/javascript; charset=utf-8");
    expect(script.headers.get("x-content-type-options")).toBe("nosniff");
    expect(script.text).not.toContain("</script>");
    expect(script.text).toContain("\\u003c/script\\u003e");
    expect(() => new Script(script.text)).not.toThrow();
    for (const [name, value, status] of [
      ["eventId", "no", 400],
      ["dsn", "no", 400],
      ["dsn", `http://${"0".repeat(32)}@x/1`, 403],
    ] as const) {
      const wrong = new URLSearchParams(query);
      wrong.set(name, value);
      expect((await send(`${server.url}/api/embed/error-page/?${wrong}`, undefined, {}, "GET")).status).toBe(status);
    }
  });

  test("ET-024 ET-078 every route refuses a wrong key alike, with CORS headers", async () => {
    for (const path of [
      "/security/",
      "/minidump/",
      "/cron/m/",
      `/events/${"1".repeat(32)}/attachments/`,
      "/nel/",
      "/integration/otlp/v1/traces/",
    ]) {
      const refused = await send(`${server.url}/api/1${path}?sentry_key=${"0".repeat(32)}&status=ok`, "x");
      expect([path, refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([path, 403, "*"]);
    }
  });
});
