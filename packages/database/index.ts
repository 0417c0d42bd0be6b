export { bytesType, identity, identityType } from "./column-types.js";
export { type CopySqliteOptions, copySqlite } from "./copy-sqlite.js";
export type * from "./database.js";
export { type ConstraintKind, DatabaseError, type DatabaseErrorCode, databaseErrors } from "./errors.js";
export {
  type AppliedMigration,
  checkSchema,
  type MigrateOptions,
  type Migration,
  type MigrationSet,
  migrate,
} from "./migrate.js";
export { type OpenDatabaseOptions, openDatabase } from "./open-database.js";
export { openSqlite, type SqliteOptions } from "./sqlite.js";
export { inTransaction, withTransactionScope } from "./transaction-scope.js";
