import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Analytics, openAnalytics } from "@signalbox/analytics";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { createEventStore, createSqlTransport, type EventStore, eventStoreMigrations } from "@signalbox/event-store";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { parseDsn } from "@signalbox/sentry-protocol";
import { requireServers, startClickHouseHttp, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { countAllPending } from "../digest/pending-events.js";
import { eventReceived } from "../events/event-received.js";
import { errorTrackingMigrations } from "../migrations/error-tracking-migrations.js";
import { updateSettings } from "../projects/project-settings.js";
import { createProjects } from "../projects/projects.js";
import type { Quota } from "../projects/quotas.js";
import { envelope } from "../testing/ingest-server.js";
import type { OpenServiceOptions } from "../testing/open-service.js";
import { errorPayload, newEventId } from "../testing/received-event.js";
import { verify } from "../upkeep/verify.js";
import { readImbalance } from "./ledger-metrics.js";
import { type Ledger, readLedger } from "./read-ledger.js";

// More of everything: SIGNALBOX_TEST_LEDGER_REQUESTS=20000 SIGNALBOX_TEST_LEDGER_KILLS=20
const requests = Number(process.env["SIGNALBOX_TEST_LEDGER_REQUESTS"] ?? 150);
const kills = Number(process.env["SIGNALBOX_TEST_LEDGER_KILLS"] ?? 1);
const seedOfCi = 20_260_501;
const seed = Number(
  process.env["SIGNALBOX_TEST_SEED"] ?? (process.env["CI"] === "true" ? seedOfCi : Date.now() % 1_000_000),
);

const postgres = requireServers(["postgres"]);
const ports = { logger: silentLogger, metrics: noMetrics, clock: systemClock };
const program = fileURLToPath(new URL("../dist/testing/ledger-server.js", import.meta.url));

let engine: Awaited<ReturnType<typeof startClickHouseHttp>>;
beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());

/** Numbers that look random and are the same for the same seed. */
function createRandom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What was sent, by category, and which events were answered with 200. */
interface Sent {
  readonly items: Map<string, number>;
  readonly acknowledged: Set<string>;
  /** What may have come in twice: refused because the queue did not answer in time, and taken when it did. */
  readonly unsure: Map<string, number>;
  /** Requests without an answer. */
  lost: number;
}

function add(sums: Map<string, number>, name: string, quantity: number): void {
  sums.set(name, (sums.get(name) ?? 0) + quantity);
}

type Item = readonly [header: object, payload: object | string];

/** Each makes the items of one envelope and says what they are counted as. */
const kinds: readonly ((id: string) => { readonly items: readonly Item[]; readonly counts: Record<string, number> })[] =
  [
    (id) => ({ items: [[{ type: "event" }, errorPayload(`work ${id.charCodeAt(0) % 4}`)]], counts: { error: 1 } }),
    (id) => ({ items: [[{ type: "event" }, errorPayload(`work ${id.charCodeAt(1) % 4}`)]], counts: { error: 1 } }),
    () => ({ items: [[{ type: "event" }, "{ this is no json"]], counts: { error: 1 } }),
    () => ({ items: [[{ type: "event" }, { message: "x".repeat(30_000) }]], counts: { error: 1 } }),
    () => ({
      items: [
        [{ type: "event" }, { message: "one" }],
        [{ type: "event" }, { message: "two" }],
      ],
      counts: { error: 2 },
    }),
    () => ({ items: [[{ type: "log", item_count: 7 }, { items: [] }]], counts: { log_item: 7 } }),
    () => ({
      items: [
        [{ type: "transaction" }, {}],
        [{ type: "from_the_future" }, {}],
      ],
      counts: { transaction: 1, default: 1 },
    }),
    () => ({
      items: [
        [
          { type: "session" },
          { sid: newEventId(), status: "ok", started: new Date().toISOString(), attrs: { release: "1.0" } },
        ],
      ],
      counts: { session: 1 },
    }),
    () => ({ items: [[{ type: "client_report" }, { discarded_events: [] }]], counts: {} }),
  ];

/** Items of one kind in one envelope. */
const mostInOne = 7;

class Rig {
  readonly random = createRandom(seed);
  readonly sent: Sent = { items: new Map(), acknowledged: new Set(), unsure: new Map(), lost: 0 };
  readonly keys: { readonly project: number; readonly key: string }[] = [];
  #url = "";
  #child: ChildProcess | undefined;
  readonly #options: Pick<OpenServiceOptions, "database" | "analytics" | "environment">;
  readonly database: Database;
  readonly analytics: Analytics;
  readonly eventStore: EventStore;

