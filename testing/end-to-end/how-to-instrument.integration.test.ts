import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ExperienceServer, startExperienceServer } from "./experience-server.js";

// Inside this workspace, so that the example finds the packages by their names.
const folder = fileURLToPath(new URL("../.cache/", import.meta.url));
const page = readFileSync(new URL("../../docs/how-to/instrument-a-service.md", import.meta.url), "utf8");

let signalbox: ExperienceServer;

beforeAll(async () => {
  signalbox = await startExperienceServer();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await signalbox?.close();
});

test("PF-082 the example of how to instrument a service runs against a real server, and its journey is there", async () => {
  const [, program = ""] = /```ts\n(.*?)```/s.exec(page) ?? [];
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}instrument.mts`, program);
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", `${folder}instrument.mts`], {
    env: { ...process.env, TRACKER_URL: signalbox.server.url, TRACKER_TOKEN: signalbox.writeToken },
  });
  const [, correlationId = ""] = /^200 ([0-9A-Z]{26})\n0\n$/.exec(stdout) ?? [];
  expect(correlationId, stdout).not.toBe("");
  await expect.poll(() => signalbox.stateOf("checkout", correlationId)).toBe("succeeded");
  await expect
    .poll(async () => {
      const { body } = await signalbox.get(`/api/v1/timeline/${correlationId}`);
      return body.entries.map(({ kind }: { kind: string }) => kind);
    })
    .toEqual(["journey", "checkpoint", "checkpoint", "checkpoint"]);
});

test("PF-082 the definition that the page shows is valid", async () => {
  const [, definition = ""] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const answer = await fetch(`${signalbox.server.url}/api/v1/experience/definitions/validate?id=checkout`, {
    method: "POST",
    headers: { authorization: `Bearer ${signalbox.readToken}`, "content-type": "application/yaml" },
    body: definition,
  });
  expect([answer.status, await answer.json()]).toMatchObject([200, { valid: true }]);
});
