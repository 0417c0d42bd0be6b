import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { createEventStore, createSqlTransport, defineEvent, defineSubscriber } from "@signalbox/event-store";
import {
  installSignalbox,
  requireServers,
  type SignalboxInstallation,
  type SignalboxServer,
  startClickHouseHttp,
  startNats,
  startPostgres,
  startRedis,
} from "@signalbox/testing/servers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runProgram, temporaryDirectory } from "./testing.js";

let directory: ReturnType<typeof temporaryDirectory>;
let dataDirectory: string;
let installation: SignalboxInstallation;
let server: SignalboxServer | undefined;
let blocker: Server | undefined;

beforeEach(async () => {
  directory = temporaryDirectory();
  dataDirectory = join(directory.path, "data");
  installation = await installSignalbox({ dataDirectory });
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  blocker?.close();
  blocker = undefined;
  directory.remove();
});

interface Finding {
  readonly subject: string;
  readonly status: string;
  readonly message: string;
  readonly advice?: string;
}

async function examine(env: NodeJS.ProcessEnv = {}): Promise<{ exitCode: unknown; findings: Finding[] }> {
  const { exitCode, out, err } = await runProgram(["doctor", "--json"], { ...installation.env, ...env });
  expect(err).toBe("");
  return { exitCode, findings: JSON.parse(out) };
}

function about(findings: readonly Finding[], subject: string): Finding[] {
  return findings.filter((finding) => finding.subject === subject);
}

