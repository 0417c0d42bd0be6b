import { defineSubscriber } from "@signalbox/event-store";
import { systemClock } from "@signalbox/kernel";
import {
  type ClickHouseHttpServer,
  requireServers,
  startClickHouseHttp,
  startPostgres,
} from "@signalbox/testing/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issueCreated, issueRegressed } from "../events/issue-events.js";
import type { IssueTables } from "../store/tables.js";
import { type OpenService, openService } from "../testing/open-service.js";
import { errorPayload, receivedEvent } from "../testing/received-event.js";
import { changeIssues } from "./change-issues.js";

const needed = requireServers(["postgres"]);
const workers = 3;

describe.skipIf(needed.skip)(needed.title("several workers on one PostgreSQL"), () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  let engine: ClickHouseHttpServer;
  const services: OpenService[] = [];
  /** Ids of the events that subscribers received, by type. */
  const received = new Map<string, Set<string>>();

  beforeAll(async () => {
    [server, engine] = await Promise.all([startPostgres(), startClickHouseHttp()]);
    const url = await server.createDatabase();
    const noted = defineSubscriber<unknown>("test.note_issues", {
      async handle(event) {
        received.set(event.type, (received.get(event.type) ?? new Set()).add(event.id));
      },
    });
    for (let index = 0; index < workers; index++) {
      services.push(
        await openService({
          database: { url },
          analytics: { url: engine.url },
          environment: {
            SIGNALBOX_ERROR_TRACKING_DIGEST_LINGER: "20ms",
            SIGNALBOX_ERROR_TRACKING_DIGEST_BATCH_EVENTS: "5",
          },
          configure: (registry) => {
            registry.subscribe(noted, { to: issueCreated });
            registry.subscribe(noted, { to: issueRegressed });
          },
        }),
      );
    }
    await services[0]?.errorTracking.projects.create("Shop");
    for (const service of services) await service.eventStore.start();
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.close()));
    await engine?.stop();
    await server?.stop();
  });

  const sendAll = async (count: number): Promise<void> => {
    const events = Array.from({ length: count }, (_, index) => receivedEvent(errorPayload(`group ${index % 2}`)));
    await Promise.all(events.map((event, index) => services[index % workers]?.eventStore.publish(event)));
  };
  const issues = async () =>
    services[0]?.database.as<IssueTables>().selectFrom("error_issues").selectAll().orderBy("id").execute() ?? [];
  const total = async () => (await issues()).reduce((sum, issue) => sum + issue.event_count, 0);
  const told = (type: string) => received.get(`error_tracking.${type}`)?.size ?? 0;

  test("ET-221 ET-233 an issue is created, and each time it comes back, told of exactly once", async () => {
    await sendAll(60);
    await expect.poll(total).toBe(60);
    await expect.poll(() => told("issue_created")).toBe(2);
    for (let round = 1; round <= 3; round++) {
      const [first] = services;
      if (first === undefined) throw new Error("There is no worker.");
      await changeIssues(
        { database: first.database, clock: systemClock, publisher: () => first.eventStore },
        { projectId: 1, issueIds: (await issues()).map(({ id }) => id), change: { status: "resolved" }, actor: "ann" },
      );
      await sendAll(60);
      await expect.poll(total).toBe(60 * (round + 1));
      await expect.poll(() => told("issue_regressed")).toBe(2 * round);
      expect((await issues()).map(({ substatus }) => substatus)).toEqual(["regressed", "regressed"]);
    }
    expect(told("issue_created")).toBe(2);
    expect((await issues()).map((issue) => issue.short_number).sort()).toEqual([1, 2]);
  });
});
