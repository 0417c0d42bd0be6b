import { type Analytics, migrateAnalytics, openAnalytics } from "@signalbox/analytics";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import { eventsAnalytics } from "../analytics-migrations.js";

/** The engine at this address, migrated. */
export async function openTestAnalytics(url: string): Promise<Analytics> {
  const analytics = await openAnalytics({ url, logger: silentLogger, metrics: noMetrics, clock: systemClock });
  await migrateAnalytics(analytics, [eventsAnalytics]);
  return analytics;
}
