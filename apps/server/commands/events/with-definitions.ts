import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EventStore } from "@signalbox/event-store";
import { composeLocally } from "../../compose-locally.js";
import type { ServerConfig } from "../../config.js";
import { loadApp } from "../../load-app.js";

/** Runs `work` with a store that has the definitions and nothing else: its stores are new and thrown away. */
export async function withDefinitions(
  config: ServerConfig,
  app: string | undefined,
  work: (store: EventStore) => void,
): Promise<void> {
  const configure = app === undefined ? undefined : (await loadApp(app)).configure;
  const dataDir = mkdtempSync(join(tmpdir(), "signalbox-graph-"));
  try {
    const embedded = {
      ...config,
      dataDir,
      databaseUrl: undefined,
      clickhouseUrl: undefined,
      transport: "sql" as const,
    };
    const { eventStore, close } = await composeLocally({
      config: embedded,
      withAnalytics: false,
      ...(configure && { configure }),
    });
    try {
      work(eventStore);
    } finally {
      await close();
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
