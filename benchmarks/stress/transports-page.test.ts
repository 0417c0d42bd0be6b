import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDatabase } from "@signalbox/database";
import { createMemoryTransport, createSqlTransport, type Transport } from "@signalbox/event-store";
import { createBullmqTransport } from "@signalbox/event-store-bullmq";
import { createJetStreamTransport } from "@signalbox/event-store-jetstream";
import { expect, test } from "vitest";
import { engines } from "./engines.js";

const page = readFileSync(fileURLToPath(new URL("../../docs/transports.md", import.meta.url)), "utf8");

/** Cells of the row that begins so, by the names in the head of its table. */
function row(beginning: string): Record<string, string> {
  const lines = page.split("\n");
  const at = lines.findIndex((line) => line.startsWith(`| ${beginning}`));
  const head = lines.slice(0, at).findLastIndex((line) => line.startsWith("| ---")) - 1;
  const cells = (line = ""): string[] =>
    line
      .split("|")
      .slice(2, -1)
      .map((cell) => cell.trim());
  return Object.fromEntries(cells(lines[head]).map((name, index) => [name, cells(lines[at])[index] ?? ""]));
}

test("ES-200 docs/transports.md names exactly what each transport cannot do, and says why", async () => {
  const directory = mkdtempSync(join(tmpdir(), "transports-page-"));
  const database = await openDatabase({ path: join(directory, "events.db") });
  try {
    const transports: Readonly<Record<string, Transport>> = {
      memory: createMemoryTransport(),
      SQL: createSqlTransport({ database }),
      BullMQ: createBullmqTransport({ url: "redis://127.0.0.1:1" }),
      JetStream: createJetStreamTransport({ servers: "nats://127.0.0.1:1", database }),
    };
    const documented = row("opt-outs");
    for (const [name, { cannot, keyIsolation }] of Object.entries(transports)) {
      expect([name, documented[name]]).toEqual([name, cannot.map((what) => `\`${what}\``).join(", ") || "none"]);
      for (const what of cannot) expect(page).toContain(`- **${name}, \`${what}\`**:`);
      expect(row("keys wait for each other")[name]).toContain(`\`${keyIsolation}\``);
    }
    // What stress leaves out is no more than that.
    const { memory, SQL, BullMQ, JetStream } = transports;
    const all = { memory, sqlite: SQL, postgres: SQL, bullmq: BullMQ, jetstream: JetStream };
    for (const [name, engine] of Object.entries(engines))
      expect([name, engine.cannot]).toEqual([name, all[name as keyof typeof all]?.cannot]);
  } finally {
    await database.close();
    rmSync(directory, { recursive: true });
  }
});
