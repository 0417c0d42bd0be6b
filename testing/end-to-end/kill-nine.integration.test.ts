import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { installSignalbox, type SignalboxServer } from "../servers/signalbox.js";
import { killNine } from "./kill-nine.js";

// With more load: `KILL_NINE_ENVELOPES=2000 npx vitest run testing/end-to-end`.
const envelopes = Number(process.env["KILL_NINE_ENVELOPES"] ?? 400);

let server: SignalboxServer | undefined;
let dataDirectory: string | undefined;

afterEach(async () => {
  await server?.stop();
  if (dataDirectory) await rm(dataDirectory, { recursive: true, force: true });
});

test("PF-010 ET-011 ET-281 every envelope that got its 200 is stored exactly once, although the server is killed three times", async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "signalbox-kill-"));
  const installation = await installSignalbox({ dataDirectory });

  const result = await killNine({ installation, envelopes, connections: 20, kills: 3 });
  server = result.server;

  expect(result.acknowledged.size).toBe(envelopes);
  expect([...result.acknowledged].filter((eventId) => result.stored.get(eventId) !== 1)).toEqual([]);
  expect(result.stored.size).toBe(envelopes);
  expect(result.counted).toBe(envelopes);
});
