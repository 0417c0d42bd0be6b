import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openAnalytics } from "./open-analytics.js";

test("PF-062 without a URL the engine runs in this process, with one it is a server", async () => {
  const path = await mkdtemp(join(tmpdir(), "signalbox-analytics-"));
  const embedded = await openAnalytics({ path });
  const server = await openAnalytics({ path, url: "http://127.0.0.1:9" });
  expect([embedded.engine, server.engine]).toEqual(["chdb", "clickhouse"]);
  await Promise.all([embedded.close(), server.close()]);
  await rm(path, { recursive: true });
});

test("one of both is needed", async () => {
  await expect(openAnalytics({})).rejects.toThrow("url or a path");
});
