import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openChdb } from "./chdb.js";
import { describeAnalytics } from "./contract.js";

describeAnalytics({
  name: "chDB",
  async create() {
    const path = await mkdtemp(join(tmpdir(), "signalbox-chdb-"));
    let analytics = await openChdb({ path });
    const reopen = async () => {
      await analytics.close();
      analytics = await openChdb({ path });
      return analytics;
    };
    return {
      analytics,
      reopen,
      crash: reopen,
      async destroy() {
        await analytics.close();
        await rm(path, { recursive: true });
      },
    };
  },
  // The engine ends with this process; chdb.integration.test.ts shows it with a child process.
  cannot: ["crash alone"],
});
