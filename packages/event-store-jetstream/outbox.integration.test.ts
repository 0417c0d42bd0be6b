import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Database, migrate, type OpenDatabaseOptions, openDatabase } from "@signalbox/database";
import {
  createEventStore,
  type DomainEvent,
  defineEvent,
  defineSubscriber,
  eventStoreMigrations,
} from "@signalbox/event-store";
import {
  type PostgresServer,
  requireServers,
  startNats,
  startPostgres,
  type TestServer,
} from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { jetStreamMigrations } from "./migrations.js";
import { createJetStreamTransport } from "./transport.js";

const folder = dirname(fileURLToPath(import.meta.url));
const children: ChildProcess[] = [];
const Sold = defineEvent("shop.item_sold", {
  schema: {
    type: "object",
    required: ["item", "shelf"],
    properties: { item: { type: "integer" }, shelf: { type: "string" } },
  },
  key: ({ shelf }) => shelf,
});
type SoldItem = DomainEvent<{ item: number; shelf: string }>;

/** Where the forwarder dies, in the order of what it does. */
const deaths = [
  "before the commit",
  "before the claim",
  "after the claim",
  "half way",
  "before the mark",
  "after the mark",
];
const shelves = ["a", "b", "c"];
const items = Array.from({ length: 24 }, (_, item) => item);

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

const needed = requireServers(["nats-server"]);
describe.skipIf(needed.skip)(needed.title("SQLite and JetStream"), () => {
  describeDeaths(async () => {
    const directory = mkdtempSync(join(tmpdir(), "jetstream-outbox-"));
    return { target: { path: join(directory, "events.db") }, destroy: () => rmSync(directory, { recursive: true }) };
  }, deaths);
});

const alsoNeeded = requireServers(["nats-server", "postgres"]);
describe.skipIf(alsoNeeded.skip)(alsoNeeded.title("PostgreSQL and JetStream"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());
  const create = async () => ({ target: { url: await server.createDatabase() }, destroy: () => {} });
  describeDeaths(create, ["half way", "before the mark"]);
});

interface Place {
  readonly target: Pick<OpenDatabaseOptions, "url" | "path">;
  destroy(): void;
}

