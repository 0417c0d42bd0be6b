import { createServer } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import type { PeerSnapshot } from "./sync/snapshot.js";
import { startTestRelay, type TestRelay } from "./testing/start-relay.js";

const noPeer = "ws://127.0.0.1:1";

/** A relay whose only peer has failed twice, stopped and started again. */
async function restart(sync: object = {}): Promise<{ readonly before: PeerSnapshot; readonly after: TestRelay }> {
  const relay = {
    sync: { enabled: true, allow_private_targets: true, bootstrap_relays: [noPeer], base_backoff_s: 1, ...sync },
  };
  const first = await startTestRelay({ relay });
  onTestFinished(() => first.destroy());
  await expect.poll(() => peerOf(first).failures).toBe(2);
  await first.stop();
  const before = peerOf(first);
  const after = await startTestRelay({ relay, directory: first.directory });
  onTestFinished(() => after.stop());
  return { before, after };
}

function peerOf({ relay }: TestRelay): PeerSnapshot {
  const peer = relay.sync?.engine.peers()[0];
  if (!peer) throw new Error("there is no peer");
  return peer;
}

test("GR-355 failures of a peer are remembered over a restart", async () => {
  const { before, after } = await restart();
  const remembered = peerOf(after);
  expect(remembered.health).toBe("degraded");
  // It goes on where it was; on a slow machine the third attempt may be over already.
  expect(remembered.failures).toBeGreaterThanOrEqual(before.failures);
  await expect.poll(() => peerOf(after).failures).toBe(3);
});

test("a mistake that does not pass by itself is remembered over a restart, from its first sighting on", async () => {
  const server = createServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  const url = `ws://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const relay = { sync: { enabled: true, allow_private_targets: true, bootstrap_relays: [url] } };
  const first = await startTestRelay({ relay });
  onTestFinished(() => first.destroy());
  await expect.poll(() => peerOf(first).naughty?.category).toBe("protocol_error");
  await first.stop();
  const before = peerOf(first);
  const after = await startTestRelay({ relay, directory: first.directory });
  onTestFinished(() => after.stop());
  expect(peerOf(after).naughty).toEqual(before.naughty);
  expect(peerOf(after)).toMatchObject({ failures: 1, nextAttemptAt: (before.lastFailure?.at ?? 0) + 3_600_000 });
  expect(after.relay.sync?.engine.repair(peerOf(after).url)).toBe(true);
  await expect.poll(() => peerOf(after).naughty?.since).toBeGreaterThan(before.naughty?.since ?? 0);
});

test("GR-355 they are forgotten where that is wanted", async () => {
  const { after } = await restart({ persist_health: false });
  await expect.poll(() => peerOf(after).failures).toBe(1);
});
