export type { DatabaseContractOptions, DatabaseUnderTest } from "./contract/database-under-test.js";
export { describeDatabase } from "./contract.js";
export { type MigrationData, type TestMigrationsOptions, testMigrations } from "./test-migrations.js";
