import { currentContext, withContext } from "@signalbox/kernel";
import { describe, expect, test, vi } from "vitest";
import { type Items, turns } from "./items.js";

/** Who is woken by `notify`, and when. */
export function describeNotifications(items: Items): void {
  describe("notify and listen", () => {
    test("listeners of a channel are woken, others are not", async () => {
      const heard: string[] = [];
      const ends = ["a", "b", "c"].map((listener) =>
        items.database.listen(listener === "c" ? "other" : "jobs", () => heard.push(listener)),
      );
      await settle(heard);
      items.database.notify("jobs");
      await vi.waitFor(() => expect(new Set(heard)).toEqual(new Set(["a", "b"])));
      for (const end of ends) end();
    });

    test("who has stopped listening is not woken, also when told so twice", async () => {
      const heard: string[] = [];
      const endLeaver = items.database.listen("jobs", () => heard.push("leaver"));
      const endStayer = items.database.listen("jobs", () => heard.push("stayer"));
      await settle(heard);
      endLeaver();
      endLeaver();
      items.database.notify("jobs");
      await vi.waitFor(() => expect(heard).toContain("stayer"));
      expect(heard).not.toContain("leaver");
      endStayer();
    });

    test("a listener that throws keeps nobody else from waking", async () => {
      const heard: string[] = [];
      const ends = [
        items.database.listen("jobs", () => {
          throw new Error("on purpose");
        }),
        items.database.listen("jobs", () => heard.push("other")),
      ];
      await settle(heard);
      items.database.notify("jobs");
      await vi.waitFor(() => expect(heard).toContain("other"));
      for (const end of ends) end();
    });

    test("a listener runs in the context in which it listens", async () => {
      const heard: (string | undefined)[] = [];
      const end = withContext({ correlationId: "listener" }, () =>
        items.database.listen("jobs", () => heard.push(currentContext().correlationId)),
      );
      await settle(heard);
      withContext({ correlationId: "notifier" }, () => items.database.notify("jobs"));
      await vi.waitFor(() => expect(heard).toEqual(["listener"]));
      end();
    });

    test("inside a transaction it waits for the commit", async () => {
      const heard: number[] = [];
      const end = items.database.listen("jobs", () => heard.push(1));
      await settle(heard);
      for (const open of [items.database.transaction, items.database.commitTogether]) {
        await open(async () => {
          items.database.notify("jobs");
          await turns(5);
          expect(heard).toEqual([]);
        });
        await settle(heard);
      }
      end();
    });

    test("a rollback takes it back", async () => {
      const heard: number[] = [];
      const end = items.database.listen("jobs", () => heard.push(1));
      await settle(heard);
      const failing = items.database.transaction(async () => {
        items.database.notify("jobs");
        throw new Error("on purpose");
      });
      await expect(failing).rejects.toThrow("on purpose");
      await turns(10);
      expect(heard).toEqual([]);
      items.database.notify("jobs");
      await settle(heard);
      end();
    });

    test.skipIf(items.cannot.includes("wake other processes"))("another process is woken", async () => {
      const another = await items.openAnother();
      const heard: number[] = [];
      another.listen("jobs", () => heard.push(1));
      await settle(heard);
      await vi.waitFor(
        () => {
          items.database.notify("jobs");
          expect(heard).not.toEqual([]);
        },
        { timeout: 10_000 },
      );
      await another.close();
    });
  });
}

/** Waits for a wake-up and forgets it. The first one comes when listening has begun. */
async function settle(heard: unknown[]): Promise<void> {
  await vi.waitFor(() => expect(heard).not.toEqual([]), { timeout: 10_000 });
  heard.length = 0;
}
