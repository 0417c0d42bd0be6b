import { describe } from "vitest";
import { describeBatches } from "./contract/batches.js";
import type { DatabaseContractOptions } from "./contract/database-under-test.js";
import { describeGroupCommit } from "./contract/group-commit.js";
import { useItems } from "./contract/items.js";
import { describeMigrations } from "./contract/migrations.js";
import { describeNotifications } from "./contract/notifications.js";
import { describeSharing } from "./contract/sharing.js";
import { describeStatements } from "./contract/statements.js";
import { describeTransactions } from "./contract/transactions.js";
import { describeValues } from "./contract/values.js";

/** Every promise of the `Database` port and of `migrate`, as tests. An adapter's test file calls it first. */
export function describeDatabase(options: DatabaseContractOptions): void {
  describe(`PF-066 ${options.name} keeps the promises of the database port`, () => {
    const items = useItems(options);
    describeValues(items);
    describeStatements(items);
    describeTransactions(items);
    describeGroupCommit(items);
    describeBatches(items);
    describeNotifications(items);
    describeSharing(items);
  });
  describeMigrations(options);
}
