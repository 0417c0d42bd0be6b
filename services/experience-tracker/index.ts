export { experienceMigrations } from "./migrations.js";
export { createSqlStore, type SqlStoreOptions } from "./store/sql-store.js";
