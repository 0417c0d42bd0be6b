import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { startClickHouseHttp } from "@signalbox/testing/servers";
import { eventsAnalytics } from "../analytics-migrations.js";

export interface TestAnalytics {
  readonly analytics: Analytics;
  close(): Promise<void>;
}

/** An engine of its own, migrated. */
export async function openTestAnalytics(): Promise<TestAnalytics> {
  const engine = await startClickHouseHttp();
  const analytics = await openAnalytics({
    url: engine.url,
    logger: silentLogger,
    metrics: noMetrics,
    clock: systemClock,
  });
  await migrateAnalytics(analytics, [eventsAnalytics]);
  return {
    analytics,
    async close() {
      await analytics.close();
      await engine.stop();
    },
  };
}
