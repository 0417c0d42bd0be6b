import { createService, createVirtualClock, silentLogger } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { testPeer } from "../testing/test-peer.js";
import { createLeadingEngine } from "./leading-engine.js";
import type { SyncEngine } from "./options.js";

const url = testPeer("wss://peer.example");

function createWorld() {
  const clock = createVirtualClock();
  const log: string[] = [];
  const lease = { answer: async (): Promise<boolean> => true };
  const create = (): SyncEngine => {
    const name = `engine ${log.filter((line) => line.endsWith("starts")).length + 1}`;
    return {
      ...createService({
        name,
        start: async () => void log.push(`${name} starts`),
        stop: async () => void log.push(`${name} stops`),
      }),
      peers: () => [],
      peer: () => null,
      isActive: () => true,
      overLimit: () => [url],
      repair: () => true,
      retry: () => "nothing",
      forget: async () => true,
      syncAgain() {},
    };
  };
  const engine = createLeadingEngine({
    lease: { take: () => lease.answer(), release: async () => void log.push("released") },
    create,
    onRetired: () => void log.push("retired"),
    clock,
    logger: silentLogger,
  });
  return { clock, log, lease, engine };
}

test("GR-479 the engine runs while the lease is ours, and anew when it is ours again", async () => {
  const { clock, log, lease, engine } = createWorld();
  lease.answer = async () => false;
  await engine.start();
  expect([log, engine.overLimit(), engine.repair(url), engine.retry(url)]).toEqual([[], [], false, null]);
  lease.answer = async () => true;
  await clock.advanceBy(5_000);
  expect([log, engine.overLimit(), engine.retry(url)]).toEqual([["engine 1 starts"], [url], "nothing"]);
  await clock.advanceBy(60_000);
  expect(log).toHaveLength(1);
  lease.answer = async () => false;
  await clock.advanceBy(5_000);
  expect(log.slice(1)).toEqual(["engine 1 stops", "retired"]);
  lease.answer = async () => true;
  await clock.advanceBy(5_000);
  expect(log.at(-1)).toBe("engine 2 starts");
  await engine.stop();
  expect(log.slice(-2)).toEqual(["engine 2 stops", "released"]);
});

test("GR-479 without its database the engine goes on no longer than the lease does", async () => {
  const { clock, log, lease, engine } = createWorld();
  await engine.start();
  lease.answer = () => Promise.reject(new Error("the database is away"));
  await clock.advanceBy(15_000);
  expect(log).toEqual(["engine 1 starts"]);
  await clock.advanceBy(10_000);
  expect(log).toEqual(["engine 1 starts", "engine 1 stops", "retired"]);
  await engine.stop();
});
