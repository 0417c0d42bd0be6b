import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { transitionCases } from "./contract/cases.js";
import { compareWithMemory } from "./contract/compare-stores.js";
import { at, checkpointOf, definitionOf, type PayloadChanges } from "./contract/journeys.js";
import { runCase } from "./contract/run-case.js";
import {
  drainOutbox,
  reapAll,
  risesBetween,
  type StoreContractOptions,
  type StoreUnderTest,
  ulidsOf,
} from "./contract/subject.js";
import {
  type ApplyResult,
  type Checkpoint,
  type Definition,
  type ExperienceStore,
  identityKey,
  type ListCursor,
  openKey,
  type ProducerActivity,
  type Run,
  type RunIdentity,
  recordKey,
  termsOf,
  totalKey,
} from "./index.js";

/** More random histories than a quick run takes. */
const histories = Number(process.env["EXPERIENCE_HISTORIES"] ?? 60);

let definitions = 0;

/** Every promise of the `ExperienceStore` port, as tests. An adapter's test file calls it first. */
export function describeExperienceStore({ name, create, cannot = [] }: StoreContractOptions): void {
  const shared = !cannot.includes("share");

  describe(`PF-066 XP-370 ${name} keeps the promises of the experience store`, () => {
    let subject: StoreUnderTest;
    let store: ExperienceStore;
    let nextUlid: () => string;
    beforeAll(async () => {
      subject = await create({});
      store = subject.store;
      nextUlid = ulidsOf(subject.clock);
    });
    afterAll(() => subject.destroy());

    const newDefinition = (content: object = {}): Definition => definitionOf(`journey_${++definitions}`, content);

    const newCheckpoint = (
      definition: Definition,
      correlationId: string,
      checkpoint: Checkpoint["kind"],
      changes: PayloadChanges = {},
      tenant = "default",
    ): Checkpoint =>
      checkpointOf(
        definition,
        { correlation_id: correlationId, checkpoint, client_timestamp: at(subject.clock.nowMs()), ...changes },
        { tenant },
      );

    const identityOf = (definition: Definition, correlationId: string, run = "1"): RunIdentity => ({
      tenant: "default",
      experienceId: definition.id,
      correlationId,
      run,
    });

    const applyOne = async (
      checkpoint: Checkpoint,
    ): Promise<Exclude<ApplyResult, { result: "rejected" | "failed" }>> => {
      const [result] = await store.apply([checkpoint]);
      if (!result || result.result === "rejected" || result.result === "failed")
        throw new Error(`not taken: ${JSON.stringify(result)}`);
      return result;
    };

    describe("XP-262 XP-263 the state machine", () => {
      test.each(transitionCases.map((given) => [given.title, given] as const))("%s", async (_, given) => {
        await runCase(subject, given);
      });

      test("XP-262 random histories give the same states, counters, anomalies and events as in memory", async () => {
        await compareWithMemory(subject, histories);
      }, 120_000);
    });

    describe("a step is one step", () => {
      test("XP-235 XP-285 the same checkpoint ten times at once counts once", async () => {
        const definition = newDefinition();
        const start = newCheckpoint(definition, nextUlid(), "start");
        const before = await store.counters();
        const results = (await Promise.all(Array.from({ length: 10 }, () => store.apply([start])))).flat();
        expect(results.filter(({ result }) => result === "applied")).toHaveLength(1);
        expect(results.filter(({ result }) => result === "duplicate")).toHaveLength(9);
        const [first, ...others] = results.map((result) => ("answer" in result ? result.answer : undefined));
        for (const other of others) expect(other).toEqual(first);
        const rises = risesBetween(before, await store.counters());
        expect(rises.get(`checkpoint|${definition.id}|source_code_management|sync_fast|web|start`)).toBe(1);
      });

      test("XP-285 XP-465 another content under the same event id is an anomaly, and the first answer comes", async () => {
        const definition = newDefinition();
        const id = nextUlid();
        const first = await applyOne(newCheckpoint(definition, id, "start", { event_id: "same" }));
        const before = await store.counters();
        const second = await applyOne(newCheckpoint(definition, id, "end", { event_id: "same" }));
        expect(second).toMatchObject({ result: "duplicate", anomalies: ["event_id_reused"] });
        expect(second.answer).toEqual(first.answer);
        expect(risesBetween(before, await store.counters())).toEqual(new Map([["anomalies|event_id_reused", 1]]));
      });

      test("XP-240 items of one call are applied in order, and one result comes for each", async () => {
        const definition = newDefinition();
        const ids = Array.from({ length: 40 }, nextUlid);
        const items = ids.flatMap((id) => [
          newCheckpoint(definition, id, "start"),
          newCheckpoint(definition, id, "intermediate"),
          newCheckpoint(definition, id, "end"),
        ]);
        const results = await store.apply(items);
        expect(results.map((result) => ("run" in result ? result.run.state : result.result))).toEqual(
          ids.flatMap(() => ["open", "open", "succeeded"]),
        );
        expect(results.map((result) => ("answer" in result ? result.answer.kind : ""))).toEqual(
          items.map(({ kind }) => kind),
        );
      });

      test("XP-260 runs that differ in experience, correlation, run or tenant are independent", async () => {
        const [one, two] = [newDefinition(), newDefinition()];
        const [id, other] = [nextUlid(), nextUlid()];
        const items = [
          newCheckpoint(one, id, "start"),
          newCheckpoint(two, id, "start"),
          newCheckpoint(one, other, "start"),
          newCheckpoint(one, id, "start", { run: "2" }),
          newCheckpoint(one, id, "start", {}, "acme"),
        ];
        const results = await store.apply(items);
        expect(results.map((result) => ("answer" in result ? result.answer.reply.opened : false))).toEqual(
          items.map(() => true),
        );
        await applyOne(newCheckpoint(one, id, "end"));
        expect((await store.get(identityOf(one, id)))?.run.state).toBe("succeeded");
        for (const item of items.slice(1)) expect((await store.get(item.identity))?.run.state).toBe("open");
      });

      test("XP-012 a run is judged by the copy of the definition that it opened with", async () => {
        const definition = newDefinition();
        const changed = definitionOf(definition.id, { urgency: "async_slow", feature_category: "other" });
        const id = nextUlid();
        await applyOne(newCheckpoint(definition, id, "start"));
        await subject.clock.advanceBy(3_000);
        const { run } = await applyOne(newCheckpoint(changed, id, "end"));
        expect(run.terms).toEqual(termsOf(definition));
        expect(run.verdict).toMatchObject({ apdexSuccess: false, elapsedMs: 3_000 });
        const counters = await store.counters();
        expect(counters.get(totalKey(termsOf(definition), "web", false))).toBe(1);
        expect(counters.get(totalKey(termsOf(changed), "web", false))).toBeUndefined();
      });

      test("XP-261 an end and the reaper racing at the deadline give one verdict", async () => {
        const definition = newDefinition();
        const ids = Array.from({ length: 20 }, nextUlid);
        await store.apply(ids.map((id) => newCheckpoint(definition, id, "start")));
        await subject.clock.advanceBy(30_001);
        const before = await store.counters();
        await Promise.all([
          reapAll(store),
          ...ids.map((id) => store.apply([newCheckpoint(definition, id, "end")])),
          reapAll(store),
        ]);
        const rises = risesBetween(before, await store.counters());
        expect(rises.get(totalKey(termsOf(definition), "web", true))).toBe(20);
        expect(rises.get(totalKey(termsOf(definition), "web", false))).toBeUndefined();
        expect(rises.get(`timeouts|${definition.id}|timeout`)).toBe(20);
        expect(rises.get(`late_ends|${definition.id}|success`)).toBe(20);
      });

      test("XP-371 what was answered is written whole: run, timeline, counters and record", async () => {
        const definition = newDefinition();
        const id = nextUlid();
        await drainOutbox(store);
        const meta = { user: "Ümläut 🚂", project: 'a "quoted" \\ back', odd: "line\nbreak\ttab", empty: "" };
        const start = newCheckpoint(definition, id, "start", {
          checkpoint_category: "Sign.in:1-a",
          meta,
          sequence: 0,
          run: "job:1",
          sent_timestamp: at(subject.clock.nowMs()),
        });
        const end = newCheckpoint(definition, id, "end", {
          error: true,
          error_message: "ça n'a pas marché | {}[]",
          run: "job:1",
          whatever: 1,
        } as PayloadChanges);
        await applyOne(start);
        const applied = await applyOne(end);
        const stored = await store.get(start.identity);
        expect(stored?.run).toEqual(applied.run);
        expect(stored?.timeline).toMatchObject([
          { kind: "start", category: "Sign.in:1-a", meta, sequence: 0, applied: true },
          {
            kind: "end",
            outcome: "error",
            errorMessage: "ça n'a pas marché | {}[]",
            warnings: [{ field: "whatever" }],
          },
        ]);
        const records = (await drainOutbox(store)).map(({ record }) => record);
        expect(records.map(({ kind, position }) => [kind, position])).toEqual([
          ["checkpoint_recorded", 0],
          ["checkpoint_recorded", 1],
          ["failed", 2],
        ]);
        expect(records.map((record) => record.entry)).toEqual([
          stored?.timeline[0],
          stored?.timeline[1],
          stored?.timeline[1],
        ]);
        expect(records.at(-1)?.run).toEqual(stored?.run);
      });

      test("XP-231 meta with the names of an object's own parts is data", async () => {
        const definition = newDefinition();
        const id = nextUlid();
        const meta = { toString: "x", hasOwnProperty: "y", nil: "null", number: "1" };
        await applyOne(newCheckpoint(definition, id, "start", { meta }));
        expect((await store.get(identityOf(definition, id)))?.timeline[0]?.meta).toEqual(meta);
      });
    });

    describe("the reaper's side", () => {
      test("XP-370 nextDue tells when the next run is overdue", async () => {
        await subject.clock.advanceBy(200_000);
        await reapAll(store);
        expect(await store.nextDue()).toBeUndefined();
        await applyOne(newCheckpoint(newDefinition({ timeout_s: 100 }), nextUlid(), "start"));
        await applyOne(newCheckpoint(newDefinition(), nextUlid(), "start"));
        expect(await store.nextDue()).toBe(subject.clock.nowMs() + 30_000);
        expect((await store.health()).nextDueMs).toBe(subject.clock.nowMs() + 30_000);
      });

      test("XP-372 a claim takes the most overdue first, no more than asked for, and says whether there are more", async () => {
        await subject.clock.advanceBy(200_000);
        await reapAll(store);
        const definition = newDefinition();
        const ids: string[] = [];
        for (let index = 0; index < 5; index++) {
          await subject.clock.advanceBy(10);
          ids.push(nextUlid());
          await applyOne(newCheckpoint(definition, ids[index] ?? "", "start"));
        }
        await subject.clock.advanceBy(40_000);
        const first = await store.claimDue(3);
        expect(first.decided.map(({ identity }) => identity.correlationId)).toEqual(ids.slice(0, 3));
        expect(first.more).toBe(true);
        const second = await store.claimDue(3);
        expect(second.decided.map(({ identity }) => identity.correlationId)).toEqual(ids.slice(3));
        expect((await store.claimDue(3)).decided).toEqual([]);
      });

      test("XP-372 XP-431 racing reapers close every run once, each at its own deadline", async () => {
        const definition = newDefinition();
        await subject.clock.advanceBy(200_000);
        await reapAll(store);
        const stores = shared ? [store, await subject.another(), await subject.another()] : [store, store, store];
        const startedMs = subject.clock.nowMs();
        const ids = Array.from({ length: 300 }, nextUlid);
        await store.apply(
          ids.map((id, index) => newCheckpoint(definition, id, "start", { client_timestamp: at(startedMs - index) })),
        );
        await subject.clock.advanceBy(3_600_000);
        const before = await store.counters();
        const decided = (await Promise.all(stores.map(reapAll))).flat();
        expect(new Set(decided.map(({ identity }) => identityKey(identity))).size).toBe(300);
        expect(decided).toHaveLength(300);
        const verdicts = new Map(
          decided.map(({ identity, verdict }) => [identity.correlationId, verdict?.verdictAtMs]),
        );
        expect(ids.map((id) => verdicts.get(id))).toEqual(ids.map((_, index) => startedMs - index + 30_000));
        const rises = risesBetween(before, await store.counters());
        expect(rises.get(totalKey(termsOf(definition), "web", true))).toBe(300);
        expect(rises.get(openKey("open"))).toBe(-300);
        for (const other of stores) if (other !== store) await other.close();
      });

      test("XP-433 a record that was put aside waits and blocks no other", async () => {
        await subject.clock.advanceBy(200_000);
        await reapAll(store);
        const definition = newDefinition();
        const [aside, other] = [nextUlid(), nextUlid()];
        await applyOne(newCheckpoint(definition, aside, "start"));
        await applyOne(newCheckpoint(definition, other, "start"));
        await subject.clock.advanceBy(31_000);
        const untilMs = subject.clock.nowMs() + 3_600_000;
        await store.putAside(identityOf(definition, aside), untilMs);
        expect((await reapAll(store)).map(({ identity }) => identity.correlationId)).toEqual([other]);
        expect(await store.nextDue()).toBe(untilMs);
        await subject.clock.advanceBy(3_600_001);
        expect(await reapAll(store)).toMatchObject([{ verdict: { verdictAtMs: untilMs - 3_601_000 } }]);
      });
    });

    describe("listing", () => {
      const walk = async (filter: Parameters<ExperienceStore["list"]>[0], limit: number): Promise<Run[]> => {
        const runs: Run[] = [];
        let after: ListCursor | undefined;
        do {
          const page = await store.list(filter, { limit, after });
          expect(page.runs.length).toBeLessThanOrEqual(limit);
          runs.push(...page.runs);
          after = page.next;
        } while (after);
        return runs;
      };

      test("XP-561 XP-562 open runs and orphans come nearest due first, page by page", async () => {
        await subject.clock.advanceBy(200_000);
        await reapAll(store);
        const definition = newDefinition();
        const ids = Array.from({ length: 23 }, nextUlid);
        for (const [index, id] of ids.entries()) {
          const kind = index % 5 === 4 ? "intermediate" : "start";
          const client_timestamp = at(subject.clock.nowMs() + (kind === "start" ? (index % 3) * 1_000 : 0));
          await applyOne(newCheckpoint(definition, id, kind, { client_timestamp }));
        }
        const tenant = "default";
        const all = await walk({ tenant }, 4);
        expect(all.map(({ identity }) => identity.correlationId).sort()).toEqual([...ids].sort());
        const dues = all.map(({ dueMs }) => dueMs ?? 0);
        expect(dues).toEqual([...dues].sort((a, b) => a - b));
        const orphans = await walk({ tenant, states: ["orphan"] }, 3);
        expect(orphans.map(({ identity }) => identity.correlationId).sort()).toEqual(
          ids.filter((_, index) => index % 5 === 4).sort(),
        );
        expect(await walk({ tenant: "acme", experienceIds: [definition.id] }, 10)).toEqual([]);
        expect(await walk({ tenant, experienceIds: ["nothing"] }, 10)).toEqual([]);
        expect(await walk({ tenant, experienceIds: [definition.id], matches: () => false }, 10)).toEqual([]);
      });

      test("XP-562 runs that stay appear exactly once while others come and go", async () => {
        await subject.clock.advanceBy(200_000);
        await reapAll(store);
        const definition = newDefinition({ timeout_s: 600 });
        const ids = Array.from({ length: 20 }, nextUlid);
        for (const [index, id] of ids.entries())
          await applyOne(
            newCheckpoint(definition, id, "start", { client_timestamp: at(subject.clock.nowMs() - index * 10) }),
          );
        const filter = { tenant: "default", experienceIds: [definition.id] };
        const first = await store.list(filter, { limit: 8 });
        const gone = first.runs[7]?.identity.correlationId ?? "";
        await applyOne(newCheckpoint(definition, gone, "end"));
        for (const id of [nextUlid(), nextUlid()])
          await applyOne(newCheckpoint(definition, id, "start", { client_timestamp: at(subject.clock.nowMs() - 250) }));
        const seen = first.runs.map(({ identity }) => identity.correlationId);
        for (let after = first.next; after; ) {
          const page = await store.list(filter, { limit: 8, after });
          seen.push(...page.runs.map(({ identity }) => identity.correlationId));
          after = page.next;
        }
        expect(seen.filter((id) => ids.includes(id)).sort()).toEqual([...ids].sort());
        expect(new Set(seen).size).toBe(seen.length);
      });

      test("XP-561 a verdict is visible at once, the latest decision first", async () => {
        const definition = newDefinition();
        const ids = Array.from({ length: 5 }, nextUlid);
        const beganMs = subject.clock.nowMs();
        for (const id of ids) {
          await subject.clock.advanceBy(5);
          await store.apply([newCheckpoint(definition, id, "start"), newCheckpoint(definition, id, "end")]);
        }
        const filter = { tenant: "default", experienceIds: [definition.id], decidedAfterMs: beganMs };
        expect((await walk(filter, 2)).map(({ identity }) => identity.correlationId)).toEqual([...ids].reverse());
        const late = await walk({ ...filter, decidedAfterMs: beganMs + 15 }, 10);
        expect(late.map(({ identity }) => identity.correlationId)).toEqual([ids[4], ids[3]]);
      });
    });

    describe("counters, outbox and heartbeat", () => {
      test("XP-490 counters are absolute and those of all processes", async () => {
        const definition = newDefinition();
        const other = shared ? await subject.another() : store;
        const key = `checkpoint|${definition.id}|source_code_management|sync_fast|web|start`;
        await Promise.all([
          ...Array.from({ length: 20 }, () => store.apply([newCheckpoint(definition, nextUlid(), "start")])),
          ...Array.from({ length: 20 }, () => other.apply([newCheckpoint(definition, nextUlid(), "start")])),
        ]);
        expect((await store.counters()).get(key)).toBe(40);
        expect((await other.counters()).get(key)).toBe(40);
        if (other !== store) await other.close();
      });

      test("XP-471 the numbers of open and orphan runs follow every step", async () => {
        const definition = newDefinition();
        const before = await store.counters();
        const [a, b, c] = [nextUlid(), nextUlid(), nextUlid()];
        await store.apply([
          newCheckpoint(definition, a, "start"),
          newCheckpoint(definition, b, "start"),
          newCheckpoint(definition, b, "end"),
          newCheckpoint(definition, c, "intermediate"),
        ]);
        const rises = risesBetween(before, await store.counters());
        expect([rises.get(openKey("open")), rises.get(openKey("orphan"))]).toEqual([1, 1]);
      });

      test("XP-434 records come in order, once, and wait for their acknowledgement", async () => {
        await drainOutbox(store);
        const definition = newDefinition();
        const id = nextUlid();
        for (const kind of ["start", "intermediate", "end"] as const)
          await applyOne(newCheckpoint(definition, id, kind));
        expect((await store.health()).outboxRecords).toBe(4);
        const taken = await store.takeOutbox(3);
        expect(taken.map(({ record }) => [record.kind, record.position])).toEqual([
          ["checkpoint_recorded", 0],
          ["checkpoint_recorded", 1],
          ["checkpoint_recorded", 2],
        ]);
        await store.ackOutbox(taken.map((item) => item.id));
        const rest = await store.takeOutbox(10);
        expect(rest.map(({ record }) => record.kind)).toEqual(["completed"]);
        await store.ackOutbox(rest.map((item) => item.id));
        expect(await store.takeOutbox(10)).toEqual([]);
        expect(await store.health()).toMatchObject({ outboxRecords: 0, outboxOldestAtMs: undefined });
        expect(new Set([...taken, ...rest].map(({ record }) => recordKey(record))).size).toBe(4);
      });

      test.skipIf(!shared)("XP-434 records of a process that died are taken over, and not before", async () => {
        await drainOutbox(store);
        const other = await subject.another();
        const definition = newDefinition();
        const id = nextUlid();
        await applyOne(newCheckpoint(definition, id, "start"));
        const taken = await other.takeOutbox(10);
        expect(taken).toHaveLength(1);
        await applyOne(newCheckpoint(definition, id, "end"));
        expect(await store.takeOutbox(10)).toEqual([]);
        await subject.clock.advanceBy(30_001);
        const again = await store.takeOutbox(10);
        expect(again).toHaveLength(3);
        expect(again[0]?.record).toEqual(taken[0]?.record);
        await store.ackOutbox(again.map(({ id }) => id));
        await other.close();
      });

      test.skipIf(!shared)("XP-434 a process that acknowledges too late ends nobody else's turn", async () => {
        await drainOutbox(store);
        const [slow, third] = [await subject.another(), await subject.another()];
        const definition = newDefinition({ timeout_s: 600 });
        // Of one run: what is in hand holds back the records of its shard.
        const id = nextUlid();
        await applyOne(newCheckpoint(definition, id, "start"));
        const late = await slow.takeOutbox(10);
        await subject.clock.advanceBy(30_001);
        const mine = await store.takeOutbox(10);
        expect(mine.map(({ id }) => id)).toEqual(late.map(({ id }) => id));
        await slow.ackOutbox(late.map(({ id }) => id));
        await applyOne(newCheckpoint(definition, id, "intermediate"));
        expect(await third.takeOutbox(10)).toEqual([]);
        await store.ackOutbox(mine.map(({ id }) => id));
        const rest = await third.takeOutbox(10);
        expect(rest).toHaveLength(1);
        await third.ackOutbox(rest.map(({ id }) => id));
        for (const other of [slow, third]) await other.close();
      });

      test("XP-735 a silence of all processes is a gap, of one of them it is none", async () => {
        await subject.clock.advanceBy(100_000);
        const beatAs = (replica: string, reason: "tracker_down" | "store_down" = "tracker_down") =>
          store.heartbeat({ replica, reason });
        await beatAs("a");
        const beganMs = subject.clock.nowMs();
        expect(await beatAs("b")).toMatchObject({ gap: undefined, alive: expect.arrayContaining(["a", "b"]) });
        await subject.clock.advanceBy(10_000);
        await beatAs("b");
        await subject.clock.advanceBy(14_000);
        expect((await beatAs("a")).gap).toBeUndefined();
        await subject.clock.advanceBy(15_001);
        const { gap, alive } = await beatAs("a", "store_down");
        expect(gap).toEqual({ fromMs: beganMs + 24_000, toMs: beganMs + 39_001, reason: "store_down", replica: "a" });
        expect(alive).toEqual(["a"]);
        expect(await store.gaps(beganMs)).toEqual([gap]);
        expect(await store.gaps(beganMs + 39_001)).toEqual([]);
      });

      test("XP-735 a gap that grew while the beat of a living process waited for the store is the store's", async () => {
        const beat = (silentMs?: number) =>
          store.heartbeat({ replica: "w", reason: "tracker_down", ...(silentMs === undefined ? {} : { silentMs }) });
        await beat();
        await subject.clock.advanceBy(20_000);
        expect((await beat(5_000)).gap).toMatchObject({ reason: "store_down", replica: "w" });
        await subject.clock.advanceBy(20_000);
        expect((await beat(20_000)).gap).toMatchObject({ reason: "tracker_down" });
        const reasons = (await store.gaps(subject.clock.nowMs() - 30_000)).map(({ reason }) => reason);
        expect(reasons.slice(-2)).toEqual(["store_down", "tracker_down"]);
      });

      test("XP-737 a silence is news when it begins and when it ends, and lasts until then", async () => {
        const { clock } = subject;
        const fromMs = clock.nowMs();
        const silence = { tenant: "default", producer: "ci|runners", types: ["sidekiq", "web"], goesOn: true };
        const gap = { fromMs, toMs: fromMs + 600_000, reason: "producer_silent", replica: "a", silence } as const;
        await clock.advanceBy(600_000);
        const news = await Promise.all([1, 2, 3].map(() => store.recordSilence(gap)));
        expect(news.filter(Boolean)).toHaveLength(1);
        await clock.advanceBy(60_000);
        expect(await store.gaps(fromMs)).toEqual([{ ...gap, toMs: fromMs + 660_000 }]);
        // Beats go on beside it, and another producer's silence is another one.
        await store.heartbeat({ replica: "silence", reason: "tracker_down" });
        const other = { ...gap, silence: { ...silence, producer: "other" } };
        expect(await store.recordSilence(other)).toBe(true);
        const ended = { ...gap, toMs: fromMs + 650_000, silence: { ...silence, goesOn: false } };
        const ends = await Promise.all([1, 2, 3].map(() => store.recordSilence(ended)));
        expect(ends.filter(Boolean)).toHaveLength(1);
        expect(await store.recordSilence(gap)).toBe(false);
        await clock.advanceBy(60_000);
        const silent = (await store.gaps(fromMs + 1)).filter(({ reason }) => reason === "producer_silent");
        expect(silent).toHaveLength(2);
        expect(silent).toEqual(expect.arrayContaining([ended, { ...other, toMs: clock.nowMs() }]));
        expect(
          await store.recordSilence({ ...other, toMs: clock.nowMs(), silence: { ...other.silence, goesOn: false } }),
        ).toBe(true);
      });

      test("XP-737 what producers have sent is summed by hour and by five minutes, over processes, and forgotten", async () => {
        const { clock } = subject;
        const hourMs = 3_600_000;
        await clock.advanceBy(hourMs - (clock.nowMs() % hourMs) + 10_000);
        const fromMs = clock.nowMs() - 10_000;
        const sent = (slot: number, more: Partial<ProducerActivity> = {}): ProducerActivity => ({
          tenant: "default",
          producer: "forge|web",
          type: "web",
          fromMs: fromMs + slot * 300_000,
          checkpoints: 10,
          anomalous: 1,
          starts: 5,
          ends: 4,
          lastAtMs: fromMs + slot * 300_000 + 7_000,
          ...more,
        });
        const second = shared ? await subject.another() : store;
        const ci = sent(0, { producer: "ci", type: "sidekiq", lastAtMs: fromMs });
        await Promise.all([store.addActivity([sent(0), sent(1), ci]), second.addActivity([sent(1), sent(0)])]);
        await store.addActivity([]);
        const twice = { checkpoints: 20, anomalous: 2, starts: 10, ends: 8 };
        await clock.advanceBy(300_000);
        const fine = await store.activity("five_minutes", fromMs);
        expect(fine).toHaveLength(3);
        expect(fine).toEqual(expect.arrayContaining([sent(0, twice), sent(1, twice), ci]));
        expect(await store.activity("five_minutes", fromMs + 300_000)).toEqual([sent(1, twice)]);
        const hours = await second.activity("hour", fromMs);
        expect(hours).toHaveLength(2);
        const four = { checkpoints: 40, anomalous: 4, starts: 20, ends: 16 };
        expect(hours).toEqual(expect.arrayContaining([sent(0, { ...four, lastAtMs: fromMs + 307_000 }), ci]));
        await clock.advanceBy(3 * hourMs);
        expect(await store.activity("five_minutes", 0)).toEqual([]);
        expect(await store.activity("hour", 0)).toHaveLength(2);
        await clock.advanceBy(48 * hourMs);
        expect(await store.activity("hour", 0)).toEqual([]);
        if (second !== store) await second.close();
      });
    });

    describe("time, restarts and the end", () => {
      test("XP-345 where configured, a time that is not believed is refused and nothing is written", async () => {
        const strict = await create({ rules: { rejectSkew: true } });
        try {
          const definition = newDefinition();
          const now = strict.clock.nowMs();
          const id = ulidsOf(strict.clock)();
          const sent = { correlation_id: id, checkpoint: "start" as const };
          const lie = checkpointOf(definition, { ...sent, client_timestamp: at(now - 86_400_001) });
          expect(await strict.store.apply([lie])).toEqual([{ result: "rejected", code: "timestamp_out_of_range" }]);
          expect(await strict.store.get(lie.identity)).toBeUndefined();
          expect([...(await strict.store.counters()).values()].filter((value) => value !== 0)).toEqual([]);
          const truth = checkpointOf(definition, { ...sent, client_timestamp: at(now - 86_400_000) });
          expect(await strict.store.apply([truth])).toMatchObject([{ result: "applied" }]);
        } finally {
          await strict.destroy();
        }
      });

      test.skipIf(!shared)("XP-371 another process sees what was answered", async () => {
        const definition = newDefinition();
        const id = nextUlid();
        const { run } = await applyOne(newCheckpoint(definition, id, "start"));
        const other = await subject.another();
        expect((await other.get(identityOf(definition, id)))?.run).toEqual(run);
        await other.close();
      });

      test("XP-373 however long nobody looks, an open run does not vanish", async () => {
        const definition = newDefinition();
        const id = nextUlid();
        await applyOne(newCheckpoint(definition, id, "start"));
        await subject.clock.advanceBy(10 * 86_400_000);
        expect((await store.get(identityOf(definition, id)))?.run.state).toBe("open");
        expect((await reapAll(store)).map(({ identity }) => identity.correlationId)).toContain(id);
        await subject.clock.advanceBy(86_400_001);
        await reapAll(store);
        expect(await store.get(identityOf(definition, id))).toBeUndefined();
      });

      test("a closed store refuses, and closes twice", async () => {
        const short = await create({});
        await short.store.close();
        await short.store.close();
        const checkpoint = checkpointOf(newDefinition(), {
          correlation_id: nextUlid(),
          checkpoint: "start",
          client_timestamp: at(short.clock.nowMs()),
        });
        await expect(short.store.apply([checkpoint])).rejects.toMatchObject({ code: "state_store_unavailable" });
        await expect(short.store.claimDue(1)).rejects.toMatchObject({ code: "state_store_unavailable" });
        await short.destroy();
      });
    });
  });
}
