import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Database, migrate, openDatabase } from "@signalbox/database";
import { openPostgres } from "@signalbox/database/postgres";
import {
  createMemoryTransport,
  createSqlTransport,
  eventStoreMigrations,
  type Transport,
  type TransportOptOut,
} from "@signalbox/event-store";
import type { TransportUnderTest } from "@signalbox/event-store/testing";
import { createBullmqTransport } from "@signalbox/event-store-bullmq";
import { createJetStreamTransport, jetStreamMigrations } from "@signalbox/event-store-jetstream";
import type { Clock } from "@signalbox/kernel";
import { type PostgresServer, startNats, startPostgres, startRedis, type TestServer } from "@signalbox/testing/servers";
import pg from "pg";

/** Something that carries deliveries, and the server that it needs. */
export interface Engine {
  readonly cannot: readonly TransportOptOut[];
  /** Starts what all runs share; its address is handed to the processes of the runs. */
  start(): Promise<{ readonly address: string; stop(): Promise<void> }>;
  /** New, empty, for one run, by this clock. */
  create(address: string, clock: Clock): Promise<TransportUnderTest>;
}

const nothing = async () => ({ address: "", stop: async () => {} });
let names = 0;
const uniqueName = (): string => `stress_${process.pid}_${++names}`;

export const engines: Readonly<Record<string, Engine>> = {
  memory: {
    cannot: ["durability"],
    start: nothing,
    async create(_, clock) {
      const transport = createMemoryTransport({ clock });
      return { transport, another: () => transport, destroy: () => transport.close() };
    },
  },
  sqlite: {
    cannot: [],
    start: nothing,
    create: (_, clock) => onSqlite((database) => createSqlTransport({ database, clock })),
  },
  postgres: {
    cannot: [],
    start: () => shared(startPostgres()),
    async create(address, clock) {
      const url = await createPostgresDatabase(address);
      // Many runs share one server.
      const databases = [await openPostgres({ url, poolSize: 3 }), await openPostgres({ url, poolSize: 3 })] as const;
      await migrate(databases[0], [eventStoreMigrations]);
      const transport = createSqlTransport({ database: databases[0], clock });
      return {
        transport,
        another: () => createSqlTransport({ database: databases[1], clock }),
        async destroy() {
          await transport.close();
          for (const database of databases) await database.close();
        },
      };
    },
  },
  bullmq: {
    cannot: ["retries-follow-clock"],
    start: () => shared(startRedis()),
    async create(url, clock) {
      const prefix = uniqueName();
      const transport = createBullmqTransport({ url, prefix, clock });
      return {
        transport,
        another: () => createBullmqTransport({ url, prefix, clock }),
        destroy: () => transport.close(),
      };
    },
  },
  jetstream: {
    cannot: ["key-isolation-exact", "retries-follow-clock"],
    start: () => shared(startNats()),
    create(servers, clock) {
      const name = uniqueName();
      const names = { stream: name.toUpperCase(), root: name };
      return onSqlite((database) =>
        createJetStreamTransport({ servers, database, names, maxBytes: 67_108_864, clock }),
      );
    },
  },
};

/** One of the above, or what a module exports as `engine`: given as a path with a slash. */
export async function engineOf(name: string): Promise<Engine | undefined> {
  if (Object.hasOwn(engines, name)) return engines[name];
  if (!name.includes("/")) return undefined;
  const { engine } = (await import(pathToFileURL(resolve(name)).href)) as { readonly engine?: Engine };
  return engine;
}

/** Two connections to one file, as two processes would have them. */
async function onSqlite(make: (database: Database) => Transport): Promise<TransportUnderTest> {
  const directory = await mkdtemp(join(tmpdir(), "signalbox-stress-"));
  const path = join(directory, "events.db");
  const databases = [await openDatabase({ path }), await openDatabase({ path })] as const;
  await migrate(databases[0], [eventStoreMigrations, jetStreamMigrations]);
  const transport = make(databases[0]);
  return {
    transport,
    another: () => make(databases[1]),
    async destroy() {
      await transport.close();
      for (const database of databases) await database.close();
      await rm(directory, { recursive: true });
    },
  };
}

async function createPostgresDatabase(serverUrl: string): Promise<string> {
  const name = uniqueName();
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  await client.query(`create database ${name}`);
  await client.end();
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function shared(starting: Promise<TestServer | PostgresServer>) {
  const server = await starting;
  return { address: server.url, stop: () => server.stop() };
}
