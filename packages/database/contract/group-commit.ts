import { currentContext, withContext } from "@signalbox/kernel";
import type { Kysely, Transaction } from "kysely";
import { describe, expect, test } from "vitest";
import { type Items, type Tables, turns } from "./items.js";

/** What members of a group commit share, and what not. */
export function describeGroupCommit(items: Items): void {
  describe("commitTogether", () => {
    /** Members that are handed in at once; each says how many rows it saw before its own. */
    const crowd = (count: number, work: (index: number, transaction: Transaction<Tables>) => Promise<unknown>) =>
      Array.from({ length: count }, (_, index) =>
        items.database.commitTogether<Tables, number>(async (transaction) => {
          const seen = await items.labels(transaction);
          await work(index, transaction);
          return seen.length;
        }),
      );

    test("PF-061 many members share one transaction, in the order of arrival", async () => {
      const visibleOutside: number[] = [];
      const members = crowd(20, async (index, transaction) => {
        await items.insert(`member ${index}`, transaction);
        visibleOutside.push((await items.labels(items.database.reader<Tables>())).length);
      });
      expect(await Promise.all(members)).toEqual(Array.from({ length: 20 }, (_, index) => index));
      // With a transaction for each, every member would have seen one more row outside.
      expect(new Set(visibleOutside).size).toBeLessThan(20);
      expect(await items.labels()).toEqual(Array.from({ length: 20 }, (_, index) => `member ${index}`));
    });

    test("PF-061 each member is answered after the commit that holds it", async () => {
      const answered = Array.from({ length: 50 }, async (_, index) => {
        const label = `member ${index}`;
        await items.database.commitTogether<Tables, unknown>((transaction) => items.insert(label, transaction));
        expect(await items.labels(items.database.reader<Tables>())).toContain(label);
      });
      await Promise.all(answered);
    });

    test("PF-061 a failing member is rolled back alone", async () => {
      const error = new Error("on purpose");
      const members = crowd(9, async (index, transaction) => {
        await items.insert(`member ${index}`, transaction);
        if (index === 0 || index === 4) throw error;
        if (index === 8) await items.database.run("select nothing from nowhere", [], transaction);
      });
      const outcomes = await Promise.allSettled(members);
      expect(outcomes.map((outcome) => outcome.status === "fulfilled")).toEqual([
        ...[false, true, true, true, false, true, true, true, false],
      ]);
      expect(outcomes[4]).toEqual({ status: "rejected", reason: error });
      expect(outcomes[8]).toMatchObject({ reason: { code: "DATABASE_QUERY_FAILED" } });
      expect(await items.labels()).toEqual([1, 2, 3, 5, 6, 7].map((index) => `member ${index}`));
    });

    test("PF-061 a member that hides its failed statement fails alone", async () => {
      const members = crowd(3, async (index, transaction) => {
        await items.insert(`member ${index}`, transaction);
        if (index === 1) {
          await items.database.run("select nothing from nowhere", [], transaction).catch(() => {});
        }
      });
      const outcomes = await Promise.allSettled(members);
      expect(outcomes[1]).toMatchObject({ reason: { code: "DATABASE_TRANSACTION_FAILED" } });
      expect(await items.labels()).toEqual(["member 0", "member 2"]);
    });

    test("PF-061 when the commit itself fails, every member of it is told and nothing of them is stored", async () => {
      // A deferred constraint is checked by the commit, when nobody can tell any more whose row breaks it.
      const statement = "insert into deferred (id, parent) values (?, ?)";
      const outcomes = await Promise.allSettled([
        items.database.commitTogether((transaction) => items.database.run(statement, [1, null], transaction)),
        items.database.runMany(statement, [[2, 99]]),
        items.database.runMany(statement, [[3, null]]),
      ]);
      const { rows } = await items.database.run<{ id: number }>("select id from deferred order by id");
      const stored = rows.map((row) => row.id);
      expect(stored).not.toContain(2);
      outcomes.forEach((outcome, index) => {
        if (outcome.status === "fulfilled") expect(stored).toContain(index + 1);
        else {
          expect(stored).not.toContain(index + 1);
          expect(outcome.reason).toMatchObject({ code: "DATABASE_CONSTRAINT", details: { kind: "foreign_key" } });
        }
      });
      await items.database.runMany(statement, [[4, 4]]);
    });

    test("a member that is alone commits, and fails without a trace", async () => {
      await items.database.commitTogether<Tables, unknown>((transaction) => items.insert("kept", transaction));
      const failing = items.database.commitTogether<Tables, void>(async (transaction) => {
        await items.insert("gone", transaction);
        throw new Error("on purpose");
      });
      await expect(failing).rejects.toThrow("on purpose");
      expect(await items.labels()).toEqual(["kept"]);
    });

    test("a member's handle is of no use to it once the next one runs", async () => {
      const handles: Kysely<Tables>[] = [];
      const members = crowd(2, async (index, transaction) => {
        handles.push(transaction);
        const [first] = handles;
        if (index === 1 && first) {
          const late = items.insert("late", first);
          await expect(late).rejects.toMatchObject({ code: "DATABASE_TRANSACTION_ENDED" });
        }
        await items.insert(`member ${index}`, transaction);
      });
      await Promise.all(members);
      expect(await items.labels()).toEqual(["member 0", "member 1"]);
    });

    test("each member runs in the context of its caller", async () => {
      const ids = ["one", "two", "three"];
      const seen = await Promise.all(
        ids.map((correlationId) =>
          withContext({ correlationId }, () =>
            items.database.commitTogether(async () => {
              await turns(1);
              return currentContext().correlationId;
            }),
          ),
        ),
      );
      expect(seen).toEqual(ids);
    });

    test("it starts again after a pause", async () => {
      for (const label of ["a", "b", "c"]) {
        await items.database.commitTogether<Tables, unknown>((transaction) => items.insert(label, transaction));
        await turns(3);
      }
      expect(await items.labels()).toEqual(["a", "b", "c"]);
    });
  });
}
