import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, letters, patienceMs, startDashboard, tooWideBy } from "./dashboard.js";
import { errorEvent } from "./error-event.js";

const needed = requireServers(["chromium"]);

/** The list of issues, with what the test sends. */
describe.skipIf(needed.skip)(needed.title("the list of issues"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: false });
    page = board.page;
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const declined = { level: "fatal", release: "shop@1.0.0", transaction: "POST /pay", handled: false } as const;
    for (const user of ["ada", "bob", "eve"])
      await board.send(errorEvent("PaymentDeclined", "The card was refused", { ...declined, user }));
    await board.send(errorEvent("SlowQuery", "It took too long", { level: "warning", release: "shop@1.0.0" }));
    await board.send(errorEvent("StaleReference", "The branch has moved"));
    await vi.waitFor(async () => expect(await listed()).toBe(3), patienceMs);
  }, 180_000);

  afterAll(() => board?.close());

  const listed = async (): Promise<number> => ((await board.ask("/api/v1/projects/1/errors")) as unknown[]).length;
  const issues = (): Locator => page.getByRole("table", { name: "Issues" });
  const rowOf = (name: string): Locator =>
    issues()
      .getByRole("row")
      .filter({ has: page.getByRole("link", { name, exact: true }) });
  const names = (): Locator => issues().getByRole("link");
  const select = async (...wanted: readonly string[]): Promise<void> => {
    for (const name of wanted) await rowOf(name).getByRole("checkbox").check();
  };
  const bulk = (): Locator => page.getByRole("group", { name: "With the selected issues" });

  test("UI-030 a row says what happened, where, how badly, how often, to whom and when", async () => {
    await board.open("/projects/1/errors?columns=issue,graph,events,users,last_seen,first_seen,assignee,status,level");
    const row = rowOf("PaymentDeclined");
    await row.getByText("The card was refused").waitFor();
    for (const text of [
      "POST /pay",
      "paymentdeclined in shop/paymentdeclined.py",
      "unhandled",
      "new",
      "unresolved",
      "fatal",
    ])
      expect(await row.getByText(text, { exact: true }).count(), text).toBeGreaterThan(0);
    await row.getByText(/^FORGE-\d+$/).waitFor();
    await row.getByRole("img", { name: "Level fatal" }).waitFor();
    await row.getByRole("img", { name: "3 events in the last 24 hours" }).waitFor();
    expect(await row.getByRole("cell").allInnerTexts()).toEqual(expect.arrayContaining(["3"]));
    expect(await row.locator("time").count()).toBe(2);
    // Users are counted a moment after events.
    await expect.poll(async () => row.getByRole("cell").nth(4).textContent(), { timeout: patienceMs }).toBe("3");
    expect(await rowOf("SlowQuery").getByText("unhandled").count()).toBe(0);
    await board.open("/projects/1/errors?range=14d");
    await rowOf("PaymentDeclined").getByRole("img", { name: "3 events in the last 14 days" }).waitFor();
  });

  test("UI-030 keys and values are completed while typing, and what is found stands in the address", async () => {
    await board.open("/projects/1/errors");
    const search = page.getByRole("combobox", { name: "Search", exact: true });
    await search.fill("lev");
    await page.getByRole("option", { name: "level:" }).click();
    await search.press("End");
    await search.pressSequentially("fa");
    await page.getByRole("option", { name: "level:fatal" }).click();
    await search.press("Enter");
    await page.waitForURL(/query=level%3Afatal/);
    await rowOf("PaymentDeclined").waitFor();
    await expect.poll(() => names().allInnerTexts()).toEqual(["PaymentDeclined"]);
    await page.getByRole("button", { name: "Clear the search" }).click();
    await rowOf("SlowQuery").waitFor();
    // Releases are those that the project has.
    await search.fill("release:shop");
    await page.getByRole("option", { name: "release:shop@1.0.0" }).waitFor();
    // A short id finds its issue.
    const [first] = (await board.ask("/api/v1/projects/1/errors?query=SlowQuery")) as { short_id: string }[];
    await search.fill(first?.short_id ?? "");
    await search.press("Escape");
    await search.press("Enter");
    await expect.poll(() => names().allInnerTexts()).toEqual(["SlowQuery"]);
  });

  test("UI-030 UI-010 the list is sorted by what was seen last, is newest, or comes most often", async () => {
    await board.open("/projects/1/errors");
    await page.getByRole("combobox", { name: "Order" }).click();
    await page.getByRole("option", { name: "Most events" }).click();
    await page.waitForURL(/sort=frequency_desc/);
    await expect.poll(async () => (await names().allInnerTexts())[0]).toBe("PaymentDeclined");
    await issues().getByRole("button", { name: "First seen" }).click();
    await page.waitForURL(/sort=first_seen_desc/);
    await expect.poll(async () => (await names().allInnerTexts())[0]).toBe("StaleReference");
    expect(await issues().getByRole("columnheader", { name: "First seen" }).getAttribute("aria-sort")).toBe(
      "descending",
    );
    // What the server has no order for is sorted here, once all rows are there.
    await issues().getByRole("button", { name: "Users" }).click();
    await page.waitForURL(/order=-users/);
    await expect.poll(async () => (await names().allInnerTexts())[0]).toBe("PaymentDeclined");
  });

  test("UI-009 UI-010 UI-030 many are resolved at once, and it is undone", async () => {
    await board.open("/projects/1/errors");
    await select("SlowQuery", "StaleReference");
    await bulk().getByRole("button", { name: "Resolve" }).click();
    await page.getByText("2 issues are resolved.").waitFor();
    await expect.poll(() => names().allInnerTexts()).toEqual(["PaymentDeclined"]);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("Taken back.").waitFor();
    await rowOf("SlowQuery").waitFor();
    await rowOf("StaleReference").waitFor();
  });

  test("UI-009 UI-010 UI-030 many are assigned at once; undone, each has again whom it had", async () => {
    await board.open("/projects/1/errors");
    await select("SlowQuery");
    await bulk().getByRole("button", { name: "Assign" }).click();
    await page.getByRole("menuitem", { name: "To somebody else …" }).click();
    await page.getByRole("combobox", { name: "Name", exact: true }).fill("margaret");
    await page.getByRole("dialog").getByRole("button", { name: "Assign" }).click();
    await page.getByText("The issue is assigned to margaret.").waitFor();
    await select("StaleReference");
    await bulk().getByRole("button", { name: "Assign" }).click();
    await page.getByRole("menuitem", { name: "To me" }).click();
    await page.getByText("2 issues are assigned to you.").waitFor();
    const assignees = async () =>
      ((await board.ask("/api/v1/projects/1/errors")) as { name: string; assigned_to: string | null }[])
        .map(({ name, assigned_to: who }) => `${name}: ${who}`)
        .sort();
    const me = ((await board.ask("/api/v1/session")) as { subject: string }).subject;
    expect(await assignees()).toEqual(["PaymentDeclined: null", `SlowQuery: ${me}`, `StaleReference: ${me}`]);
    await page
      .getByRole("alert")
      .filter({ hasText: "2 issues are assigned to you." })
      .getByRole("button", { name: "Undo" })
      .click();
    await expect
      .poll(assignees, { timeout: patienceMs })
      .toEqual(["PaymentDeclined: null", "SlowQuery: margaret", "StaleReference: null"]);
  });

  test("UI-009 UI-010 UI-030 several become one after a question with their number, and are taken apart again", async () => {
    await board.open("/projects/1/errors");
    await select("SlowQuery", "StaleReference");
    await bulk().getByRole("button", { name: "Merge" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Merge 2 issues" }).click();
    await page.getByText(/2 issues are one now: FORGE-\d+/).waitFor();
    await expect.poll(listed, { timeout: patienceMs }).toBe(2);
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByText("They are issues of their own again.").waitFor();
    await expect.poll(listed, { timeout: patienceMs }).toBe(3);
    await rowOf("StaleReference").waitFor();
  });

  test("UI-030 each state has its tab: resolved, regressed when it comes back, ignored", async () => {
    await board.open("/projects/1/errors");
    await select("SlowQuery");
    await bulk().getByRole("button", { name: "Resolve" }).click();
    await page.getByText("The issue is resolved.").waitFor();
    await page.getByRole("tab", { name: "Resolved", exact: true }).click();
    await page.waitForURL(/status=resolved/);
    await rowOf("SlowQuery").waitFor();
    await board.send(errorEvent("SlowQuery", "It took too long", { level: "warning", release: "shop@1.0.1" }));
    await page.getByRole("tab", { name: "Regressed" }).click();
    await rowOf("SlowQuery").getByText("regressed").waitFor();

    await page.getByRole("tab", { name: "Unresolved", exact: true }).click();
    await select("StaleReference");
    await bulk().getByRole("button", { name: "Ignore" }).click();
    await page.getByRole("menuitem", { name: "Until it escalates" }).click();
    await page.getByText("The issue is ignored.").waitFor();
    await page.getByRole("tab", { name: "Ignored" }).click();
    await rowOf("StaleReference").waitFor();
    await select("StaleReference");
    await bulk().getByRole("button", { name: "Reopen" }).click();
    await page.getByText("The issue is open again.").waitFor();
  });

  test("UI-006 the list stands still while new rows come, and shows them when it is asked to", async () => {
    await board.open("/projects/1/errors?sort=first_seen_desc");
    await rowOf("PaymentDeclined").waitFor();
    const before = await names().allInnerTexts();
    await board.sendError("FreshlyBroken", "Nobody has seen this before");
    await page.getByRole("button", { name: "1 new, click to show" }).waitFor();
    expect(await names().allInnerTexts()).toEqual(before);
    await page.getByRole("button", { name: "1 new, click to show" }).click();
    await expect.poll(async () => (await names().allInnerTexts())[0]).toBe("FreshlyBroken");
    // Figures of the rows that are there are brought up to date where they stand.
    await board.send(errorEvent("PaymentDeclined", "The card was refused", { user: "dan", level: "fatal" }));
    await rowOf("PaymentDeclined").getByRole("img", { name: "4 events in the last 24 hours" }).waitFor();
    expect((await names().allInnerTexts())[0]).toBe("FreshlyBroken");
  });

  test("UI-010 columns are chosen, and rows, or those selected, are copied as Markdown and CSV", async () => {
    await board.open("/projects/1/errors");
    await page.getByRole("button", { name: "Choose columns" }).click();
    await page.getByRole("menuitemcheckbox", { name: "Short id" }).click();
    await page.waitForURL(/columns=[^&]*short_id/);
    await issues().getByRole("columnheader", { name: "Short id" }).waitFor();
    await page.keyboard.press("Escape");
    const copyAs = async (form: string): Promise<readonly string[]> => {
      await page.getByRole("button", { name: "Copy the rows" }).click();
      await page.getByRole("menuitem", { name: `Copy as ${form}` }).click();
      return (await page.evaluate<string>("navigator.clipboard.readText()")).split(/\r?\n/);
    };
    const markdown = await copyAs("Markdown");
    expect(markdown[0]).toContain("| Issue |");
    expect(markdown.length).toBe((await names().count()) + 2);
    await select("SlowQuery");
    const [head, ...rows] = await copyAs("CSV");
    expect(head).toMatch(/^Issue,.*,Short id$/);
    expect(rows).toEqual([expect.stringMatching(/^SlowQuery: It took too long,.*FORGE-\d+$/)]);
  });

  test("UI-007 a long list is drawn only where it is seen, and scrolls to its end", async () => {
    const count = Number(process.env["DASHBOARD_TEST_ISSUES"] ?? 250);
    for (let sent = 0; sent < count; sent += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, count - sent) }, (_, index) =>
          board.sendError(`Many${letters(sent + index)}`, "One of very many"),
        ),
      );
    // The list stands still while new ones come, so all of them are there before it is looked at.
    await expect.poll(() => board.countIssues("One of very many"), { timeout: patienceMs }).toBe(count);
    await board.open(`/projects/1/errors?query=${encodeURIComponent('"One of very many"')}`);
    await names().first().waitFor();
    await expect
      .poll(
        async () => {
          await page.mouse.wheel(0, 20_000);
          return Number(await issues().getAttribute("aria-rowcount"));
        },
        { timeout: patienceMs },
      )
      .toBe(count + 1);
    expect(await issues().getByRole("row").count()).toBeLessThan(120);
    expect(await tooWideBy(page)).toBeLessThanOrEqual(0);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !/ 40[14] /.test(text))).toEqual([]);
  });
});
