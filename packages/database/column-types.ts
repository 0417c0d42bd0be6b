import type { ColumnDefinitionBuilder } from "kysely";
import type { Engine } from "./database.js";

// Where the engines' names for a type differ. `text`, `bigint` and `double precision` mean the same on both.

/** Column of bytes. */
export function bytesType(engine: Engine): "blob" | "bytea" {
  return engine === "postgres" ? "bytea" : "blob";
}

/** Primary key that the database counts up and never uses twice: `addColumn("id", identityType(e), identity(e))`. */
export function identityType(engine: Engine): "bigserial" | "integer" {
  return engine === "postgres" ? "bigserial" : "integer";
}

export function identity(engine: Engine): (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder {
  // On SQLite only an `integer primary key autoincrement` is one; PostgreSQL's type says it already.
  return (column) => (engine === "postgres" ? column.primaryKey() : column.primaryKey().autoIncrement());
}