  constructor(options: Rig["options"], database: Database, analytics: Analytics) {
    this.#options = options;
    this.database = database;
    this.analytics = analytics;
    this.eventStore = createEventStore({
      ...ports,
      transport: createSqlTransport({ database, clock: systemClock, logger: silentLogger }),
      source: "test",
      configure: (registry) => registry.register(eventReceived),
    });
  }

  get options(): Pick<OpenServiceOptions, "database" | "analytics" | "environment"> {
    return this.#options;
  }

  /** Two projects, each with two keys and quotas that are reached sometimes. */
  async prepare(): Promise<void> {
    const projects = createProjects({
      database: this.database,
      clock: systemClock,
      serverUrl: () => "http://localhost",
    });
    const quota = (categories: Quota["categories"]): Quota => ({
      categories,
      limit: Math.floor(this.random() * requests * 0.4),
      windowS: this.random() < 0.5 ? 2 : 86_400,
    });
    for (const name of ["Shop", "Forge"]) {
      const { id, dsn } = await projects.create(name);
      const { id: keyId, publicKey } = await projects.createKey(id);
      await projects.updateKey(id, keyId, { quotas: [quota(["error"]), quota(["log_item", "session"])] });
      if (this.random() < 0.5) await updateSettings(this.database, id, { quotas: [quota([])] });
      this.keys.push({ project: id, key: parseDsn(dsn).key }, { project: id, key: publicKey });
    }
  }

