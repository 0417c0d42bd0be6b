import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, migrate, openSqlite } from "@signalbox/database";
import { createLogger, createVirtualClock, type VirtualClock } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test } from "vitest";
import { defineEvent } from "./define-event.js";
import { defineSubscriber } from "./define-subscriber.js";
import type { DomainEvent } from "./event.js";
import { createEventStore, type EventStore } from "./event-store.js";
import { createSqlRecords } from "./records/sql.js";
import { createMemoryTransport } from "./transports/memory.js";
import { eventStoreMigrations } from "./transports/sql/migrations.js";
import { createSqlTransport } from "./transports/sql/transport.js";
import type { Transport } from "./transports/transport.js";

const JobFailed = defineEvent("ci.job_failed", {
  schema: { type: "object", required: ["job"], properties: { job: { type: "integer" } } },
  key: ({ job }) => `job ${job}`,
});
type Job = DomainEvent<{ job: number }>;

for (const engine of ["memory", "SQLite"] as const)
  describe(engine, () => {
    test("ES-255 a replay re-enters the same subscription only, with fresh attempts and the event as it was", async () => {
      const made = await setUp(engine);
      const event = JobFailed.create({ job: 1 }, { correlationId: "C1" });
      await made.die(event);
      const [letter] = (await made.store.dead.list()).letters;
      made.heal();
      expect(await made.store.dead.replay([letter?.id ?? ""])).toMatchObject({ matched: 1, replayed: 1, failed: [] });
      await expect.poll(() => made.handled.length, { timeout: 10_000 }).toBe(1);
      expect(made.handled[0]).toMatchObject({
        attempt: 1,
        event: { id: event.id, correlationId: "C1", data: { job: 1 } },
      });
      expect(made.others).toHaveLength(1);
      await expect.poll(() => made.stateOf(letter?.id), { timeout: 10_000 }).toBe("resolved");
      expect(await made.store.dead.get(letter?.id ?? "")).toMatchObject({ replayCount: 1 });
    });

    test("ES-255 ES-253 a replay that fails again is dead again, with its count kept", async () => {
      const made = await setUp(engine);
      const event = JobFailed.create({ job: 1 });
      await made.die(event);
      const id = `${event.id}.ci.retry_jobs/ci.job_failed`;
      await made.store.dead.replay({ subscription: "ci.retry_jobs/ci.job_failed" });
      await expect.poll(() => made.calls(), { timeout: 10_000 }).toBe(2);
      await expect.poll(() => made.stateOf(id), { timeout: 10_000 }).toBe("dead");
      expect((await made.store.dead.list()).letters).toMatchObject([{ id, replayCount: 1, state: "dead" }]);
    });

    test("ES-255 a dry run says what would happen and changes nothing", async () => {
      const made = await setUp(engine);
      const events = [1, 2, 3].map((job) => JobFailed.create({ job }));
      for (const event of events) await made.die(event);
      expect(await made.store.dead.replay({ reason: "refused" }, { dryRun: true, limit: 2 })).toMatchObject({
        wouldReplay: 2,
        wouldFail: [],
        overLimit: true,
      });
      const { letters } = await made.store.dead.list();
      expect(letters.map(({ state, replayCount }) => [state, replayCount])).toEqual([
        ["dead", 0],
        ["dead", 0],
        ["dead", 0],
      ]);
      expect(made.calls()).toBe(3);
    });

    test("ES-255 a dry run finds letters whose data does not fit any more", async () => {
      if (engine === "memory") return;
      const made = await setUp(engine);
      await made.die(JobFailed.create({ job: 1 }));
      const [letter] = (await made.store.dead.list()).letters;
      const event = JSON.stringify({ ...JSON.parse(letter?.event ?? ""), data: { job: "one" } });
      await made.database?.run("update event_dead_letters set event = ?", [event]);
      expect(await made.store.dead.replay([letter?.id ?? ""], { dryRun: true })).toMatchObject({
        wouldReplay: 0,
        wouldFail: [{ id: letter?.id, code: "EVT_DATA_INVALID", pointer: "/job" }],
      });
    });

    test("ES-255 replayed deliveries become due at the given rate", async () => {
      const made = await setUp(engine);
      for (let job = 0; job < 5; job++) await made.die(JobFailed.create({ job }));
      made.heal();
      await made.store.pause("ci.retry_jobs");
      await made.store.dead.replay({ state: "dead" }, { ratePerSecond: 2 });
      const waiting = await made.transport.peek({ subscriber: "ci.retry_jobs" }, 10);
      const dueAtMs = waiting.map((delivery) => delivery.dueAtMs).toSorted((left, right) => left - right);
      const [first = 0] = dueAtMs;
      expect(dueAtMs.map((ms) => ms - first)).toEqual([0, 500, 1_000, 1_500, 2_000]);
    });

    test("ES-257 of two replays at once, one wins", async () => {
      const made = await setUp(engine);
      await made.die(JobFailed.create({ job: 1 }));
      const [letter] = (await made.store.dead.list()).letters;
      await made.store.pause("ci.retry_jobs");
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => made.store.dead.replay([letter?.id ?? ""])));
      const replayed = outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value.replayed : 0));
      expect(replayed.reduce((sum, count) => sum + count, 0)).toBe(1);
      expect((await made.transport.depth("ci.retry_jobs")).ready).toBe(1);
    });

    test("ES-257 a letter is replayed three times, and then only by force", async () => {
      const made = await setUp(engine);
      await made.die(JobFailed.create({ job: 1 }));
      const [letter] = (await made.store.dead.list()).letters;
      const id = letter?.id ?? "";
      for (let replay = 1; replay <= 3; replay++) {
        await made.store.dead.replay([id]);
        await expect.poll(() => made.calls(), { timeout: 10_000 }).toBe(replay + 1);
        await expect.poll(() => made.stateOf(id), { timeout: 10_000 }).toBe("dead");
      }
      await expect(made.store.dead.replay([id])).rejects.toMatchObject({
        code: "EVT_REPLAY_LIMIT",
        details: { ids: [id] },
      });
      expect(await made.stateOf(id)).toBe("dead");
      made.heal();
      await made.store.dead.replay([id], { force: true, by: "ada" });
      await expect.poll(() => made.stateOf(id), { timeout: 10_000 }).toBe("resolved");
      expect(made.lines.filter((line) => line.includes("by force"))).toMatchObject([
        expect.stringContaining('"by":"ada"'),
      ]);
    });

    test("ES-257 a letter whose replay broke off is dead again within a minute", async () => {
      if (engine === "memory") return;
      const clock = createVirtualClock(Date.now());
      const made = await setUp(engine, clock);
      await made.die(JobFailed.create({ job: 1 }));
      const [letter] = (await made.store.dead.list()).letters;
      const id = letter?.id ?? "";
      if (!made.database) throw new Error("no database");
      // What a process does that dies before it has enqueued the delivery.
      expect(await createSqlRecords(made.database).deadLetters.beginReplay(id, clock.nowMs())).toBe(true);
      expect(await made.stateOf(id)).toBe("replaying");
      await clock.advanceBy(60_000);
      // A look that was still under way when the clock moved is followed by one that was not.
      const stateLater = async (): Promise<unknown> => {
        await clock.advanceBy(1_000);
        return made.stateOf(id);
      };
      await expect.poll(stateLater, { timeout: 10_000 }).toBe("dead");
    });

    test("ES-253 no other move is allowed", async () => {
      const made = await setUp(engine);
      for (const job of [1, 2]) await made.die(JobFailed.create({ job }));
      const [second, first] = (await made.store.dead.list()).letters;
      const ids = [first?.id ?? "", second?.id ?? ""];
      expect(await made.store.dead.discard([ids[0] ?? ""], { reason: "known" })).toEqual({ discarded: 1 });
      expect(await made.store.dead.get(ids[0] ?? "")).toMatchObject({ state: "discarded", note: "known" });
      for (const move of [
        () => made.store.dead.discard([ids[0] ?? ""], { reason: "again" }),
        () => made.store.dead.replay(ids),
        () => made.store.dead.replay(["unknown"]),
      ])
        await expect(move()).rejects.toMatchObject({ code: "EVT_DEAD_LETTER_STATE" });
      expect(await made.stateOf(ids[1])).toBe("dead");
      expect(made.calls()).toBe(2);
    });

    test("ES-253 letters expire after their days, counted and logged", async () => {
      const clock = createVirtualClock(Date.now());
      const made = await setUp(engine, clock);
      await made.die(JobFailed.create({ job: 1 }));
      const [letter] = (await made.store.dead.list()).letters;
      const dayMs = 86_400_000;
      // With a database there are processes to look after, several times a minute: time is too long to be lived through.
      const age = async (days: number) => {
        if (!made.database) return clock.advanceBy(days * dayMs);
        await made.database.run("update event_dead_letters set dead_at_ms = dead_at_ms - ?", [days * dayMs]);
        await clock.advanceBy(3_600_000);
      };
      await age(29);
      expect(await made.stateOf(letter?.id)).toBe("dead");
      await age(2);
      await expect.poll(() => made.stateOf(letter?.id), { timeout: 10_000 }).toBe("expired");
      expect(made.lines.filter((line) => line.includes("dead letters expired"))).toMatchObject([
        expect.stringContaining('"subscription":"ci.retry_jobs/ci.job_failed","count":1'),
      ]);
    });

    test("ES-254 groups gather equal failures with count, times, a sample and their subscriptions", async () => {
      const made = await setUp(engine);
      for (let job = 1; job <= 3; job++) await made.die(JobFailed.create({ job }));
      const { letters } = await made.store.dead.list();
      const [newest] = letters;
      expect(await made.store.dead.groups()).toEqual([
        {
          fingerprint: newest?.fingerprint,
          count: 3,
          firstDeadAtMs: letters.at(-1)?.deadAtMs,
          lastDeadAtMs: newest?.deadAtMs,
          sampleId: newest?.id,
          subscriptions: ["ci.retry_jobs/ci.job_failed"],
        },
      ]);
      expect(await made.store.dead.groups({ text: "nothing like it" })).toEqual([]);
    });

    test("ES-255 what is selected must be named, and known", async () => {
      const { store } = await setUp(engine);
      await expect(store.dead.replay({})).rejects.toMatchObject({ code: "EVT_FILTER_EMPTY" });
      await expect(store.dead.replay([])).rejects.toMatchObject({ code: "EVT_FILTER_EMPTY" });
      await expect(store.dead.discard({}, { reason: "all" })).rejects.toMatchObject({ code: "EVT_FILTER_EMPTY" });
      // @ts-expect-error a discard says why
      await expect(store.dead.discard(["x"])).rejects.toMatchObject({ code: "EVT_FILTER_INVALID" });
      // @ts-expect-error a misspelt key
      await expect(store.dead.replay({ subscripton: "x" })).rejects.toMatchObject({
        code: "EVT_FILTER_INVALID",
        details: { key: "subscripton" },
      });
      await expect(store.dead.replay({ text: "x" }, { ratePerSecond: 0 })).rejects.toMatchObject({
        code: "EVT_FILTER_INVALID",
      });
    });
  });

