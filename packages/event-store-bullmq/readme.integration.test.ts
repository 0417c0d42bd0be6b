import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { requireServers, startRedis } from "@signalbox/testing/servers";
import { describe, expect, test } from "vitest";

const needed = requireServers(["redis-server"]);

describe.skipIf(needed.skip)(needed.title("the README"), () => {
  test("PF-081 its first example runs on a real server and prints what the README says", async () => {
    const readme = readFileSync(new URL("./README.md", import.meta.url), "utf8");
    const [, example] = /```ts\n(.*?)```/s.exec(readme) ?? [];
    const [, printed] = /```text\n(.*?)```/s.exec(readme) ?? [];
    // Inside the package, so that the example imports it by name as an application does.
    const dist = fileURLToPath(new URL("./dist", import.meta.url));
    mkdirSync(dist, { recursive: true });
    const folder = mkdtempSync(join(dist, "readme-"));
    const server = await startRedis();
    try {
      const file = join(folder, "example.ts");
      writeFileSync(file, example ?? "");
      const output = execFileSync(process.execPath, ["-C", "source", "--import", "tsx", file], {
        encoding: "utf8",
        env: { ...process.env, REDIS_URL: server.url },
      });
      expect(output).toBe(printed);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});
