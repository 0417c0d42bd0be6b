import { type Database, migrate, openDatabase } from "@signalbox/database";
import { createSqlTransport, eventStoreMigrations, type Transport } from "@signalbox/event-store";
import { createBullmqTransport } from "@signalbox/event-store-bullmq";
import { createJetStreamTransport, jetStreamMigrations } from "@signalbox/event-store-jetstream";

/** A transport as processes tell each other of it. */
export interface TransportPlace {
  readonly kind: "sql" | "bullmq" | "jetstream";
  readonly databaseUrl?: string;
  readonly databasePath?: string;
  /** Of Redis or NATS. */
  readonly url?: string;
  /** What its keys or its stream are called, so that several share a server. */
  readonly name?: string;
}

const maxStreamBytes = 268_435_456;

/** The transport, not open yet, and the database that its store needs. */
export async function openTransport(
  place: TransportPlace,
): Promise<{ readonly transport: Transport; readonly database: Database; close(): Promise<void> }> {
  const { kind, databaseUrl, databasePath, url = "", name } = place;
  const database = await openDatabase({ url: databaseUrl, path: databasePath });
  await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
  const names = name === undefined ? {} : { names: { stream: name.toUpperCase(), root: name } };
  const create: Readonly<Record<TransportPlace["kind"], () => Transport>> = {
    sql: () => createSqlTransport({ database }),
    bullmq: () => createBullmqTransport({ url, ...(name === undefined ? {} : { prefix: name }) }),
    jetstream: () => createJetStreamTransport({ servers: url, database, maxBytes: maxStreamBytes, ...names }),
  };
  return { transport: create[kind](), database, close: () => database.close() };
}
