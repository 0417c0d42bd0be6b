import { describeExperienceStore } from "@signalbox/experience/testing";
import { type PostgresServer, requireServers, startPostgres } from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe } from "vitest";
import { describeWebhookTurns } from "../testing/describe-webhook-turns.js";
import { sqlStoreUnderTest } from "../testing/sql-store-under-test.js";

const needed = requireServers(["postgres"]);

describe.skipIf(needed.skip)(needed.title("PostgreSQL"), () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.stop());

  describeExperienceStore({ name: "SQL on PostgreSQL", create: sqlStoreUnderTest(() => server.createDatabase()) });
  describeWebhookTurns("PostgreSQL", () => server.createDatabase());
});
