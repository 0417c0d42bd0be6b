import assert from "node:assert/strict";
import { type Clock, errorCode, systemClock } from "@signalbox/kernel";
import { EventStoreError } from "../errors.js";
import type {
  Consumer,
  ConsumeSpec,
  DedupLock,
  Delivery,
  Lease,
  Settlement,
  Transport,
  TransportOptOut,
} from "./transport.js";

/** A new, empty engine with a transport on it that is not open yet. */
export interface TransportUnderTest {
  readonly transport: Transport;
  /** Another transport on the same data, as another process would have it; not open yet. */
  another(): Transport;
  /** Closes everything and removes the data. */
  destroy(): Promise<void>;
}

/** The functions of a test runner: Vitest's, Jest's, or those of `node:test` (`afterAll` is its `after`). */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  test(name: string, body: () => Promise<void>): unknown;
  afterAll(body: () => Promise<void>): unknown;
}

export interface TransportContractOptions {
  readonly name: string;
  /** All transports of the engine go by this clock, which a test may set. */
  create(clock: Clock): Promise<TransportUnderTest>;
  /** Promises that this adapter does not make. */
  readonly cannot?: readonly TransportOptOut[];
  readonly runner: TestRunner;
  /**
   * How many times longer than usual leases, delays and locks of the tests last, so that a machine that has far too much to do
   * does not miss what happens in between. Default 1.
   */
  readonly pace?: number;
}

/** Runs the whole suite without a test runner. @throws {AggregateError} with every test that fails. */
export async function assertTransport(options: Omit<TransportContractOptions, "runner">): Promise<void> {
  const tests: { readonly name: string; readonly body: () => Promise<void> }[] = [];
  const endings: (() => Promise<void>)[] = [];
  describeTransport({
    ...options,
    runner: {
      describe: (_, body) => body(),
      test: (name, body) => tests.push({ name, body }),
      afterAll: (body) => endings.push(body),
    },
  });
  const failures: Error[] = [];
  for (const { name, body } of tests) {
    await body().catch((cause: unknown) => failures.push(new Error(`${name}: ${cause}`, { cause })));
  }
  for (const end of endings) await end();
  if (failures.length === 0) return;
  const names = failures.map(({ message }) => `  ${message}`).join("\n");
  throw new AggregateError(failures, `${options.name} breaks ${failures.length} promises:\n${names}`);
}

/** How long something may take that has been promised to happen; generous, because test machines are busy. */
const patienceMs = 60_000;
/** Long enough for a wrong delivery to show, when nothing may happen. */
const quietMs = 250;