describe("doctor", () => {
  test("PF-011 says that the data is of a newer program, before a start does", async () => {
    mkdirSync(dataDirectory);
    const database = await openDatabase({ path: join(dataDirectory, "signalbox.db") });
    try {
      await migrate(database, [{ name: "events", migrations: [{ name: "9999_of_the_future", up: async () => {} }] }]);
    } finally {
      await database.close();
    }
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(1);
    expect(about(findings, "database")).toEqual([
      expect.objectContaining({ status: "broken", message: expect.stringContaining("events 9999_of_the_future") }),
    ]);
  });

  test("PF-011 finds nothing wrong before the first start, and changes nothing", async () => {
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(0);
    expect(findings.filter(({ status }) => status === "broken")).toEqual([]);
    expect(new Set(findings.map(({ subject }) => subject))).toEqual(
      new Set([
        ...["configuration", "versions", "data directory", "disk", "token key", "server"],
        ...["database", "analytics", "experience definitions", "experience store"],
        ...["listen", "metrics_listen", "relay.listen"],
      ]),
    );
    // How much of the disk is free is the business of every program of this machine.
    const steady = (all: readonly Finding[]) =>
      all.map((finding) => (finding.subject === "disk" ? { ...finding, message: "" } : finding));
    const again = await examine();
    expect(again.exitCode).toBe(exitCode);
    expect(steady(again.findings)).toEqual(steady(findings));
    expect(existsSync(dataDirectory)).toBe(false);
  });

  test("PF-011 PF-014 asks a running server about what it holds, and opens it when none runs", async () => {
    server = await installation.start();
    const beside = await examine();
    expect(beside.exitCode).toBe(0);
    expect(about(beside.findings, `server (process ${server.pid})`)).toMatchObject([{ status: "ok" }]);
    expect(about(beside.findings, "analytics of the server")).toMatchObject([{ status: "ok" }]);
    expect(about(beside.findings, "listen")).toMatchObject([
      { status: "ok", message: expect.stringMatching(/in use while the server runs/) },
    ]);
    await server.stop();
    server = undefined;

    const alone = await examine();
    expect(alone.exitCode).toBe(0);
    expect(about(alone.findings, "analytics")).toMatchObject([
      { status: "ok", message: expect.stringMatching(/^chDB \d.* answers/) },
    ]);
    expect(about(alone.findings, "database")).toMatchObject([
      { status: "ok", message: expect.stringMatching(/^SQLite 3\./) },
    ]);
  });

  test("ES-188 tells what waits for subscribers that there are not any more, and what removes it", async () => {
    server = await installation.start();
    const database = await openDatabase({ path: join(dataDirectory, "signalbox.db") });
    const made = defineEvent("shop.order_placed", { schema: { type: "object" } });
    const store = createEventStore({
      transport: createSqlTransport({ database }),
      source: "/shop",
      configure: (registry) =>
        registry.subscribe(defineSubscriber("shop.left_town", { handle: async () => {} }), { to: made }),
    });
    await store.publish(made.create({}));
    await store.stop();
    await database.close();
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(0);
    expect(about(findings, "deliveries")).toMatchObject([
      {
        status: "warning",
        message: "orphaned: shop.left_town",
        advice: expect.stringContaining("signalbox events purge shop.left_town"),
      },
    ]);
    const listed = await runProgram(["events", "list", "--orphans"], installation.env);
    expect(listed.out).toMatch(/^shop\.left_town +orphaned +1 +0 +0 +0$/m);
    const purged = await runProgram(["events", "purge", "shop.left_town", "--yes"], installation.env);
    expect(purged.exitCode).toBe(0);
    expect(about((await examine()).findings, "deliveries")).toMatchObject([{ status: "ok" }]);
  });

  test("PF-011 names every wrong key of the configuration, with exit code 1", async () => {
    const { exitCode, findings } = await examine({ SIGNALBOX_LISTN: "x", SIGNALBOX_LOG_LEVEL: "loud" });
    expect(exitCode).toBe(1);
    expect(findings).toHaveLength(2);
    expect(findings).toEqual(
      expect.arrayContaining([
        {
          subject: "configuration",
          status: "broken",
          message: 'SIGNALBOX_LOG_LEVEL: log.level is "loud"',
          advice: "expected one of debug, info, warn, error, silent",
        },
        {
          subject: "configuration",
          status: "broken",
          message: "SIGNALBOX_LISTN",
          advice: "unknown variable; did you mean SIGNALBOX_LISTEN?",
        },
      ]),
    );
  });

  test("PF-011 says what to do about a port that is taken", async () => {
    const port = Number(installation.env["SIGNALBOX_LISTEN"]?.split(":")[1]);
    const taken = createServer();
    blocker = taken;
    await new Promise<void>((resolve) => taken.listen(port, "127.0.0.1", resolve));
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(1);
    expect(about(findings, "listen")).toEqual([
      {
        subject: "listen",
        status: "broken",
        message: `127.0.0.1:${port} cannot be listened on (EADDRINUSE)`,
        advice: "Stop the program that has this port, or set another `listen`.",
      },
    ]);
  });

  test("PF-011 says what to do about a full disk", async () => {
    const { exitCode, findings } = await examine({ SIGNALBOX_STORAGE_MIN_FREE: "1000TiB" });
    expect(exitCode).toBe(1);
    expect(about(findings, "disk")).toMatchObject([{ status: "broken", advice: expect.stringMatching(/^Free space/) }]);
  });

  test("PF-011 warns of rights that are too wide", async () => {
    mkdirSync(dataDirectory);
    writeFileSync(join(dataDirectory, "token-key.json"), "{}");
    chmodSync(join(dataDirectory, "token-key.json"), 0o644);
    chmodSync(dataDirectory, 0o755);
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(0);
    expect(about(findings, "token key")).toMatchObject([
      { status: "warning", advice: expect.stringMatching(/^chmod 600/) },
    ]);
    expect(about(findings, "data directory")).toMatchObject([
      { status: "warning", advice: `chmod 700 ${dataDirectory}` },
    ]);
  });

  test("PF-011 a database and an analytics server that are away are broken, each with advice", async () => {
    const { exitCode, findings } = await examine({
      SIGNALBOX_DATABASE_URL: "postgres://box:hunter2@127.0.0.1:1/box",
      SIGNALBOX_CLICKHOUSE_URL: "http://box:hunter2@127.0.0.1:1",
    });
    expect(exitCode).toBe(1);
    expect(about(findings, "database")).toMatchObject([
      { status: "broken", advice: expect.stringContaining("reachable") },
    ]);
    expect(about(findings, "analytics")).toMatchObject([{ status: "broken", advice: expect.any(String) }]);
    expect(JSON.stringify(findings)).not.toContain("hunter2");
  });

  test("PF-011 a damaged database file is a finding", async () => {
    mkdirSync(dataDirectory);
    writeFileSync(join(dataDirectory, "signalbox.db"), "this is no database, whatever its name says ".repeat(100));
    const { exitCode, findings } = await examine();
    expect(exitCode).toBe(1);
    expect(about(findings, "database")).toMatchObject([{ status: "broken" }]);
  });

  test("PF-011 a server that holds the directory and does not answer is broken", async () => {
    const stopped = await installation.start();
    server = stopped;
    stopped.kill("SIGSTOP");
    try {
      const { exitCode, findings } = await examine();
      expect(exitCode).toBe(1);
      expect(about(findings, `server (process ${stopped.pid})`)).toMatchObject([
        { status: "broken", advice: expect.stringMatching(/does not answer/) },
      ]);
      // Nothing else is asked of it, which would take as long again.
      expect(about(findings, "deliveries")).toEqual([]);
      expect(about(findings, "overdue runs")).toEqual([]);
    } finally {
      stopped.kill("SIGCONT");
    }
  });
});

