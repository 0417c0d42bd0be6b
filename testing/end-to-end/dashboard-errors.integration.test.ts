import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, letters, patienceMs, startDashboard, tooWideBy } from "./dashboard.js";

const needed = requireServers(["chromium"]);

/** Lists and pages of issues, with what the forge sends and what a test sends. */
describe.skipIf(needed.skip)(needed.title("the pages of errors"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
  }, 180_000);

  afterAll(() => board?.close());

  test("an issue is resolved and found among the resolved ones", async () => {
    await page.goto(`${board.url}/projects/1/errors`);
    await page.getByRole("link", { name: "Error", exact: true }).first().click();
    await page.getByRole("button", { name: "Resolve", exact: true }).click();
    await page.getByRole("button", { name: "Reopen" }).waitFor();
    await page.goto(`${board.url}/projects/1/errors?status=resolved`);
    await page.getByText("The diff service did not answer in time").waitFor();
  });

  test("a list stands still while new rows come, and shows them when it is asked to", async () => {
    await page.goto(`${board.url}/projects/1/errors?sort=first_seen_desc`);
    const names = page.getByRole("table", { name: "Issues" }).getByRole("link");
    await names.first().waitFor();
    const before = await names.allInnerTexts();
    await board.sendError("FreshlyBroken", "Nobody has seen this before");
    await page.getByRole("button", { name: /1 new, click to show/ }).waitFor();
    expect(await names.allInnerTexts()).toEqual(before);
    await page.getByRole("button", { name: /1 new, click to show/ }).click();
    await expect.poll(async () => (await names.allInnerTexts())[0]).toBe("FreshlyBroken");
  });

  test("columns are chosen, and rows are copied as Markdown and CSV", async () => {
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(`${board.url}/projects/1/errors`);
    const table = page.getByRole("table", { name: "Issues" });
    await table.getByRole("link").first().waitFor();
    await page.getByRole("button", { name: "Choose columns" }).click();
    await page.getByRole("menuitemcheckbox", { name: "Short id" }).click();
    await page.waitForURL(/columns=[^&]*short_id/);
    await table.getByRole("columnheader", { name: "Short id" }).waitFor();
    await page.keyboard.press("Escape");
    const copyAs = async (form: string): Promise<string> => {
      await page.getByRole("button", { name: "Copy the rows" }).click();
      await page.getByRole("menuitem", { name: `Copy as ${form}` }).click();
      return page.evaluate<string>("navigator.clipboard.readText()");
    };
    expect((await copyAs("Markdown")).split("\n")[0]).toContain("| Issue |");
    expect((await copyAs("CSV")).split("\r\n")[0]).toMatch(/^Issue,.*,Short id$/);
  });

  test("UI-008 hostile content of an event is text: no script runs, nothing is loaded, no layout breaks", async () => {
    const attack = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
    const event = {
      level: "error",
      exception: {
        values: [
          {
            type: `Hostile ${attack}`,
            value: `${attack} \u202Egnirts desrever a\u202C ${"M".repeat(100_000)}`,
            stacktrace: {
              frames: [
                {
                  function: attack,
                  filename: `javascript:window.hacked=1//${"x".repeat(4_000)}`,
                  lineno: 1,
                  in_app: true,
                  context_line: `${attack}${"y".repeat(20_000)}`,
                  vars: { [attack]: attack },
                },
              ],
            },
          },
        ],
      },
      tags: { attack, link: "javascript:window.hacked=1" },
      user: { id: attack, email: `${attack}@example.com` },
      request: { url: "http://evil.example/beacon.png", method: "GET", headers: { cookie: attack } },
      breadcrumbs: { values: [{ category: attack, message: attack, data: { html: attack } }] },
      contexts: { [`x${attack}`]: { html: attack } },
    };
    const elsewhere: string[] = [];
    const watch = (request: { url(): string }): void => {
      if (!request.url().startsWith(board.url) && !request.url().startsWith("data:")) elsewhere.push(request.url());
    };
    page.on("request", watch);
    await board.send(event);
    await page.goto(`${board.url}/projects/1/errors?query=Hostile`);
    const issue = page.getByRole("link", { name: /^Hostile <img src=x/ });
    await issue.first().waitFor();
    expect(await tooWideBy(page)).toBeLessThanOrEqual(0);
    await issue.first().click();
    await page.getByRole("heading", { level: 1, name: /^Hostile <img/ }).waitFor();
    for (const tab of ["Breadcrumbs (1)", "Details", "Grouping", "Raw", "Stack trace"]) {
      await page.getByRole("tab", { name: tab }).click();
      await page.getByRole("tabpanel").getByText("window.hacked=1").first().waitFor();
      expect(await tooWideBy(page), tab).toBeLessThanOrEqual(0);
    }
    await page.goto(`${board.url}/overview`);
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    page.off("request", watch);
    expect(await page.evaluate("window.hacked")).toBeUndefined();
    expect(elsewhere).toEqual([]);
  });

  test("a long list is drawn only where it is seen, and scrolls to its end", async () => {
    const count = Number(process.env["SIGNALBOX_DASHBOARD_ISSUES"] ?? 400);
    for (let sent = 0; sent < count; sent += 50)
      await Promise.all(
        Array.from({ length: Math.min(50, count - sent) }, (_, index) =>
          board.sendError(`Many${letters(sent + index)}`, "One of very many"),
        ),
      );
    // The list stands still while new ones come, so all of them are there before it is looked at.
    await expect.poll(() => board.countIssues("One of very many"), { timeout: patienceMs }).toBe(count);
    await page.goto(`${board.url}/projects/1/errors?query=${encodeURIComponent('"One of very many"')}`);
    const table = page.getByRole("table", { name: "Issues" });
    await table.getByRole("link").first().waitFor();
    await expect
      .poll(
        async () => {
          await page.mouse.wheel(0, 20_000);
          return Number(await table.getAttribute("aria-rowcount"));
        },
        { timeout: patienceMs },
      )
      .toBe(count + 1);
    expect(await table.getByRole("row").count()).toBeLessThan(120);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});