function describeDeaths(create: () => Promise<Place>, steps: readonly string[]): void {
  let server: TestServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());

  test("ES-151 ES-146 a forwarder that is killed at any step loses nothing, and each subscriber gets each event once", async () => {
    // Side by side, because each waits for the lease of the one that died.
    await Promise.all(steps.map((death, index) => dieAndRecover(death, `death${index}`)));
  });

  async function dieAndRecover(death: string, root: string): Promise<void> {
    const place = await create();
    const database = await openDatabase(place.target);
    await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
    expect(await forwardAndDie(place, root, death), death).toBe("SIGKILL");

    const counted: SoldItem[] = [];
    const shipped: SoldItem[] = [];
    const openStore = () => {
      const transport = createJetStreamTransport({ ...transportOptions(root), database });
      const store = createEventStore({
        transport,
        database,
        source: "/shop",
        configure(registry) {
          const count = async (event: SoldItem): Promise<void> => void counted.push(event);
          const ship = async (event: SoldItem): Promise<void> => void shipped.push(event);
          registry.subscribe(defineSubscriber("reports.count_sales", { handle: count }), { to: Sold });
          registry.subscribe(defineSubscriber("depot.ship_items", { handle: ship }), { to: Sold });
        },
      });
      const waiting = async (): Promise<number> => {
        const names = ["reports.count_sales", "depot.ship_items"];
        const depths = await Promise.all(names.map((name) => transport.depth(name)));
        return depths.reduce((sum, { ready, running, scheduled }) => sum + ready + running + scheduled, 0);
      };
      return { store, waiting };
    };

    // One worker handles what got through, and goes: the next one knows nothing but what is written.
    const first = openStore();
    await first.store.start();
    await expect.poll(first.waiting, { timeout: 60_000, message: death }).toBe(0);
    await first.store.stop();
    const second = openStore();
    await second.store.start();
    const expected = death === "before the commit" ? [] : items;
    await expect.poll(() => pendingIn(database), { timeout: 60_000, message: death }).toBe(0);
    for (const seen of [counted, shipped]) {
      await expect.poll(() => seen.length, { timeout: 60_000, message: death }).toBe(expected.length);
      for (const shelf of shelves) {
        const own = seen.filter(({ data }) => data.shelf === shelf).map(({ data }) => data.item);
        expect(own, `${death}, shelf ${shelf}`).toEqual(own.toSorted((left, right) => left - right));
      }
    }
    // A second copy would have come by then.
    await expect.poll(second.waiting, { timeout: 60_000, message: death }).toBe(0);
    expect([counted.length, shipped.length], death).toEqual([expected.length, expected.length]);
    await second.store.stop();
    await database.close();
    place.destroy();
  }

  /** The stream forgets ids at once, so that nothing but the outbox itself stands between two forwards and two runs. */
  const transportOptions = (root: string) => ({
    servers: server.url,
    names: { stream: root.toUpperCase(), root },
    maxBytes: 67_108_864,
    repetitionWindowMs: 1_000,
  });

  function forwardAndDie(place: Place, root: string, death: string): Promise<NodeJS.Signals | null> {
    const program = `
      import { openDatabase } from "@signalbox/database";
      import { createEventStore, defineEvent, defineSubscriber } from "@signalbox/event-store";
      import { createJetStreamTransport } from ${JSON.stringify(join(folder, "dist", "index.js"))};
      const death = ${JSON.stringify(death)};
      let committed = false;
      const die = () => { process.kill(process.pid, "SIGKILL"); return new Promise(() => {}); };
      const real = await openDatabase(${JSON.stringify(place.target)});
      const transport = createJetStreamTransport({ ...${JSON.stringify(transportOptions(root))}, database: real });
      // The same database and the same server, with a death at one step.
      const database = new Proxy(real, {
        get(target, name) {
          if (name !== "batch") return typeof target[name] === "function" ? target[name].bind(target) : target[name];
          return async (statements, transaction) => {
            const text = statements.map(({ sql }) => sql).join();
            const isClaim = text.includes("set state = 1, claim");
            const isMark = text.includes("set state = 2");
            if (isClaim && committed && death === "before the claim") return die();
            if (isMark && death === "before the mark") return die();
            const results = await target.batch(statements, transaction);
            if (isMark && death === "after the mark" && results[0].changes > 0) return die();
            return results;
          };
        },
      });
      const enqueue = transport.enqueue.bind(transport);
      transport.enqueue = async (deliveries, options) => {
        if (death === "after the claim") return die();
        if (death === "half way") {
          await enqueue(deliveries.slice(0, deliveries.length / 2), options);
          return die();
        }
        return enqueue(deliveries, options);
      };
      const Sold = defineEvent("shop.item_sold", { schema: { type: "object" }, key: ({ shelf }) => shelf });
      const store = createEventStore({
        transport, database, source: "/shop",
        configure(registry) {
          for (const name of ["reports.count_sales", "depot.ship_items"])
            registry.subscribe(defineSubscriber(name, { handle: async () => {} }), { to: Sold });
        },
      });
      await database.transaction(async (transaction) => {
        for (const item of ${JSON.stringify(items)})
          await store.publish(Sold.create({ item, shelf: "abc"[item % 3] }), { transaction });
        if (death === "before the commit") await die();
      });
      committed = true;
      await new Promise((resolve) => setTimeout(resolve, 60_000));`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: folder,
      stdio: ["ignore", "inherit", "inherit"],
    });
    children.push(child);
    return new Promise((resolve) => child.once("close", (_, signal) => resolve(signal)));
  }
}

async function pendingIn(database: Database): Promise<number> {
  const { rows } = await database.run("select count(*) as count from event_outbox where state < 2");
  return Number(rows[0]?.["count"]);
}