const brokers = requireServers(["nats-server", "redis-server"]);

describe.skipIf(brokers.skip)(brokers.title("doctor about the transport"), () => {
  const transportOf = async (env: NodeJS.ProcessEnv) => about((await examine(env)).findings, "transport");

  test("PF-011 ET-284 tells whether NATS takes the messages of error events whole", async () => {
    const nats = await startNats();
    try {
      const env = { SIGNALBOX_TRANSPORT: "jetstream", SIGNALBOX_NATS_URL: nats.url };
      expect(await transportOf(env)).toEqual([
        {
          subject: "transport",
          status: "ok",
          message: expect.stringMatching(/^NATS \d.* with JetStream takes messages of 1048576 bytes$/),
        },
      ]);
    } finally {
      await nats.stop();
    }
    const config = join(directory.path, "nats.conf");
    writeFileSync(config, "max_payload: 524288\n");
    const narrow = await startNats({ args: ["--config", config] });
    try {
      const env = { SIGNALBOX_TRANSPORT: "jetstream", SIGNALBOX_NATS_URL: narrow.url };
      expect(await transportOf(env)).toMatchObject([
        { status: "warning", advice: expect.stringMatching(/`max_payload` of the NATS server to 802816 or more/) },
      ]);
      // And so does the server when it starts.
      server = await (await installSignalbox({ dataDirectory, env })).start();
      expect(server.output()).toContain("the transport is not set up for the size of our events");
    } finally {
      await server?.stop();
      server = undefined;
      await narrow.stop();
    }
    const away = { SIGNALBOX_TRANSPORT: "jetstream", SIGNALBOX_NATS_URL: "nats://127.0.0.1:1" };
    expect(await transportOf(away)).toMatchObject([{ status: "broken", advice: expect.any(String) }]);
  });

  test("PF-011 tells whether Redis keeps the queues", async () => {
    const redis = await startRedis();
    try {
      const env = { SIGNALBOX_TRANSPORT: "bullmq", SIGNALBOX_REDIS_URL: redis.url };
      expect(await transportOf(env)).toMatchObject([{ status: "ok", message: expect.stringMatching(/^Redis \d/) }]);
      const away = { ...env, SIGNALBOX_REDIS_URL: "redis://127.0.0.1:1" };
      expect(await transportOf(away)).toMatchObject([{ status: "broken", advice: expect.any(String) }]);
    } finally {
      await redis.stop();
    }
  });
});

const needed = requireServers(["postgres"]);