/** Every promise of the `Transport` port, as tests. An adapter's test file calls it first. */
export function describeTransport({ name, create, cannot = [], runner, pace = 1 }: TransportContractOptions): void {
  const paced = (durationMs: number): number => durationMs * pace;
  const { describe, test, afterAll } = runner;

  describe(`ES-324 ${name} keeps the promises of the transport port`, () => {
    let shared: Promise<TransportUnderTest> | undefined;
    const opened: Transport[] = [];
    let names = 0;

    const subject = async (): Promise<TransportUnderTest> => {
      shared ??= create(systemClock);
      const under = await shared;
      await under.transport.open();
      return under;
    };
    /** A second transport on the same data. */
    const another = async (): Promise<Transport> => {
      const transport = (await subject()).another();
      await transport.open();
      opened.push(transport);
      return transport;
    };
    /** A queue that no other test knows. */
    const queue = (): Queue => new Queue(`contract.subscriber_${++names}`);

    afterAll(async () => {
      for (const transport of opened) await transport.close();
      await (await shared)?.destroy();
    });

    // Life

    test("ES-200 opening and closing may be repeated, and nothing works after close", async () => {
      const { transport, destroy } = await create(systemClock);
      await assert.rejects(transport.enqueue([queue().delivery()]), withCode("EVT_CLOSED"));
      await Promise.all([transport.open(), transport.open()]);
      await transport.open();
      const open = queue();
      assert.deepEqual(await transport.enqueue([open.delivery()]), ["enqueued"]);
      await Promise.all([transport.close(), transport.close()]);
      await transport.close();
      await assert.rejects(transport.enqueue([open.delivery()]), withCode("EVT_CLOSED"));
      await assert.rejects(transport.settle([]), withCode("EVT_CLOSED"));
      await assert.rejects(transport.extend([]), withCode("EVT_CLOSED"));
      await assert.rejects(transport.depth(open.subscriber), withCode("EVT_CLOSED"));
      await assert.rejects(transport.peek({}, 1), withCode("EVT_CLOSED"));
      await assert.rejects(transport.remove({}), withCode("EVT_CLOSED"));
      await assert.rejects(transport.subscribers(), withCode("EVT_CLOSED"));
      await assert.rejects(transport.unsettled([]), withCode("EVT_CLOSED"));
      assert.throws(() => new Collector(transport, open.subscriber), withCode("EVT_CLOSED"));
      await assert.rejects(transport.open(), withCode("EVT_CLOSED"));
      await destroy();
    });

    test("ES-285 an engine tells its version once the transport is open", async () => {
      const { transport } = await subject();
      if (cannot.includes("durability")) assert.equal(transport.engineVersion, undefined);
      else assert.match(transport.engineVersion ?? "", /^\d+\.\d+/);
    });

    test("ES-200 closing while busy lets the calls under way finish", async () => {
      const { transport, destroy } = await create(systemClock);
      await transport.open();
      const busy = queue();
      const collector = new Collector(transport, busy.subscriber);
      const enqueues = Array.from({ length: 50 }, () => transport.enqueue([busy.delivery()]));
      const closing = transport.close();
      for (const outcome of await Promise.allSettled(enqueues)) {
        if (outcome.status === "fulfilled") assert.deepEqual(outcome.value, ["enqueued"]);
        else assert.equal(errorCode(outcome.reason), "EVT_CLOSED");
      }
      await closing;
      const held = collector.leases.length;
      await quiet();
      assert.equal(collector.leases.length, held);
      await destroy();
    });

    // Enqueue

    test("ES-201 enqueue answers for each delivery, in order, and everything it took is handed out", async () => {
      const { transport } = await subject();
      const own = queue();
      const deliveries = Array.from({ length: 30 }, () => own.delivery());
      assert.deepEqual(
        await transport.enqueue(deliveries),
        deliveries.map(() => "enqueued"),
      );
      assert.deepEqual(await transport.enqueue([]), []);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(30);
      assert.deepEqual(new Set(collector.leases.map(({ body }) => body)), new Set(deliveries.map(({ body }) => body)));
      await collector.finish();
    });

    test("ES-201 concurrent calls lose and confuse nothing", async () => {
      const { transport } = await subject();
      const own = queue();
      const deliveries = Array.from({ length: 700 }, () => own.delivery());
      const results = await Promise.all(deliveries.map((delivery) => transport.enqueue([delivery])));
      assert.ok(results.every(([result]) => result === "enqueued"));
      const collector = new Collector(transport, own.subscriber, { onLease: "done" });
      await collector.has(700);
      await eventually(async () => (await total(transport, own.subscriber)) === 0);
      assert.deepEqual(collector.ids(), deliveries.map(({ id }) => id).sort());
      await collector.finish();
    });

    test("ES-201 a body comes back as it was given", async () => {
      const { transport } = await subject();
      const own = queue();
      const body = JSON.stringify({ text: "ü€😀\u0000\u2028\\ \"'", large: "x".repeat(300_000), list: [null, 1e300] });
      await transport.enqueue([own.delivery({ body })]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(1);
      assert.equal(collector.leases[0]?.body, body);
      await collector.finish();
    });

    test("ES-151 what comes through the outbox says so again when it is handed out, also after a retry", async () => {
      const { transport } = await subject();
      // A transport that takes part in transactions has no outbox in front of it.
      if (transport.database) return;
      const own = queue();
      await transport.enqueue([
        own.delivery({ outbox: true, key: "k" }),
        own.delivery({ outbox: true }),
        own.delivery(),
      ]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(3);
      const flagged = (): boolean[] => collector.leases.map(({ outbox }) => outbox === true);
      assert.deepEqual(flagged().sort(), [false, true, true]);
      for (const index of [0, 1, 2])
        await collector.settle(index, { kind: "retry", dueAtMs: Date.now() + 50, attempts: 1, progress: null });
      await collector.has(6);
      assert.deepEqual(flagged().slice(3).sort(), [false, true, true]);
      await collector.finish();
    });

    if (!cannot.includes("durability"))
      test("ES-201 what was acknowledged is there for a transport that is opened later", async () => {
        const { transport } = await subject();
        const own = queue();
        await transport.enqueue([own.delivery(), own.delivery()]);
        const later = await another();
        assert.equal((await later.depth(own.subscriber)).ready, 2);
        const collector = new Collector(later, own.subscriber, { onLease: "done" });
        await collector.has(2);
        await eventually(async () => (await total(transport, own.subscriber)) === 0);
        await collector.finish();
      });

    test("ES-202 a repeated id is a duplicate: waiting, running or settled, alone or beside new ones", async () => {
      const { transport } = await subject();
      const own = queue();
      const first = own.delivery();
      const second = own.delivery();
      assert.deepEqual(await transport.enqueue([first]), ["enqueued"]);
      assert.deepEqual(await transport.enqueue([first, second, second]), ["duplicate", "enqueued", "duplicate"]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(2);
      assert.deepEqual(await transport.enqueue([first, second]), ["duplicate", "duplicate"]);
      await collector.settleAll({ kind: "done" });
      assert.deepEqual(await transport.enqueue([second, first]), ["duplicate", "duplicate"]);
      const concurrent = own.delivery();
      const results = await Promise.all([1, 2, 3].map(() => transport.enqueue([concurrent])));
      assert.deepEqual(results.flat().sort(), ["duplicate", "duplicate", "enqueued"]);
      await collector.has(3);
      await quiet();
      assert.equal(collector.leases.length, 3);
      await collector.finish();
    });

    test("ES-202 a repetition through another transport is a duplicate, too", async () => {
      const { transport } = await subject();
      const other = await another();
      const delivery = queue().delivery();
      assert.deepEqual(await transport.enqueue([delivery]), ["enqueued"]);
      assert.deepEqual(await other.enqueue([delivery]), ["duplicate"]);
    });

    // Consume

    test("ES-203 a consumer never holds more leases than it may, nor takes more than it wants", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue(Array.from({ length: 40 }, () => own.delivery()));
      let wanted = 3;
      const collector = new Collector(transport, own.subscriber, { maxInFlight: 5, capacity: () => wanted });
      await collector.has(3);
      wanted = 0;
      await quiet();
      const taken = collector.leases.length;
      assert.ok(taken <= 5, `${taken} leases`);
      wanted = 100;
      collector.consumer.wake();
      await collector.has(5);
      await quiet();
      assert.equal(collector.leases.length, 5);
      await collector.settle(0, { kind: "done" });
      collector.consumer.wake();
      await collector.has(6);
      await quiet();
      assert.equal(collector.leases.length, 6);
      await collector.finish();
    });

    test("ES-203 an idle consumer gets new deliveries, from this transport and from another", async () => {
      const { transport } = await subject();
      const other = await another();
      const own = queue();
      const collector = new Collector(transport, own.subscriber);
      await quiet();
      await transport.enqueue([own.delivery()]);
      await collector.has(1);
      await other.enqueue([own.delivery()]);
      await collector.has(2);
      await collector.finish();
    });

    test("ES-203 consumers share a queue, and each delivery goes to one of them", async () => {
      const { transport } = await subject();
      const other = await another();
      const own = queue();
      const here = new Collector(transport, own.subscriber, { maxInFlight: 20, onLease: "done" });
      const there = new Collector(other, own.subscriber, { maxInFlight: 20, onLease: "done" });
      const deliveries = Array.from({ length: 200 }, () => own.delivery());
      await Promise.all(deliveries.map((delivery) => transport.enqueue([delivery])));
      await eventually(async () => here.leases.length + there.leases.length >= 200);
      await eventually(async () => (await total(transport, own.subscriber)) === 0);
      assert.deepEqual([...here.ids(), ...there.ids()].sort(), deliveries.map(({ id }) => id).sort());
      await here.finish();
      await there.finish();
    });

    test("ES-203 a stopped consumer gets nothing, and its leases can still be settled", async () => {
      const { transport } = await subject();
      const own = queue();
      const collector = new Collector(transport, own.subscriber);
      await transport.enqueue([own.delivery()]);
      await collector.has(1);
      await Promise.all([collector.consumer.stop(), collector.consumer.stop()]);
      await transport.enqueue([own.delivery()]);
      collector.consumer.wake();
      await quiet();
      assert.equal(collector.leases.length, 1);
      assert.deepEqual(await collector.settle(0, { kind: "done" }), "settled");
      assert.equal((await transport.depth(own.subscriber)).ready, 1);
    });

    test("ES-203 a stopped consumer keeps nothing that it was not handed: others get it at once", async () => {
      const { transport } = await subject();
      const own = queue();
      const deliveries = Array.from({ length: 200 }, () => own.delivery());
      await transport.enqueue(deliveries);
      // Far beyond the patience of this suite.
      const leaseMs = 600_000;
      const stopped: Collector[] = [];
      for (let round = 0; round < 10; round++) {
        const collector = new Collector(transport, own.subscriber, { leaseMs, maxInFlight: 5, capacity: () => 5 });
        stopped.push(collector);
        // In the middle of whatever it does to get its first deliveries.
        for (let turn = 0; turn < round; turn++) await sleep(turn % 3);
        await collector.consumer.stop();
      }
      const held = stopped.flatMap((collector) => collector.ids());
      const rest = new Collector(await another(), own.subscriber, { onLease: "done" });
      await rest.has(deliveries.length - held.length);
      assert.deepEqual([...held, ...rest.ids()].sort(), deliveries.map(({ id }) => id).sort());
      for (const collector of stopped) await collector.finish();
      await rest.finish();
    });

    test("ES-203 batches are handed out on nobody's stack", async () => {
      const { transport } = await subject();
      const own = queue();
      const collector = new Collector(transport, own.subscriber);
      const enqueued = transport.enqueue([own.delivery()]);
      assert.equal(collector.leases.length, 0);
      await enqueued;
      await collector.has(1);
      assert.ok(!/contract\.[jt]s:|enqueue \(/.test(collector.stack), collector.stack);
      await collector.finish();
    });

    // Settle

    test("ES-204 a settlement takes effect once", async () => {
      const { transport } = await subject();
      for (const kind of ["done", "dead"] as const) {
        const own = queue();
        await transport.enqueue([own.delivery(), own.delivery()]);
        const collector = new Collector(transport, own.subscriber);
        await collector.has(2);
        const [one, two] = collector.leases;
        assert.ok(one && two);
        const settlement: Settlement = { kind };
        assert.deepEqual(
          await transport.settle([
            { lease: one, settlement },
            { lease: one, settlement },
            { lease: two, settlement },
          ]),
          ["settled", "lease_lost", "settled"],
        );
        assert.equal(await collector.settle(0, { kind: "hand_back" }), "lease_lost");
        assert.equal(await collector.settle(1, { kind: "done" }), "lease_lost");
        assert.deepEqual(await transport.extend([one]), ["lease_lost"]);
        await quiet();
        assert.equal(collector.leases.length, 2);
        assert.equal(await total(transport, own.subscriber), 0);
        await collector.finish();
      }
    });

    test("ES-204 a retry comes back when it is due, with its attempts, progress and smaller body", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue([own.delivery()]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(1);
      assert.deepEqual(
        [collector.leases[0]?.attempts, collector.leases[0]?.progress, collector.leases[0]?.crashes],
        [0, null, 0],
      );
      const dueAtMs = Date.now() + paced(300);
      await collector.settle(0, { kind: "retry", dueAtMs, attempts: 1, progress: '{"a":1}', body: '{"smaller":true}' });
      const { scheduled } = await transport.depth(own.subscriber);
      // On a busy machine it may be due already.
      assert.ok(scheduled === 1 || Date.now() >= dueAtMs);
      await collector.has(2);
      assert.ok(Date.now() >= dueAtMs, "early");
      const again = collector.leases[1];
      assert.ok(again);
      assert.deepEqual(
        { attempts: again.attempts, progress: again.progress, body: again.body, dueAtMs: again.dueAtMs },
        { attempts: 1, progress: '{"a":1}', body: '{"smaller":true}', dueAtMs },
      );
      assert.equal(again.crashes, 0);
      assert.equal(again.firstDueAtMs, collector.leases[0]?.firstDueAtMs);
      await collector.settle(1, { kind: "retry", dueAtMs: 0, attempts: 2, progress: null });
      await collector.has(3);
      assert.deepEqual(
        [collector.leases[2]?.attempts, collector.leases[2]?.progress, collector.leases[2]?.body],
        [2, null, '{"smaller":true}'],
      );
      await collector.finish();
    });

    test("ES-204 what is handed back is available at once, as if it had never been handed out", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue([own.delivery()]);
      const first = new Collector(transport, own.subscriber);
      await first.has(1);
      await first.consumer.stop();
      const second = new Collector(await another(), own.subscriber);
      assert.equal(await first.settle(0, { kind: "hand_back" }), "settled");
      await second.has(1);
      const { attempts, crashes, crashesAlone } = second.leases[0] ?? {};
      assert.deepEqual([attempts, crashes, crashesAlone], [0, 0, 0]);
      await second.finish();
    });

    test("ES-204 a lease that runs out is offered again and counted; the old one has no effect any more", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue([own.delivery()]);
      const first = new Collector(transport, own.subscriber, { leaseMs: paced(300), maxInFlight: 1 });
      await first.has(1);
      await first.consumer.stop();
      const second = new Collector(await another(), own.subscriber);
      await second.has(1);
      assert.deepEqual([second.leases[0]?.crashes, second.leases[0]?.crashesAlone], [1, 0]);
      assert.equal(second.leases[0]?.attempts, 0);
      assert.equal(await first.settle(0, { kind: "done" }), "lease_lost");
      assert.deepEqual(await transport.extend(first.leases), ["lease_lost"]);
      assert.equal(await second.settle(0, { kind: "done" }), "settled");
      assert.equal(await total(transport, own.subscriber), 0);
      await second.finish();
    });

    test("ES-204 extending moves the deadline", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue([own.delivery()]);
      const holder = new Collector(transport, own.subscriber, { leaseMs: paced(4_000), maxInFlight: 1 });
      await holder.has(1);
      const rival = new Collector(await another(), own.subscriber);
      const until = Date.now() + paced(6_000);
      while (Date.now() < until) {
        assert.deepEqual(await transport.extend(holder.leases), ["extended"]);
        await sleep(200);
      }
      assert.equal(rival.leases.length, 0);
      assert.equal(await holder.settle(0, { kind: "done" }), "settled");
      await quiet();
      assert.equal(rival.leases.length, 0);
      await holder.finish();
      await rival.finish();
    });

    test("ES-204 a lease that was marked as alone counts apart when it runs out", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue([own.delivery()]);
      const first = new Collector(transport, own.subscriber, { leaseMs: paced(1_000), maxInFlight: 1 });
      await first.has(1);
      await first.consumer.stop();
      assert.deepEqual(await transport.extend(first.leases, { mark: "alone" }), ["extended"]);
      const second = new Collector(await another(), own.subscriber, { leaseMs: paced(400), maxInFlight: 1 });
      await second.has(1);
      await second.consumer.stop();
      assert.deepEqual([second.leases[0]?.crashes, second.leases[0]?.crashesAlone], [0, 1]);
      const third = new Collector(transport, own.subscriber);
      await third.has(1);
      assert.deepEqual([third.leases[0]?.crashes, third.leases[0]?.crashesAlone], [1, 1]);
      await third.finish();
    });

    test("ES-204 ES-169 without a mark only the first lease that runs out counts; one that was marked as begun counts each time", async () => {
      const { transport } = await subject();
      const processes = [transport, await another()];
      const own = queue();
      await transport.enqueue([own.delivery()]);
      const seen: (number | undefined)[] = [];
      // Marks and hand-backs are gone with their lease.
      const turns = ["", "", "begun", "begun, handed back", ""];
      for (const [index, turn] of turns.entries()) {
        const process = processes[index % 2] ?? transport;
        // Long enough that a mark is written while the lease lasts.
        const holder = new Collector(process, own.subscriber, { leaseMs: paced(1_500), maxInFlight: 1 });
        await holder.has(1);
        await holder.consumer.stop();
        seen.push(holder.leases[0]?.crashes);
        if (turn !== "") assert.deepEqual(await process.extend(holder.leases, { mark: "begun" }), ["extended"]);
        if (turn.endsWith("back")) assert.equal(await holder.settle(0, { kind: "hand_back" }), "settled");
      }
      const last = new Collector(transport, own.subscriber);
      await last.has(1);
      assert.deepEqual([...seen, last.leases[0]?.crashes], [0, 1, 1, 2, 2, 2]);
      assert.deepEqual([last.leases[0]?.crashesAlone, last.leases[0]?.attempts], [0, 0]);
      await last.finish();
    });

    // A clock that somebody sets

    /** An engine of its own on a clock of its own, and two transports on it. */
    const onClock = async (work: (transport: Transport, other: Transport, clock: SettableClock) => Promise<void>) => {
      const clock = settableClock();
      const { transport, another: anotherOf, destroy } = await create(clock);
      const other = anotherOf();
      await transport.open();
      await other.open();
      try {
        await work(transport, other, clock);
      } finally {
        await other.close();
        await destroy();
      }
    };

    test("ES-204 ES-206 when the clock is set forward, who lives keeps its leases, and what is due by it comes", () =>
      onClock(async (transport, other, clock) => {
        const own = queue();
        const planned = own.delivery({ dueAtMs: clock.nowMs() + 2 * hourMs });
        await transport.enqueue([own.delivery()]);
        const holder = new Collector(transport, own.subscriber, { leaseMs: paced(4_000), maxInFlight: 1 });
        await holder.has(1);
        await transport.enqueue([planned]);
        const rival = new Collector(other, own.subscriber, { leaseMs: paced(4_000) });
        // Whoever looks at the time has looked.
        await quiet();
        clock.setBy(3 * hourMs);
        const until = Date.now() + paced(5_000);
        while (Date.now() < until || rival.leases.length === 0) {
          assert.deepEqual(await transport.extend(holder.leases), ["extended"]);
          assert.ok(Date.now() < until + patienceMs, "what is due by the clock does not come");
          await sleep(200);
        }
        assert.deepEqual(new Set(rival.ids()), new Set([planned.id]));
        assert.equal(await holder.settle(0, { kind: "done" }), "settled");
        await holder.finish();
        await rival.finish();
      }));

    test("ES-204 ES-206 when the clock is set back, what was due comes all the same, and leases end in their time", () =>
      onClock(async (transport, other, clock) => {
        const own = queue();
        const [lost, ready, later] = [own.delivery(), own.delivery({ dueAtMs: clock.nowMs() }), own.delivery()];
        await transport.enqueue([lost]);
        const holder = new Collector(transport, own.subscriber, { leaseMs: paced(2_000), maxInFlight: 1 });
        await holder.has(1);
        await holder.consumer.stop();
        await transport.enqueue([ready, own.delivery({ dueAtMs: clock.nowMs() + hourMs })]);
        await quiet();
        clock.setBy(-hourMs);
        const rest = new Collector(other, own.subscriber, { onLease: "done", leaseMs: paced(2_000) });
        await transport.enqueue([later]);
        await rest.has(3);
        assert.deepEqual(rest.ids(), [lost, ready, later].map(({ id }) => id).sort());
        assert.equal(rest.leases.find(({ deliveryId }) => deliveryId === lost.id)?.crashes, 1);
        assert.equal(await holder.settle(0, { kind: "done" }), "lease_lost");
        await rest.finish();
      }));

    if (!cannot.includes("retries-follow-clock"))
      test("ES-206 a retry keeps its delay when the clock is set back", () =>
        onClock(async (transport, other, clock) => {
          const own = queue();
          const retried = own.delivery();
          await transport.enqueue([retried]);
          const trying = new Collector(transport, own.subscriber, { maxInFlight: 1 });
          await trying.has(1);
          const dueAtMs = clock.nowMs() + paced(2_000);
          assert.equal(await trying.settle(0, { kind: "retry", dueAtMs, attempts: 1, progress: null }), "settled");
          const sinceMs = clock.monotonicMs();
          await trying.consumer.stop();
          clock.setBy(-hourMs);
          const rest = new Collector(other, own.subscriber, { onLease: "done" });
          await rest.has(1);
          assert.deepEqual([rest.ids(), rest.leases[0]?.attempts], [[retried.id], 1]);
          // A clock is only known to the millisecond.
          assert.ok(clock.monotonicMs() - sinceMs >= paced(2_000) - 50, "the retry was early");
          await rest.finish();
        }));

    // Delay

    test("ES-206 a delayed delivery is never early, whoever waits for it", async () => {
      const { transport } = await subject();
      const own = queue();
      const here = new Collector(transport, own.subscriber);
      const there = new Collector(await another(), own.subscriber);
      const dueAtMs = Date.now() + paced(700);
      await transport.enqueue([own.delivery({ dueAtMs }), own.delivery({ dueAtMs: dueAtMs + 300 }), own.delivery()]);
      const { scheduled } = await transport.depth(own.subscriber);
      // On a busy machine they may be due already.
      assert.ok(scheduled === 2 || Date.now() >= dueAtMs);
      const taken = () => [...here.taken, ...there.taken];
      await eventually(async () => taken().length === 3);
      for (const { lease, atMs } of taken()) assert.ok(atMs >= lease.dueAtMs, `${lease.dueAtMs - atMs} ms early`);
      await here.finish();
      await there.finish();
    });

    if (!cannot.includes("durability"))
      test("ES-206 what is due later survives its transport, delayed or retrying, and is not early afterwards", async () => {
        const under = await create(systemClock);
        await under.transport.open();
        const own = queue();
        const [delayed, retrying] = [own.delivery({ dueAtMs: Date.now() + paced(800) }), own.delivery()];
        await under.transport.enqueue([delayed, retrying]);
        let room = 1;
        const first = new Collector(under.transport, own.subscriber, { maxInFlight: 1, capacity: () => room });
        await first.has(1);
        // On a busy machine the others may be due before the transport is closed; this one is not to take them along.
        room = 0;
        const dueAtMs = Date.now() + paced(600);
        await first.settle(0, { kind: "retry", dueAtMs, attempts: 1, progress: "kept" });
        await under.transport.close();
        const later = under.another();
        await later.open();
        const second = new Collector(later, own.subscriber, { onLease: "done" });
        await second.has(2);
        assert.deepEqual(second.ids(), [delayed.id, retrying.id].sort());
        for (const { lease, atMs } of second.taken)
          assert.ok(atMs >= lease.dueAtMs, `${lease.dueAtMs - atMs} ms early`);
        const again = second.leases.find(({ deliveryId }) => deliveryId === retrying.id);
        assert.deepEqual([again?.attempts, again?.progress, again?.dueAtMs], [1, "kept", dueAtMs]);
        await second.finish();
        await later.close();
        await under.destroy();
      });

    // Order

    test("ES-207 ES-183 deliveries of a key come in order, one at a time, over all consumers", async () => {
      const { transport } = await subject();
      const own = queue();
      const keys = ["a", "b", "c"];
      const deliveries = Array.from({ length: 60 }, (_, index) =>
        own.delivery({ key: keys[index % 3] ?? "a", eventType: index % 2 ? "contract.odd" : "contract.even" }),
      );
      for (const delivery of deliveries) await transport.enqueue([delivery]);
      const order = new Map<string, string[]>(keys.map((key) => [key, []]));
      const running = new Set<string>();
      const handle = async (lease: Lease): Promise<Settlement> => {
        const key = lease.key ?? "";
        assert.ok(!running.has(key), `two of key ${key} at once`);
        running.add(key);
        await sleep(2);
        order.get(key)?.push(lease.deliveryId);
        running.delete(key);
        return { kind: "done" };
      };
      const here = new Collector(transport, own.subscriber, { handle });
      const there = new Collector(await another(), own.subscriber, { handle });
      await eventually(async () => here.leases.length + there.leases.length === 60);
      await eventually(async () => (await total(transport, own.subscriber)) === 0);
      for (const key of keys)
        assert.deepEqual(
          order.get(key),
          deliveries.filter((delivery) => delivery.key === key).map(({ id }) => id),
        );
      await here.finish();
      await there.finish();
    });

    test("ES-207 a retry keeps its place in its key while other keys go on, and a dead one lets the next go", async () => {
      const { transport } = await subject();
      const own = queue();
      const [a1, a2, a3, b1, b2] = ["a", "a", "a", "b", "b"].map((key) => own.delivery({ key }));
      assert.ok(a1 && a2 && a3 && b1 && b2);
      await transport.enqueue([a1, a2, b1, a3, b2]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(2);
      await quiet();
      assert.deepEqual(collector.ids(), [a1.id, b1.id].sort());
      const depth = await transport.depth(own.subscriber);
      assert.deepEqual([depth.running, depth.ready + depth.blocked], [2, 3]);

      await collector.settleId(a1.id, {
        kind: "retry",
        dueAtMs: Date.now() + paced(1_000),
        attempts: 1,
        progress: null,
      });
      await collector.settleId(b1.id, { kind: "dead" });
      await collector.has(3);
      assert.equal(collector.leases[2]?.deliveryId, b2.id);
      await collector.has(4);
      assert.equal(collector.leases[3]?.deliveryId, a1.id);
      await collector.settle(3, { kind: "done" });
      await collector.has(5);
      assert.equal(collector.leases[4]?.deliveryId, a2.id);
      await collector.settle(4, { kind: "hand_back" });
      await collector.has(6);
      assert.equal(collector.leases[5]?.deliveryId, a2.id);
      await collector.settle(5, { kind: "done" });
      await collector.has(7);
      assert.equal(collector.leases[6]?.deliveryId, a3.id);
      await collector.finish();
    });

    test("ES-207 a delayed delivery holds up later ones of its key only", async () => {
      const { transport } = await subject();
      const own = queue();
      const delayed = own.delivery({ key: "a", dueAtMs: Date.now() + paced(1_000) });
      const later = own.delivery({ key: "a" });
      const other = own.delivery({ key: "b" });
      await transport.enqueue([delayed]);
      await transport.enqueue([later, other]);
      const collector = new Collector(transport, own.subscriber, { onLease: "done" });
      await collector.has(3);
      assert.deepEqual(
        collector.leases.map(({ deliveryId }) => deliveryId),
        [other.id, delayed.id, later.id],
      );
      await collector.finish();
    });

    test("ES-207 the order of a key survives a lease that runs out", async () => {
      const { transport } = await subject();
      const own = queue();
      const first = own.delivery({ key: "k" });
      const second = own.delivery({ key: "k" });
      await transport.enqueue([first, second]);
      const crashed = new Collector(transport, own.subscriber, { leaseMs: paced(300), maxInFlight: 1 });
      await crashed.has(1);
      await crashed.consumer.stop();
      const collector = new Collector(await another(), own.subscriber, { onLease: "done" });
      await collector.has(2);
      assert.deepEqual(
        collector.leases.map(({ deliveryId }) => deliveryId),
        [first.id, second.id],
      );
      assert.equal(await crashed.settle(0, { kind: "done" }), "lease_lost");
      await collector.finish();
    });

    if (!cannot.includes("key-isolation-exact"))
      test("ES-207 a key that waits holds up no other, however many there are", async () => {
        const { transport } = await subject();
        const own = queue();
        const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
        await transport.enqueue(keys.map((key) => own.delivery({ key })));
        const collector = new Collector(transport, own.subscriber);
        await collector.has(60);
        await collector.finish();
      });

    test("ES-207 with perKey, that many of a key run at once", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue(Array.from({ length: 5 }, () => own.delivery({ key: "k", perKey: 2 })));
      const collector = new Collector(transport, own.subscriber, { perKey: 2 });
      await collector.has(2);
      await quiet();
      assert.equal(collector.leases.length, 2);
      await collector.settle(0, { kind: "done" });
      await collector.has(3);
      await quiet();
      assert.equal(collector.leases.length, 3);
      await collector.finish();
    });

    // Limits

    test("ES-179 the total limit holds over all consumers", async () => {
      const { transport } = await subject();
      const own = queue();
      await transport.enqueue(Array.from({ length: 10 }, () => own.delivery()));
      const here = new Collector(transport, own.subscriber, { maxTotal: 3 });
      const there = new Collector(await another(), own.subscriber, { maxTotal: 3 });
      const held = () => here.leases.length + there.leases.length;
      await eventually(async () => held() === 3);
      await quiet();
      assert.equal(held(), 3);
      await (here.leases.length > 0 ? here : there).settle(0, { kind: "done" });
      await eventually(async () => held() === 4);
      await quiet();
      assert.equal(held(), 4);
      await here.finish();
      await there.finish();
    });

    test("ES-185 the rate limit lets a burst through and then its rate, over all consumers", async () => {
      const { transport } = await subject();
      const own = queue();
      const rateLimit = { max: 3, perMs: 1_500 };
      await transport.enqueue(Array.from({ length: 5 }, () => own.delivery()));
      const startedMs = Date.now();
      let limited = 0;
      const limit = { rateLimit, limited: () => void limited++ };
      const here = new Collector(transport, own.subscriber, { ...limit, onLease: "done" });
      const there = new Collector(await another(), own.subscriber, { ...limit, onLease: "done" });
      const taken = () => [...here.taken, ...there.taken].sort((left, right) => left.atMs - right.atMs);
      await eventually(async () => taken().length === 5);
      assert.ok(limited > 0, "nobody was told");
      for (const [index, { atMs, lease }] of taken().entries()) {
        const earliestMs = startedMs + Math.max(0, index + 1 - rateLimit.max) * (rateLimit.perMs / rateLimit.max);
        // A token may have been refilled between the enqueue and the start of the clock here.
        assert.ok(atMs >= earliestMs - 50, `delivery ${index} came ${earliestMs - atMs} ms early`);
        assert.equal(lease.attempts, 0);
      }
      await here.finish();
      await there.finish();
    });

    test("ES-202 ES-210 a full subscription refuses more and nobody else, and gives up nothing", async () => {
      const { transport } = await subject();
      const own = queue();
      const bounded = (overrides: Partial<Delivery> = {}) =>
        own.delivery({ maxPending: { count: 2 }, subscription: own.subscription("contract.bounded"), ...overrides });
      const [one, two, three] = [bounded(), bounded(), bounded()];
      assert.deepEqual(await transport.enqueue([one, two, three, own.delivery()]), [
        "enqueued",
        "enqueued",
        "full",
        "enqueued",
      ]);
      assert.deepEqual(await transport.enqueue([bounded()]), ["full"]);
      // Who repeats what was accepted is not told that it was refused.
      assert.deepEqual(await transport.enqueue([two, bounded(), one]), ["duplicate", "full", "duplicate"]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(3);
      assert.deepEqual(await transport.enqueue([bounded()]), ["full"]);
      await collector.settleId(one.id, { kind: "done" });
      assert.deepEqual(await transport.enqueue([three]), ["enqueued"]);
      assert.deepEqual(await transport.enqueue([bounded()]), ["full"]);
      await collector.finish();
    });

    test("ES-202 ES-210 what is due later fills its subscription as well, and its repetition is told so", async () => {
      const { transport } = await subject();
      const own = queue();
      const late = () => own.delivery({ maxPending: { count: 1 }, dueAtMs: Date.now() + 3_600_000 });
      const first = late();
      assert.deepEqual(await transport.enqueue([first, late()]), ["enqueued", "full"]);
      assert.deepEqual(await transport.enqueue([late(), first]), ["full", "duplicate"]);
    });

    test("ES-210 a bound on bytes counts what waits", async () => {
      const { transport } = await subject();
      const own = queue();
      const heavy = () => own.delivery({ maxPending: { bytes: 2_500 }, body: JSON.stringify("x".repeat(1_000)) });
      assert.deepEqual(await transport.enqueue([heavy(), heavy(), heavy()]), ["enqueued", "enqueued", "full"]);
      assert.equal(await transport.remove({ subscriber: own.subscriber }), 2);
      assert.deepEqual(await transport.enqueue([heavy()]), ["enqueued"]);
    });

    // Deduplication

    test("ES-180 until executing: equal deliveries are dropped while the first waits", async () => {
      const { transport } = await subject();
      const own = queue();
      const dedup = lock("executing");
      assert.deepEqual(await transport.enqueue([own.delivery({ dedup })]), ["enqueued"]);
      assert.deepEqual(await transport.enqueue([own.delivery({ dedup }), own.delivery({ dedup: lock("executing") })]), [
        "deduplicated",
        "enqueued",
      ]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(2);
      await eventually(async () => (await transport.enqueue([own.delivery({ dedup })]))[0] === "enqueued");
      await collector.has(3);
      await collector.finish();
    });

    test("ES-180 until executed: equal deliveries are dropped until the first has finished", async () => {
      const { transport } = await subject();
      const own = queue();
      const dedup = lock("executed");
      const results = await Promise.all([1, 2, 3, 4].map(() => transport.enqueue([own.delivery({ dedup })])));
      assert.deepEqual(results.flat().sort(), ["deduplicated", "deduplicated", "deduplicated", "enqueued"]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(1);
      assert.deepEqual(await transport.enqueue([own.delivery({ dedup })]), ["deduplicated"]);
      await collector.settle(0, { kind: "done" });
      assert.deepEqual(await transport.enqueue([own.delivery({ dedup })]), ["enqueued"]);
      await collector.has(2);
      await collector.finish();
    });

    test("ES-180 reschedule_once runs once more, however many duplicates there were", async () => {
      const { transport } = await subject();
      const own = queue();
      const dedup: DedupLock = { ...lock("executed"), ifDuplicate: "reschedule_once" };
      await transport.enqueue([own.delivery({ dedup })]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(1);
      const duplicates = Array.from({ length: 3 }, () => own.delivery({ dedup }));
      for (const duplicate of duplicates) assert.deepEqual(await transport.enqueue([duplicate]), ["deduplicated"]);
      await collector.settle(0, { kind: "done" });
      await collector.has(2);
      assert.equal(collector.leases[1]?.deliveryId, duplicates[0]?.id);
      await collector.settle(1, { kind: "done" });
      await quiet();
      assert.equal(collector.leases.length, 2);
      await collector.finish();
    });

    test("ES-180 a lock ends after its time, even if its delivery is still there", async () => {
      const { transport } = await subject();
      const own = queue();
      const dedup: DedupLock = { ...lock("executed"), ttlMs: paced(1_000) };
      await transport.enqueue([own.delivery({ dedup })]);
      assert.deepEqual(await transport.enqueue([own.delivery({ dedup })]), ["deduplicated"]);
      await sleep(paced(1_000) + 50);
      assert.deepEqual(await transport.enqueue([own.delivery({ dedup })]), ["enqueued"]);
    });

    // Looking

    test("ES-208 depth counts ready, scheduled, running and blocked deliveries", async () => {
      const { transport } = await subject();
      const own = queue();
      const empty = { ready: 0, scheduled: 0, running: 0, blocked: 0, oldestReadyMs: null };
      assert.deepEqual(await transport.depth(own.subscriber), empty);
      const beforeMs = Date.now();
      await transport.enqueue([own.delivery(), own.delivery({ dueAtMs: Date.now() + 60_000 })]);
      const afterMs = Date.now();
      const waiting = await transport.depth(own.subscriber);
      assert.deepEqual({ ...waiting, oldestReadyMs: null }, { ...empty, ready: 1, scheduled: 1 });
      assert.ok(
        waiting.oldestReadyMs !== null && waiting.oldestReadyMs >= beforeMs && waiting.oldestReadyMs <= afterMs,
      );
      const collector = new Collector(transport, own.subscriber);
      await collector.has(1);
      await transport.enqueue([own.delivery({ key: "k" }), own.delivery({ key: "k" })]);
      await collector.has(2);
      await eventually(async () => (await transport.depth(own.subscriber)).blocked === 1);
      assert.deepEqual(await transport.depth(own.subscriber), { ...empty, scheduled: 1, running: 2, blocked: 1 });
      assert.ok([4, undefined].includes(await transport.countUnsettled?.(own.subscriber, "")));
      assert.ok([0, undefined].includes(await transport.countUnsettled?.(own.subscriber, "another:")));
      await collector.finish();
    });

    test("ES-208 peek shows what waits without taking it, by subscriber and by type", async () => {
      const { transport } = await subject();
      const own = queue();
      const dueAtMs = Date.now() + 60_000;
      const ready = own.delivery({ eventType: "contract.one" });
      const scheduled = own.delivery({ eventType: "contract.two", dueAtMs });
      const running = own.delivery();
      await transport.enqueue([running]);
      const collector = new Collector(transport, own.subscriber, { maxInFlight: 1 });
      await collector.has(1);
      await transport.enqueue([ready, scheduled]);
      const seen = await transport.peek({ subscriber: own.subscriber }, 10);
      assert.deepEqual(
        seen.map(({ id, state }) => [id, state]).sort(),
        [
          [ready.id, "ready"],
          [scheduled.id, "scheduled"],
        ].sort(),
      );
      const [two] = await transport.peek({ subscriber: own.subscriber, eventType: "contract.two" }, 10);
      assert.ok(two);
      assert.deepEqual(
        { ...two },
        {
          id: scheduled.id,
          subscriber: own.subscriber,
          subscription: scheduled.subscription,
          eventType: "contract.two",
          key: null,
          state: "scheduled",
          dueAtMs,
          attempts: 0,
          body: scheduled.body,
        },
      );
      assert.equal((await transport.peek({ subscriber: own.subscriber }, 1)).length, 1);
      assert.equal((await transport.depth(own.subscriber)).ready, 1);
      assert.ok((await transport.subscribers()).includes(own.subscriber));
      await collector.finish();
    });

    test("ES-208 unsettled tells which deliveries are still to come, or running", async () => {
      const { transport } = await subject();
      const own = queue();
      const [running, waiting, scheduled, done] = [
        own.delivery(),
        own.delivery({ key: "k" }),
        own.delivery({ dueAtMs: Date.now() + 60_000 }),
        own.delivery(),
      ];
      assert.ok(running && waiting && scheduled && done);
      const ids = [running, waiting, scheduled, done].map(({ id }) => id);
      assert.deepEqual(await transport.unsettled(ids), []);
      await transport.enqueue([running, waiting, scheduled, done]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(3);
      await collector.settleId(done.id, { kind: "done" });
      assert.deepEqual(
        new Set(await transport.unsettled([...ids, "never-seen"])),
        new Set([running.id, waiting.id, scheduled.id]),
      );
      await collector.finish();
    });

    test("ES-208 remove deletes what waits, not what runs, and lets the next of a key go", async () => {
      const { transport } = await subject();
      const own = queue();
      const running = own.delivery({ key: "k" });
      const blocked = own.delivery({ key: "k", eventType: "contract.removed" });
      const last = own.delivery({ key: "k" });
      await transport.enqueue([running]);
      const collector = new Collector(transport, own.subscriber);
      await collector.has(1);
      await transport.enqueue([
        blocked,
        last,
        own.delivery({ eventType: "contract.removed", dueAtMs: Date.now() + 60_000 }),
      ]);
      assert.equal(await transport.remove({ subscriber: own.subscriber, eventType: "contract.removed" }), 2);
      assert.equal(await transport.remove({ subscriber: own.subscriber, eventType: "contract.removed" }), 0);
      assert.equal(await collector.settle(0, { kind: "done" }), "settled");
      await collector.has(2);
      assert.equal(collector.leases[1]?.deliveryId, last.id);
      await collector.finish();
      assert.ok(!(await transport.subscribers()).includes(own.subscriber));
    });
  });
}

function lock(until: "executing" | "executed"): DedupLock {
  return { lock: `contract-${Math.random()}`, until, ttlMs: 600_000, ifDuplicate: "drop" };
}

/** Makes deliveries for one subscriber. */
class Queue {
  readonly subscriber: string;
  #count = 0;

  constructor(subscriber: string) {
    this.subscriber = subscriber;
  }

  subscription(eventType: string): string {
    return `${this.subscriber}/${eventType}`;
  }

  delivery(overrides: Partial<Delivery> = {}): Delivery {
    const eventType = overrides.eventType ?? "contract.happened";
    const subscription = overrides.subscription ?? this.subscription(eventType);
    const id = `event-${++this.#count}-${Math.random().toString(36).slice(2)}`;
    return {
      id: `${id}.${subscription}`,
      subscriber: this.subscriber,
      subscription,
      eventType,
      body: JSON.stringify({ id, specversion: "1.0" }),
      key: null,
      perKey: 1,
      dueAtMs: 0,
      maxPending: null,
      dedup: null,
      ...overrides,
    };
  }
}

interface CollectorOptions extends Partial<Omit<ConsumeSpec, "subscriber">> {
  /** Settles every lease at once. */
  readonly onLease?: "done";
  readonly handle?: (lease: Lease) => Promise<Settlement>;
}

/** A consumer that remembers what it was given. */
class Collector {
  readonly leases: Lease[] = [];
  readonly taken: { readonly lease: Lease; readonly atMs: number }[] = [];
  readonly consumer: Consumer;
  stack = "";
  #failure: unknown;
  readonly #transport: Transport;
  readonly #settled = new Set<Lease>();

  constructor(transport: Transport, subscriber: string, { onLease, handle, ...spec }: CollectorOptions = {}) {
    this.#transport = transport;
    const settle = handle ?? (onLease === "done" ? async (): Promise<Settlement> => ({ kind: "done" }) : undefined);
    this.consumer = transport.consume(
      {
        subscriber,
        maxInFlight: 1_000,
        leaseMs: 60_000,
        maxTotal: null,
        perKey: 1,
        rateLimit: null,
        capacity: () => 1_000,
        limited: () => {},
        hurry: () => {},
        ...spec,
      },
      (leases) => {
        // Without the line of this function itself.
        this.stack = (new Error("stack").stack ?? "").split("\n").slice(2).join("\n");
        for (const lease of leases) {
          this.leases.push(lease);
          this.taken.push({ lease, atMs: Date.now() });
          if (settle) void this.#handle(lease, settle);
        }
      },
    );
  }

  async has(count: number): Promise<void> {
    await eventually(async () => this.leases.length >= count);
  }

  ids(): string[] {
    return this.leases.map(({ deliveryId }) => deliveryId).sort();
  }

  async settle(index: number, settlement: Settlement): Promise<string | undefined> {
    const lease = this.leases[index];
    assert.ok(lease, `no lease ${index}`);
    this.#settled.add(lease);
    const [result] = await this.#transport.settle([{ lease, settlement }]);
    return result;
  }

  async settleId(id: string, settlement: Settlement): Promise<void> {
    const index = this.leases.findIndex(({ deliveryId }) => deliveryId === id);
    assert.equal(await this.settle(index, settlement), "settled");
  }

  async settleAll(settlement: Settlement): Promise<void> {
    const left = this.leases.filter((lease) => !this.#settled.has(lease));
    for (const lease of left) this.#settled.add(lease);
    if (left.length > 0) await this.#transport.settle(left.map((lease) => ({ lease, settlement })));
  }

  /** Ends it without leaving anything behind for other tests to stumble over. */
  async finish(): Promise<void> {
    await this.consumer.stop();
    await this.settleAll({ kind: "done" });
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #handle(lease: Lease, handle: (lease: Lease) => Promise<Settlement>): Promise<void> {
    this.#settled.add(lease);
    try {
      await this.#transport.settle([{ lease, settlement: await handle(lease) }]);
      this.consumer.wake();
    } catch (error) {
      this.#failure ??= error;
    }
  }
}

async function total(transport: Transport, subscriber: string): Promise<number> {
  const { ready, scheduled, running, blocked } = await transport.depth(subscriber);
  return ready + scheduled + running + blocked;
}

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  const untilMs = Date.now() + patienceMs;
  while (!(await condition())) {
    assert.ok(Date.now() < untilMs, "it did not happen in time");
    await sleep(5);
  }
}

function sleep(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

const hourMs = 3_600_000;

/** The time of the system until somebody sets it. */
interface SettableClock extends Clock {
  setBy(durationMs: number): void;
}

function settableClock(): SettableClock {
  let offsetMs = 0;
  return {
    nowMs: () => systemClock.nowMs() + offsetMs,
    monotonicMs: () => systemClock.monotonicMs(),
    setTimer: (...args) => systemClock.setTimer(...args),
    sleep: (...args) => systemClock.sleep(...args),
    setBy(durationMs) {
      offsetMs += durationMs;
    },
  };
}

function quiet(): Promise<void> {
  return sleep(quietMs);
}

function withCode(code: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof EventStoreError, String(error));
    assert.equal(error.code, code);
    return true;
  };
}
