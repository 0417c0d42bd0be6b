export { type DatabaseContractOptions, type DatabaseUnderTest, describeDatabase } from "./contract.js";
export { type MigrationData, type TestMigrationsOptions, testMigrations } from "./test-migrations.js";
