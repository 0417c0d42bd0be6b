import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { connectRaw } from "./testing/raw-client.js";
import { recordingLogger } from "./testing/recording-logger.js";
import { startTestRelay } from "./testing/start-relay.js";

const alice = testSigner("alice");

test("GR-025 GR-035 GR-477 while the store fails each request is told so and nothing is acknowledged; afterwards all goes on", async () => {
  const { logger, lines } = recordingLogger();
  const server = await startTestRelay({ logger, relay: { auth: { challenge_on_connect: false } } });
  const client = await connectRaw(server.url);
  const note = signEvent(alice, { content: "kept" });
  const lost = signEvent(alice, { content: "not stored" });
  client.send(["EVENT", note]);
  expect((await client.next()).slice(2)).toEqual([true, ""]);

  await server.database.run("alter table relay_events rename to away");
  client.send(["EVENT", lost]);
  expect(await client.next()).toEqual(["OK", lost.id, false, expect.stringMatching(/^error: /)]);
  client.send(["REQ", "all", {}]);
  expect(await client.next()).toEqual(["CLOSED", "all", expect.stringMatching(/^error: /)]);
  client.send(["COUNT", "sum", {}]);
  expect(await client.next()).toEqual(["CLOSED", "sum", expect.stringMatching(/^error: /)]);
  client.send(["NEG-OPEN", "set", {}, "6100000200"]);
  expect(await client.next()).toEqual(["NEG-ERR", "set", expect.stringMatching(/^error: /)]);
  const failures = lines.filter(({ level }) => level === "warn");
  expect(failures.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^an event could not be checked|^events could not be stored/),
    ...Array(3).fill("a request could not be answered"),
  ]);
  for (const { fields } of failures) expect(fields["error"]).toMatchObject({ code: "RELAY_STORE_FAILED" });

  await server.database.run("alter table away rename to relay_events");
  client.send(["EVENT", lost]);
  expect(await client.next()).toEqual(["OK", lost.id, true, ""]);
  client.send(["REQ", "all", {}]);
  const found = [await client.next(), await client.next()].map(([, , event]) => (event as { id: string }).id);
  expect(new Set(found)).toEqual(new Set([note.id, lost.id]));
  await client.close();
  await server.destroy();
});
