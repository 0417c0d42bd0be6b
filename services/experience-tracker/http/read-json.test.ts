import { gzipSync } from "node:zlib";
import { createHttpServer } from "@signalbox/http";
import { expect, onTestFinished, test } from "vitest";
import { addCheckpointParser } from "./read-json.js";
import { createTurns } from "./turns.js";

test("XP-232 bombs that come at once are decompressed in turns", async () => {
  const turns = createTurns({ room: 2, maxWaiting: 100 });
  let running = 0;
  const runningAtOnce: number[] = [];
  const app = await createHttpServer({});
  onTestFinished(() => app.close());
  addCheckpointParser(app, (_, inflate) =>
    turns.take(1, async () => {
      runningAtOnce.push(++running);
      try {
        return await inflate();
      } finally {
        running--;
      }
    }),
  );
  const body = { maxBytes: 1_048_576, maxInflatedBytes: 4_194_304 };
  app.post("/batch", { config: { access: "public", body } }, async () => ({}));
  const url = await app.listen({ host: "127.0.0.1", port: 0 });

  const bomb = gzipSync(Buffer.alloc(16_777_216));
  const answers = await Promise.all(
    Array.from({ length: 20 }, () =>
      fetch(`${url}/batch`, {
        method: "POST",
        headers: { "content-type": "application/json", "content-encoding": "gzip" },
        body: bomb,
      }),
    ),
  );
  expect(answers.map(({ status }) => status)).toEqual(new Array(20).fill(413));
  expect(runningAtOnce).toHaveLength(20);
  expect(Math.max(...runningAtOnce)).toBe(2);
});
