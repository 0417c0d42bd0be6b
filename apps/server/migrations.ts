import type { AnalyticsMigrationSet } from "@signalbox/analytics";
import type { MigrationSet } from "@signalbox/database";
import { errorTrackingAnalytics } from "@signalbox/error-tracking/analytics-migrations";
import { errorTrackingMigrations } from "@signalbox/error-tracking/migrations";
import { eventStoreMigrations } from "@signalbox/event-store/migrations";
import { jetStreamMigrations } from "@signalbox/event-store-jetstream/migrations";
import { eventsAnalytics } from "@signalbox/events/analytics-migrations";
import { eventsMigrations } from "@signalbox/events/migrations";
import { experienceAnalytics } from "@signalbox/experience-tracker/analytics-migrations";
import { experienceMigrations } from "@signalbox/experience-tracker/migrations";
import { relayMigrations } from "@signalbox/git-relay/migrations";

/** Tables of the server itself. */
export const serverMigrations: MigrationSet = {
  name: "server",
  migrations: [
    {
      name: "0001_tokens",
      async up(db) {
        await db.schema
          .createTable("api_tokens")
          .addColumn("id", "text", (column) => column.primaryKey())
          .addColumn("name", "text", (column) => column.notNull())
          .addColumn("scopes", "text", (column) => column.notNull())
          .addColumn("projects", "text")
          .addColumn("created_at_ms", "bigint", (column) => column.notNull())
          .addColumn("expires_at_ms", "bigint", (column) => column.notNull())
          .addColumn("revoked_at_ms", "bigint")
          .execute();
        await db.schema
          .createIndex("api_tokens_revoked")
          .on("api_tokens")
          .columns(["revoked_at_ms", "expires_at_ms"])
          .execute();
      },
    },
  ],
};

/** Every schema of the relational database, in the order in which they are applied. Commands need them without the systems. */
export const databaseMigrations: readonly MigrationSet[] = [
  serverMigrations,
  eventStoreMigrations,
  jetStreamMigrations,
  eventsMigrations,
  errorTrackingMigrations,
  experienceMigrations,
  relayMigrations,
];

/** Every schema of the analytics store, in the order in which they are applied. */
export const analyticsMigrations: readonly AnalyticsMigrationSet[] = [
  eventsAnalytics,
  errorTrackingAnalytics,
  experienceAnalytics,
];
