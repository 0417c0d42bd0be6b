import type { MigrationSet } from "@signalbox/database";

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
