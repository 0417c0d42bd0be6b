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
}

export async function openTransportAt(
  place: TransportPlace,
): Promise<{ readonly transport: Transport; readonly database: Database }> {
  const { kind, databaseUrl, databasePath, url = "" } = place;
  const database = await openDatabase({ url: databaseUrl, path: databasePath });
  await migrate(database, [eventStoreMigrations, jetStreamMigrations]);
  const create: Readonly<Record<TransportPlace["kind"], () => Transport>> = {
    sql: () => createSqlTransport({ database }),
    bullmq: () => createBullmqTransport({ url }),
    jetstream: () => createJetStreamTransport({ servers: url, database }),
  };
  return { transport: create[kind](), database };
}
