import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard } from "./dashboard.js";

const needed = requireServers(["chromium"]);

/** The server with the example forge in it, as `npm run demo` starts it, in a real browser. */
describe.skipIf(needed.skip)(needed.title("the dashboard on the demo's data"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
  }, 180_000);

  afterAll(() => board?.close());

  test("from the overview two clicks lead from a journey that timed out to the exception in a subscriber", async () => {
    const experiences = page.getByRole("region", { name: "Experiences" });
    const broken = experiences.locator("div:has(> p:text-is('timed out'))").getByRole("link", { name: "run_pipeline" });
    const axis = page.getByRole("region", { name: "Timeline" });
    // On a machine that is very busy a journey may time out without any exception; then a later one is looked at.
    await vi.waitFor(
      async () => {
        await page.goto(`${board.url}/overview`);
        await broken.first().click();
        for (const lane of ["Journeys", "Events and handlers", "Errors"])
          await axis.getByText(lane, { exact: true }).waitFor({ timeout: 20_000 });
      },
      { timeout: 2 * patienceMs, interval: 500 },
    );
    await axis.getByRole("button", { name: /^attempt merge_requests\.update_head_pipeline.*: dead$/ }).waitFor();
    const error = page.getByRole("link", { name: "TypeError: The configuration of the pipeline has no stages" });
    await error.first().click();

    await page.getByRole("heading", { name: "TypeError" }).waitFor();
    await page.getByText("throw new TypeError(").first().waitFor();
    expect(await page.getByText("merge_requests/update-head-pipeline").count()).toBeGreaterThan(0);
    // And back from the error to everything else of its journey.
    await page.getByRole("link", { name: "What else happened in this journey" }).click();
    await axis.getByText("Journeys", { exact: true }).waitFor();
  }, 240_000);

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});
