import { createLogger, createVirtualClock } from "@signalbox/kernel";
import { expect, test } from "vitest";
import { createOutageGate } from "./outage-gate.js";

function setUp() {
  const clock = createVirtualClock();
  const texts: string[] = [];
  const engine = { name: "engine", answers: false, pings: 0 };
  const gate = createOutageGate({
    clock,
    logger: createLogger({ level: "info", destination: { write: (text: string) => void texts.push(text) } }),
    dependencies: [
      {
        name: "engine",
        ping: async () => {
          engine.pings++;
          if (!engine.answers) throw new Error("away");
        },
      },
    ],
  });
  const said = (): string[] => texts.map((text) => JSON.parse(text).msg);
  const { signal } = new AbortController();
  return { clock, engine, gate, said, signal };
}

const waits = "events cannot be stored and wait in the queue";
const again = "events are stored again";

test("ET-283 while an engine is away batches wait, and are put back when that takes too long", async () => {
  const { clock, engine, gate, signal } = setUp();
  await gate.pass(signal);
  gate.close(new Error("away"));
  const held = gate.pass(signal).catch((error: unknown) => error);
  await clock.advanceBy(60_000);
  expect(await held).toMatchObject({ code: "ET_STORE_AWAY" });
  expect(engine.pings).toBeGreaterThan(2);
  const next = gate.pass(signal);
  engine.answers = true;
  await clock.advanceBy(30_000);
  await next;
});

test("ET-283 an engine that answers and cannot store is one outage: one line when it begins, one a minute, one when it is over", async () => {
  const { clock, engine, gate, said, signal } = setUp();
  engine.answers = true;
  gate.close(new Error("disk full"));
  let tries = 0;
  const untilMs = clock.monotonicMs() + 150_000;
  while (clock.monotonicMs() < untilMs) {
    const passed = gate.pass(signal);
    await clock.advanceBy(15_000);
    await passed;
    tries++;
    gate.close(new Error("disk full"));
  }
  expect(tries).toBeGreaterThan(5);
  expect(said()).toEqual([waits, waits, waits]);
  const passed = gate.pass(signal);
  await clock.advanceBy(15_000);
  await passed;
  gate.stored();
  gate.stored();
  expect(said()).toEqual([waits, waits, waits, again]);
});

test("ET-283 a batch that had begun before the outage does not end it", async () => {
  const { gate, said } = setUp();
  gate.close(new Error("away"));
  gate.stored();
  expect(said()).toEqual([waits]);
});
