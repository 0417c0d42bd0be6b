import type { MigrationSet } from "@signalbox/database";
import { deletedHashesMigration } from "./deleted-hashes-migration.js";
import { issuePlacesMigration } from "./issue-places-migration.js";
import { issuesMigration } from "./issues-migration.js";
import { itemsMigration } from "./items-migration.js";
import { pinsMigration } from "./pins-migration.js";
import { projectMigrations } from "./projects-migration.js";
import { quotasMigration } from "./quotas-migration.js";
import { upkeepMigration } from "./upkeep-migration.js";
import { workflowMigration } from "./workflow-migration.js";

export const errorTrackingMigrations: MigrationSet = {
  name: "error-tracking",
  migrations: [
    ...projectMigrations,
    issuesMigration,
    workflowMigration,
    upkeepMigration,
    itemsMigration,
    quotasMigration,
    issuePlacesMigration,
    pinsMigration,
    deletedHashesMigration,
  ],
};