describe("doctor about experiences", () => {
  test("names definition files that are invalid", async () => {
    const definitions = join(directory.path, "definitions");
    mkdirSync(definitions);
    writeFileSync(join(definitions, "checkout.yml"), "description: x\nfeature_category: y\nurgency: sync_fast\n");
    const env = { SIGNALBOX_EXPERIENCE_DEFINITIONS: definitions };
    expect(about((await examine(env)).findings, "experience definitions")).toMatchObject([
      { status: "ok", message: "1 files, all valid" },
    ]);
    writeFileSync(join(definitions, "odd.yml"), "urgency: never\n");
    const { exitCode, findings } = await examine(env);
    expect(exitCode).toBe(0);
    expect(about(findings, "experience definitions")).toMatchObject([
      { status: "warning", message: "1 of 2 files are invalid: odd.yml" },
    ]);
    // As the server does, it holds them against the list of categories.
    const categories = join(directory.path, "categories.yml");
    writeFileSync(categories, "[billing]");
    const listed = { ...env, SIGNALBOX_EXPERIENCE_FEATURE_CATEGORIES: categories };
    expect(about((await examine(listed)).findings, "experience definitions")).toMatchObject([
      { status: "warning", message: "2 of 2 files are invalid: checkout.yml, odd.yml" },
    ]);
  });

  test("XP-760 tells store, durability, how far a running server is behind with closing runs, and of its canary", async () => {
    // Others reach it by a name that leads nowhere from here; the canary does not need it.
    const env = { SIGNALBOX_PUBLIC_URL: "http://signalbox.invalid", SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "60" };
    installation = await installSignalbox({ dataDirectory, env });
    server = await installation.start();
    await expect
      .poll(async () => about((await examine()).findings, "experience canary"), { timeout: 60_000, interval: 500 })
      .toMatchObject([{ status: "ok", message: expect.stringMatching(/measured as it happened; .* took \d+\.\d s$/) }]);
    const { findings } = await examine();
    expect(about(findings, "overdue runs")).toMatchObject([{ status: "ok", message: "the oldest is overdue by 0 s" }]);
    expect(about(findings, "experience store")).toMatchObject([
      { status: "ok", message: expect.stringMatching(/durably/) },
    ]);
    expect(about(findings, "experience definitions")).toMatchObject([{ status: "ok" }]);
    expect(
      about((await examine({ SIGNALBOX_EXPERIENCE_CANARY_INTERVAL_S: "0" })).findings, "experience canary"),
    ).toMatchObject([{ status: "ok", message: expect.stringMatching(/^is off/) }]);
  });
});

describe.skipIf(needed.skip)(needed.title("doctor with real servers"), () => {
  test("XP-405 XP-760 tells how durable Redis is, and refuses one that loses what it is given", async () => {
    const redis = await startRedis();
    try {
      const env = { SIGNALBOX_EXPERIENCE_STORE: "redis", SIGNALBOX_REDIS_URL: redis.url };
      expect(about((await examine(env)).findings, "experience store")).toMatchObject([
        { status: "ok", message: expect.stringMatching(/^Redis \d.*appendfsync always.*noeviction$/) },
      ]);
      const relaxed = { ...env, SIGNALBOX_EXPERIENCE_REDIS_ACK: "memory" };
      expect(about((await examine(relaxed)).findings, "experience store")).toMatchObject([{ status: "warning" }]);
      const away = { ...env, SIGNALBOX_REDIS_URL: "redis://127.0.0.1:1" };
      expect(about((await examine(away)).findings, "experience store")).toMatchObject([{ status: "broken" }]);
    } finally {
      await redis.stop();
    }
  });

  test("PF-011 tells versions, rights and clocks of PostgreSQL and ClickHouse", async () => {
    const [postgres, clickhouse] = await Promise.all([startPostgres(), startClickHouseHttp()]);
    try {
      const { exitCode, findings } = await examine({
        SIGNALBOX_DATABASE_URL: await postgres.createDatabase(),
        SIGNALBOX_CLICKHOUSE_URL: clickhouse.url,
      });
      expect(exitCode).toBe(0);
      expect(about(findings, "database")).toMatchObject([
        { status: "ok", message: expect.stringMatching(/^PostgreSQL \d+.* answers, tables may be made$/) },
        { status: "ok", message: expect.stringMatching(/clock is within/) },
      ]);
      expect(about(findings, "analytics")).toMatchObject([
        { status: "ok", message: expect.stringMatching(/^ClickHouse \d+.* answers, tables may be made$/) },
        { status: "ok", message: expect.stringMatching(/clock is within/) },
      ]);
    } finally {
      await Promise.all([postgres.stop(), clickhouse.stop()]);
    }
  });
});
