import { signEvent, testSigner } from "@signalbox/nostr/testing";
import { expect, test } from "vitest";
import { connectRaw } from "./testing/raw-client.js";
import { startTestRelay } from "./testing/start-relay.js";

test("GR-417 GR-418 GR-419 GR-420 GR-425 the relay's series exist from the start and count what happens", async () => {
  const server = await startTestRelay({ relay: { profile: "grasp", auth: { challenge_on_connect: false } } });
  const started = (await server.metrics.exposition("text/plain")).body;
  for (const series of [
    "ngit_websocket_connections_total 0",
    "ngit_websocket_connections_active 0",
    "ngit_websocket_unique_ips 0",
    "ngit_websocket_flagged_abusers 0",
    "ngit_websocket_connection_duration_seconds_count 0",
    'ngit_websocket_messages_received_total{type="NEG-OPEN"} 0',
    'ngit_websocket_messages_received_total{type="other"} 0',
    'ngit_websocket_messages_sent_total{type="EOSE"} 0',
    'ngit_events_received_total{kind="1621"} 0',
    'ngit_events_received_total{kind="other"} 0',
    'ngit_events_stored_total{kind="30617"} 0',
    'ngit_events_rejected_total{kind="5",reason="blocked"} 0',
    "ngit_repositories_total 0",
    'ngit_build_info{version="0.0.0-test",commit="unknown"} 1',
    'signalbox_relay_query_seconds_count{verb="count"} 0',
    "signalbox_relay_store_commit_seconds_count 0",
  ])
    expect(started.split("\n")).toContain(series);

  const client = await connectRaw(server.url);
  const alice = testSigner("alice");
  client.send(["EVENT", signEvent(alice, { kind: 5 })]);
  client.send(["EVENT", signEvent(alice, { kind: 1621 })]);
  client.send(["EVENT", signEvent(alice, { kind: 4_242 })]);
  client.send(["REQ", "r", { kinds: [5] }]);
  client.send(["COUNT", "c", { kinds: [5] }]);
  client.send(["NEG-OPEN", "n", {}, "6100000200"]);
  client.send("nonsense");
  const answers = new Set<unknown>();
  while (answers.size < 6) answers.add((await client.next())[0]);
  expect(answers).toEqual(new Set(["OK", "EVENT", "EOSE", "COUNT", "NEG-MSG", "NOTICE"]));
  const counted: [string, number][] = [
    ["ngit_websocket_connections_total", 1],
    ["ngit_websocket_connections_active", 1],
    ["ngit_websocket_unique_ips", 1],
    ['ngit_websocket_messages_received_total{type="EVENT"}', 3],
    ['ngit_websocket_messages_received_total{type="other"}', 1],
    ['ngit_websocket_messages_sent_total{type="OK"}', 3],
    ['ngit_websocket_messages_sent_total{type="NEG-MSG"}', 1],
    ['ngit_events_received_total{kind="5"}', 1],
    ['ngit_events_received_total{kind="other"}', 1],
    ['ngit_events_stored_total{kind="5"}', 1],
    ['ngit_events_rejected_total{kind="1621",reason="blocked"}', 1],
    ['ngit_events_rejected_total{kind="other",reason="blocked"}', 1],
  ];
  for (const [series, value] of counted) expect([series, await server.metric(series)]).toEqual([series, value]);
  for (const verb of ["req", "count", "neg"])
    await expect.poll(() => server.metric(`signalbox_relay_query_seconds_count{verb="${verb}"}`)).toBe(1);
  expect(await server.metric("signalbox_relay_store_commit_seconds_count")).toBeGreaterThan(0);
  await client.close();
  await expect.poll(() => server.metric("ngit_websocket_connection_duration_seconds_count")).toBe(1);
  await server.destroy();
});
