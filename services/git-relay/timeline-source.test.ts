import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import type { Scope } from "@signalbox/http";
import { canonicalCorrelationId, systemClock } from "@signalbox/kernel";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { describeTimelineSource } from "@signalbox/timeline/testing";
import { relayMigrations } from "./store/migrations.js";
import { createSqlRelayEvents } from "./store/sql.js";
import { createRelayTimelineSource } from "./timeline-source.js";

describeTimelineSource({
  name: "of the relay",
  async create() {
    const directory = mkdtempSync(join(tmpdir(), "relay-timeline-"));
    const database = await openDatabase({ path: join(directory, "relay.db") });
    await migrate(database, [relayMigrations]);
    const events = createSqlRelayEvents({ database, clock: systemClock });
    let serial = 0;
    return {
      source: createRelayTimelineSource(database),
      allowed: { scopes: new Set<Scope>(["timeline:read", "relay:read"]) },
      refused: {},
      async happen(correlationId, count) {
        const origin = { source: "client", correlationId: canonicalCorrelationId(correlationId) } as const;
        const added = Array.from({ length: count }, () => {
          const event = signEvent(testSigner("alice"), { content: `number ${serial++}` });
          return { event, origin, anchor: false };
        });
        await events.write((unit) => unit.store(added));
      },
      async close() {
        await database.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});