  async start(): Promise<void> {
    const child = fork(program, [JSON.stringify(this.#options)], { execArgv: [] });
    this.#child = child;
    const died = once(child, "exit").then(() => Promise.reject(new Error("The server could not start.")));
    const [{ port }] = await Promise.race([once(child, "message"), died]);
    this.#url = `http://127.0.0.1:${port}`;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** Sends one envelope; the same event a second time now and then. */
  async send(): Promise<void> {
    const pick = <T>(list: readonly T[]): T => {
      const chosen = list[Math.floor(this.random() * list.length)];
      if (chosen === undefined) throw new RangeError("There is nothing to choose from.");
      return chosen;
    };
    const { project, key } = pick(this.keys);
    const known = [...this.sent.acknowledged];
    const id = known.length > 0 && this.random() < 0.1 ? pick(known) : `${project}:${newEventId()}`;
    const [ownProject = "", eventId = ""] = id.split(":");
    const { items, counts } = pick(kinds)(eventId);
    const body = envelope({ event_id: eventId }, ...items);
    try {
      const response = await fetch(`${this.#url}/api/${project}/envelope/?sentry_key=${key}`, {
        method: "POST",
        body: Buffer.from(body),
      });
      const answer = await response.text();
      expect([200, 400, 413, 429, 503], answer).toContain(response.status);
      for (const [category, quantity] of Object.entries(counts)) {
        add(this.sent.items, category, quantity);
        if (response.status === 503) add(this.sent.unsure, category, quantity);
      }
      if (response.status === 200 && answer.includes('"id"') && ownProject === String(project))
        this.sent.acknowledged.add(id);
    } catch (error) {
      if (error instanceof TypeError) this.sent.lost++;
      else throw error;
    }
  }

  /** Many requests, some at a time; `meanwhile` runs beside them. */
  async traffic(count: number, meanwhile: () => Promise<void>): Promise<void> {
    let left = count;
    const sender = async (): Promise<void> => {
      while (left-- > 0) await this.send();
    };
    let done = false;
    const others = (async () => {
      while (!done) await meanwhile();
    })();
    await Promise.all(Array.from({ length: 6 }, sender));
    done = true;
    await others;
  }

  ledgerOf(projectId: number): Promise<Ledger> {
    const nowMs = Date.now();
    const hourMs = 3_600_000;
    return readLedger(this.database, this.eventStore, {
      projectId,
      fromMs: nowMs - 2 * hourMs,
      toMs: nowMs + hourMs,
      intervalMs: hourMs,
      groupBy: "category",
    });
  }

  /** Everything balances, in each cell and in the sums. */
  async expectBalance(): Promise<void> {
    expect(await readImbalance(this.database, 0), `seed ${seed}`).toBe(0);
    for (const project of new Set(this.keys.map((key) => key.project)))
      expect((await this.ledgerOf(project)).balance, `seed ${seed}`).toBe(0);
  }

  async drained(): Promise<void> {
    const pending = async () => {
      const { rows } = await this.database.run<{ n: number }>(
        "select count(*) as n from event_deliveries where state <> 3",
      );
      return Number(rows[0]?.n);
    };
    await expect.poll(pending, { timeout: 60_000, interval: 100 }).toBe(0);
    expect(await countAllPending(this.eventStore.queues)).toBe(0);
    // The edge writes what it refused within a second.
    await sleep(1500);
  }

  async received(): Promise<Map<string, number>> {
    const sums = new Map<string, number>();
    for (const project of new Set(this.keys.map((key) => key.project)))
      for (const [category, { received }] of (await this.ledgerOf(project)).groups)
        sums.set(category, (sums.get(category) ?? 0) + received);
    return sums;
  }

  /** Each acknowledged event is in every count exactly once. */
  async expectNothingLost(): Promise<void> {
    const { rows } = await this.database.run<{ id: string }>(
      "select project_id || ':' || event_id as id from error_event_ids where state = 'written'",
    );
    const stored = new Set(rows.map((row) => row.id));
    expect(
      [...this.sent.acknowledged].filter((id) => !stored.has(id)),
      `seed ${seed}`,
    ).toEqual([]);
    const dependencies = { database: this.database, analytics: this.analytics, clock: systemClock, groupingVersion: 1 };
    const { findings } = await verify(dependencies, { sinceMs: Date.now() - 7_200_000 });
    expect(findings, `seed ${seed}`).toEqual([]);
  }
}

async function openRig(database: OpenServiceOptions["database"]): Promise<Rig> {
  const analyticsUrl = engine.url;
  const options = {
    database,
    analytics: { url: analyticsUrl },
    environment: {
      SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "50ms",
      SIGNALBOX_ERROR_TRACKING_LIMITS_EVENT_BYTES: "20KiB",
      SIGNALBOX_ERROR_TRACKING_STORM_KEEP_PER_HOUR: "20",
    },
  };
  const own = await openDatabase({ ...ports, ...database });
  const analytics = await openAnalytics({ ...ports, url: analyticsUrl });
  await migrate(own, [eventStoreMigrations, errorTrackingMigrations]);
  const rig = new Rig(options, own, analytics);
  onTestFinished(async () => {
    await rig.kill();
    await rig.eventStore.stop({ deadlineMs: 1000 });
    await analytics.close();
    await own.close();
  });
  await rig.prepare();
  await rig.start();
  return rig;
}

async function accountForEverything(database: OpenServiceOptions["database"]): Promise<void> {
  const rig = await openRig(database);
  const nothing = () => sleep(100);

  // As long as nobody dies, the ledger knows exactly what was sent.
  await rig.traffic(requests, async () => {
    await rig.expectBalance();
    await sleep(50);
  });
  await rig.drained();
  const before = await rig.received();
  for (const category of new Set([...before.keys(), ...rig.sent.items.keys()])) {
    const [received = 0, sent = 0, unsure = 0] = [before, rig.sent.items, rig.sent.unsure].map((of) =>
      of.get(category),
    );
    expect(received, `seed ${seed}: ${category}`).toBeGreaterThanOrEqual(sent);
    expect(received, `seed ${seed}: ${category}`).toBeLessThanOrEqual(sent + unsure);
  }
  await rig.expectBalance();
  await rig.expectNothingLost();

  for (let round = 0; round < kills; round++) {
    let died = false;
    await rig.traffic(Math.ceil(requests / 4), async () => {
      if (died) return nothing();
      await sleep(rig.random() * 400);
      await rig.kill();
      died = true;
      await rig.expectBalance();
      await rig.start();
    });
    await rig.expectBalance();
  }
  await rig.drained();
  await rig.expectBalance();
  await rig.expectNothingLost();
  // What was answered and refused within the last second before a death may be missing, and nothing else.
  const after = await rig.received();
  for (const [category, quantity] of after) {
    const most = (rig.sent.items.get(category) ?? 0) + (rig.sent.unsure.get(category) ?? 0) + mostInOne * rig.sent.lost;
    expect(quantity, `seed ${seed}: ${category}`).toBeLessThanOrEqual(most);
  }
}

describe("ET-119 ET-090 under random traffic with random quotas, killed and started again, all that was received is accounted for", () => {
  test("on SQLite", async () => {
    const directory = await mkdtemp(join(tmpdir(), "ledger-"));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    await accountForEverything({ path: join(directory, "db") });
  });

  test.skipIf(postgres.skip)(postgres.title("on PostgreSQL"), async () => {
    const server = await startPostgres();
    onTestFinished(() => server.stop());
    await accountForEverything({ url: await server.createDatabase() });
  });
});
