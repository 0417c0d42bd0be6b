import { createServer } from "node:net";
import { EventStoreError } from "@signalbox/event-store";
import { silentLogger, systemClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { openLink } from "./link.js";
import { defaultNames, deliverySubject, durableName, nameOf, partitionOf, readSubject, tokenOf } from "./names.js";
import { createJetStreamTransport } from "./transport.js";
import { decodeWire, encodeWire, messageIdOf, readAckSubject, storedAtMs, wireOf } from "./wire.js";

test("ES-226 names that are no names of subscribers never reach a subject", () => {
  for (const name of [
    "a",
    "a.*",
    "a.>",
    "a.b c",
    "a.b-c",
    "a..b",
    "a.b.c.d",
    "A.b",
    "a.b\r\nPUB x",
    "",
    `a.${"b".repeat(120)}`,
  ])
    expect(() => tokenOf(name), name).toThrowError(expect.objectContaining({ code: "EVT_CONFIG_INVALID" }));
});

test("ES-223 a subject tells subscriber and partition, and two names never meet in one token", () => {
  const subject = deliverySubject(defaultNames, "ci.watch_jobs", "7", "ci.watch_jobs/ci.job_started");
  expect(subject).toBe("signalbox.deliver.ci-watch_jobs.7.ci-job_started");
  expect(readSubject(defaultNames, subject)).toEqual({
    subscriber: "ci.watch_jobs",
    partition: "7",
    subscription: "ci.watch_jobs/ci.job_started",
  });
  expect(nameOf(tokenOf("a.b_c.d"))).toBe("a.b_c.d");
  expect(durableName("ci.watch_jobs", "free")).toBe("ci-watch_jobs--free");
});

test("ES-207 a key always has the same partition, and keys are spread over all of them", () => {
  const keys = Array.from({ length: 1_000 }, (_, index) => `project-${index}`);
  const partitions = keys.map((key) => partitionOf(key, 16));
  expect(keys.map((key) => partitionOf(key, 16))).toEqual(partitions);
  expect(new Set(partitions).size).toBe(16);
  expect(partitionOf(null, 16)).toBe("free");
});

test("ES-201 a delivery comes out of a message as it went in", () => {
  const wire = {
    ...wireOf(
      {
        id: "01J.ci.watch/ci.job_started",
        subscriber: "ci.watch",
        subscription: "ci.watch/ci.job_started",
        eventType: "ci.job_started",
        body: '{"text":"line\\nbreak ü😀"}\n{"second":1}',
        key: 'a "quoted"\nkey',
        perKey: 1,
        dueAtMs: 0,
        maxPending: null,
        dedup: { lock: "abc", until: "executed", ttlMs: 1, ifDuplicate: "drop" },
        outbox: true,
      },
      1_700_000_000_000,
    ),
    progress: '{"a":1}',
    round: 3,
  };
  expect(decodeWire(encodeWire(wire))).toEqual(wire);
  expect(messageIdOf(wire)).toBe("01J.ci.watch/ci.job_started#3");
  for (const foreign of ['{"specversion":"1.0"}', '[{"specversion":"1.0"}]', "[2,1]\n{}", "[1,2]", ""])
    expect(decodeWire(foreign), foreign).toBeUndefined();
});

test("ES-204 how often a message was handed out, and when it was stored, is read from both forms of its answer subject", () => {
  const short = "$JS.ACK.S.c.3.17.5.1795249893191415267.0";
  const long = "$JS.ACK.hub.ACC.S.c.2.9.5.1795249893191415267.0.rnd";
  expect(readAckSubject(short)).toEqual({ delivered: 3, streamSeq: 17 });
  expect(readAckSubject(long)).toEqual({ delivered: 2, streamSeq: 9 });
  for (const subject of [short, long]) expect(Math.floor(storedAtMs(subject))).toBe(1_795_249_893_191);
});

test.each([
  [{ servers: [] }, "servers"],
  [{ servers: 4222 }, "servers"],
  [{ replicas: 7 }, "replicas"],
  [{ partitions: 0 }, "partitions"],
  [{ maxBytes: "1GiB" }, "maxBytes"],
  [{ database: undefined }, "database"],
  [{ stream: "EVENTS" }, "stream"],
])("ES-004 the options %j make no transport, and %s is named", (options, option) => {
  const given = { servers: "nats://127.0.0.1:4222", database: { run() {}, batch() {}, transaction() {} }, ...options };
  const make = () => Reflect.apply(createJetStreamTransport, undefined, [given]);
  expect(make).toThrow(expect.objectContaining({ code: "EVT_CONFIG_INVALID", details: { option } }));
});

test("ES-223 a server before 2.9, or one without JetStream, is refused", async () => {
  for (const info of [
    { version: "2.8.4", jetstream: true },
    { version: "2.10.0", jetstream: false },
  ]) {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.write(
        `INFO ${JSON.stringify({ server_id: "x", max_payload: 1_048_576, proto: 1, headers: true, ...info })}\r\n`,
      );
      socket.on("data", (data) => void (data.toString().includes("PING") && socket.write("PONG\r\n")));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const opening = openLink({ servers: `nats://127.0.0.1:${port}`, clock: systemClock, logger: silentLogger });
    await expect(opening).rejects.toBeInstanceOf(EventStoreError);
    await expect(opening).rejects.toMatchObject({ code: "EVT_TRANSPORT_UNSUPPORTED" });
    await new Promise((resolve) => server.close(resolve));
  }
});
