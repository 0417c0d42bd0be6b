import { afterEach, beforeEach, expect, test } from "vitest";
import { type HttpTracker, startHttpTracker } from "./testing/http-tracker.js";
import { startProgram } from "./testing/start-program.js";

let tracker: HttpTracker;

beforeEach(async () => {
  tracker = await startHttpTracker();
});

afterEach(() => tracker.down());

const opening = `
import { createClient } from "@signalbox/experience-sdk";
const definitions = { checkout: { description: "A user pays", feature_category: "shop", urgency: "sync_fast" } };
const client = createClient({ endpoint: process.env.TRACKER, type: "web", definitions, environment: "production" });
client.start("checkout").complete();
`;

const waiting = 'setInterval(() => {}, 1_000);\nconsole.log("waiting");\n';

function run(name: string, code: string) {
  return startProgram(name, opening + code, { TRACKER: tracker.url });
}

test("XP-080 XP-089 no timer of the client keeps a process alive that has nothing else to do", async () => {
  await tracker.down();
  const program = run("idle", 'console.log("done");');
  expect(await program.ended).toBe(0);
  expect(program.output()).toBe("done\n");
});

test("XP-089 a shutdown that is waited for keeps the process alive until all is sent", async () => {
  tracker.answer = () => ({ status: tracker.requests.length < 2 ? 503 : 200 });
  const program = run("shutdown", "console.log(JSON.stringify(await client.shutdown()));");
  expect(await program.ended).toBe(0);
  expect(JSON.parse(program.output())).toEqual({ sent: 2, pending: 0 });
  expect(tracker.accepted.map(({ checkpoint }) => checkpoint)).toEqual(["start", "end"]);
});

test("XP-089 exit hooks send what waits at SIGTERM, and the signal still ends the process", async () => {
  const program = run("hooks", `client.installExitHooks();\n${waiting}`);
  await expect.poll(program.output).toBe("waiting\n");
  program.kill("SIGTERM");
  expect(await program.ended).toBe("SIGTERM");
  expect(tracker.accepted).toHaveLength(2);
});

test("XP-089 exit hooks leave the end of the process to an application that handles the signal itself", async () => {
  const own = 'process.on("SIGTERM", () => setTimeout(() => process.exit(7), 1_000));\n';
  const program = run("own-handler", `client.installExitHooks();\n${own}${waiting}`);
  await expect.poll(program.output).toBe("waiting\n");
  program.kill("SIGTERM");
  expect(await program.ended).toBe(7);
  expect(tracker.accepted).toHaveLength(2);
});

test("XP-089 exit hooks send what waits when the process runs out of work", async () => {
  const program = run("before-exit", "client.installExitHooks();\n");
  expect(await program.ended).toBe(0);
  expect(tracker.accepted).toHaveLength(2);
});

test("XP-089 without hooks a signal is not touched", async () => {
  const program = run("no-hooks", waiting);
  await expect.poll(program.output).toBe("waiting\n");
  program.kill("SIGTERM");
  expect(await program.ended).toBe("SIGTERM");
});
