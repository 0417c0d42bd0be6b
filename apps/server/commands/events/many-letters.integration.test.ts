import { join } from "node:path";
import { migrate, openDatabase } from "@signalbox/database";
import { createEventStore, createSqlTransport, defineEvent, defineSubscriber } from "@signalbox/event-store";
import { installSignalbox, type SignalboxInstallation } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../command-line.js";
import { databaseMigrations } from "../../migrations.js";
import { type ProgramEnd, temporaryDirectory } from "../../testing.js";

const subscriber = "error_tracking.digest";
let directory: ReturnType<typeof temporaryDirectory>;
let installation: SignalboxInstallation;

beforeAll(async () => {
  directory = temporaryDirectory();
  const dataDirectory = join(directory.path, "data");
  installation = await installSignalbox({ dataDirectory, flags: ["--quiet"] });
  expect((await events(false, "list")).exitCode).toBe(0);
  const database = await openDatabase({ path: join(dataDirectory, "signalbox.db") });
  await migrate(database, databaseMigrations);
  // One more than may be replayed without a word about it.
  const made = defineEvent("shop.order_placed", { schema: { type: "object" } });
  const store = createEventStore({
    transport: createSqlTransport({ database }),
    source: "/shop",
    errors: { condition: "report" },
    configure: (registry) =>
      registry.subscribe(defineSubscriber(subscriber, { handle: async () => {} }), {
        to: made,
        if() {
          throw new RangeError("the condition is broken");
        },
      }),
  });
  for (let count = 0; count < 101; count++) await store.publish(made.create({}));
  await store.stop();
  await database.close();
});

afterAll(() => directory?.remove());

/** With somebody at the terminal who says no. */
async function events(isTerminal: boolean, ...args: string[]): Promise<ProgramEnd & { readonly asked: string[] }> {
  const out: string[] = [];
  const err: string[] = [];
  const asked: string[] = [];
  const exitCode = await runCommandLine(["events", ...args], {
    env: installation.env,
    isTerminal,
    out: (line) => void out.push(`${line}\n`),
    err: (line) => void err.push(`${line}\n`),
    ...(isTerminal && {
      confirm: async (question: string) => {
        asked.push(question);
        return false;
      },
    }),
    ready: () => {},
    exit: () => {},
    kill: () => {},
  });
  return { exitCode, out: out.join(""), err: err.join(""), asked };
}

test("ES-260 a replay of more than 100 letters to a subscriber without a proof says so, and needs --yes", async () => {
  const subscription = `${subscriber}/shop.order_placed`;
  const doubt = `event-proofs.json holds no proof that ${subscriber} bears getting an event twice`;
  const refused = await events(false, "replay", "--subscription", subscription);
  expect(refused.exitCode).toBe(1);
  expect(refused.out + refused.err).toContain(doubt);
  expect(refused.err).toContain("--yes");
  const asked = await events(true, "replay", "--subscription", subscription);
  expect(asked.exitCode).toBe(1);
  expect([...asked.asked, asked.out, asked.err].join("\n")).toContain(doubt);
  expect(asked.asked.join()).toContain("101");
  // Nothing was replayed, and few need no word.
  const letters = JSON.parse((await events(false, "dead", "--json", "--limit", "200")).out);
  expect(letters).toHaveLength(101);
  expect(letters.every(({ state }: { state: string }) => state === "dead")).toBe(true);
  const few = await events(false, "replay", letters[0].id);
  expect(few.out + few.err).not.toContain(doubt);
});