interface SetUp {
  readonly store: EventStore;
  readonly transport: Transport;
  readonly database: Database | undefined;
  readonly handled: { readonly event: Job; readonly attempt: number }[];
  /** What the healthy subscriber beside it got. */
  readonly others: Job[];
  readonly lines: string[];
  /** Handler calls so far, failed ones included. */
  calls(): number;
  /** From now on the handler succeeds. */
  heal(): void;
  /** Publishes the event and waits for its dead letter. */
  die(event: Job): Promise<void>;
  stateOf(id: string | undefined): Promise<string | undefined>;
}

async function setUp(engine: "memory" | "SQLite", clock?: VirtualClock): Promise<SetUp> {
  const directory = await mkdtemp(join(tmpdir(), "event-store-replay-"));
  const database = engine === "SQLite" ? await openSqlite({ path: join(directory, "events.db") }) : undefined;
  if (database) await migrate(database, [eventStoreMigrations]);
  const transport = database ? createSqlTransport({ database }) : createMemoryTransport();
  let healthy = false;
  let calls = 0;
  const handled: SetUp["handled"] = [];
  const others: Job[] = [];
  const lines: string[] = [];
  const retrier = defineSubscriber("ci.retry_jobs", {
    async handle(event: Job, { attempt }) {
      calls++;
      if (!healthy) throw Object.assign(new Error(`job ${event.data.job} cannot be retried`), { retryable: false });
      handled.push({ event, attempt });
    },
  });
  const observer = defineSubscriber("ci.count_jobs", { handle: async (event: Job) => void others.push(event) });
  const store = createEventStore({
    transport,
    source: "/test",
    ...(clock && { clock }),
    logger: createLogger({ level: "info", destination: { write: (line: string) => void lines.push(line) } }),
    configure(registry) {
      registry.subscribe(retrier, { to: JobFailed });
      registry.subscribe(observer, { to: JobFailed });
    },
  });
  await store.start();
  onTestFinished(async () => {
    await store.stop();
    await database?.close();
    await rm(directory, { recursive: true, force: true });
  });
  const stateOf = async (id: string | undefined) => (await store.dead.get(id ?? ""))?.state;
  return {
    store,
    transport,
    database,
    handled,
    others,
    lines,
    calls: () => calls,
    heal() {
      healthy = true;
    },
    async die(event) {
      await store.publish(event);
      await expect.poll(() => stateOf(`${event.id}.ci.retry_jobs/ci.job_failed`), { timeout: 10_000 }).toBe("dead");
      await expect.poll(() => others.some(({ id }) => id === event.id), { timeout: 10_000 }).toBe(true);
    },
    stateOf,
  };
}
