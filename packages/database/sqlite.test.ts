import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeDatabase } from "./contract.js";
import { openSqlite } from "./sqlite.js";

describeDatabase({
  name: "SQLite",
  cannot: ["wake other processes"],
  async create() {
    const directory = mkdtempSync(join(tmpdir(), "signalbox-sqlite-"));
    const open = () => openSqlite({ path: join(directory, "signalbox.db") });
    const database = await open();
    return {
      database,
      openAnother: open,
      async destroy() {
        await database.close();
        rmSync(directory, { recursive: true });
      },
    };
  },
});
