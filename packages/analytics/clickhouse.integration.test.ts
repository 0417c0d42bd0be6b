import { startClickHouseHttp } from "@signalbox/testing/servers";
import { openClickHouse } from "./clickhouse.js";
import { describeAnalytics } from "./contract.js";

describeAnalytics({
  name: "ClickHouse over HTTP",
  async create() {
    const server = await startClickHouseHttp();
    let analytics = await openClickHouse({ url: server.url });
    return {
      analytics,
      async reopen() {
        await analytics.close();
        analytics = await openClickHouse({ url: server.url });
        return analytics;
      },
      async crash() {
        await server.kill();
        await server.restart();
        return analytics;
      },
      async destroy() {
        await analytics.close();
        await server.stop();
      },
    };
  },
});
