import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, startDashboard } from "./dashboard.js";

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
    await page.goto(`${board.url}/overview`);
    const experiences = page.getByRole("region", { name: "Experiences" });
    const broken = experiences.locator("div:has(> p:text-is('timed out'))").getByRole("link", { name: "run_pipeline" });
    await broken.first().waitFor();
    await broken.first().click();

    const axis = page.getByRole("region", { name: "Timeline" });
    for (const lane of ["Journeys", "Events and handlers", "Errors"])
      await axis.getByText(lane, { exact: true }).waitFor();
    const error = page.getByRole("link", { name: "TypeError: The configuration of the pipeline has no stages" });
    await error.first().click();

    await page.getByRole("heading", { name: "TypeError" }).waitFor();
    await page.getByText("throw new TypeError(").first().waitFor();
    expect(await page.getByText("merge_requests/update-head-pipeline").count()).toBeGreaterThan(0);
    // And back from the error to everything else of its journey.
    await page.getByRole("link", { name: "What else happened in this journey" }).click();
    await axis.getByText("Journeys", { exact: true }).waitFor();
  });

  const filled = [
    ["/overview", "run_pipeline"],
    ["/projects/1/errors", "TypeError"],
    ["/projects/1/releases", "forge@1.4.2"],
    ["/projects/1/settings", "Default"],
    ["/experiences?range=1h", "create_merge_request"],
    ["/experiences/run_pipeline?range=1h", "Where timed-out runs died"],
    ["/experiences/runs", "succeeded"],
    ["/events/queues", "merge_requests.update_head_pipeline"],
    ["/events/dead", "merge_requests.update_head_pipeline/ci.pipeline_created"],
    ["/events/log", "ci.pipeline_created"],
    ["/events/catalogue", "ci.pipeline_created"],
    ["/events/graph?view=list", "ci.pipeline_created"],
    ["/relays/repositories", "runner"],
  ] as const;

  test.each(filled)("the forge fills %s", async (path, text) => {
    await page.goto(`${board.url}${path}`);
    await page.getByRole("main").getByText(text).first().waitFor();
  });

  test("dead letters are replayed after a trial that says how many there are", async () => {
    await page.goto(`${board.url}/events/dead`);
    await page.getByRole("button", { name: "Replay" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/\d+ letters? would be delivered again/).waitFor();
    await dialog.getByRole("button", { name: "Replay" }).click();
    await page.getByText("The letters are delivered again.").waitFor();
  });

  test("a subscriber is paused and goes on again", async () => {
    await page.goto(`${board.url}/events/queues`);
    const row = page.getByRole("row", { name: /onboarding\.pipelines_onboarded/ });
    await row.getByRole("button", { name: "Pause" }).click();
    await row.getByText("paused", { exact: true }).waitFor();
    await row.getByRole("button", { name: "Resume" }).click();
    await row.getByRole("button", { name: "Pause" }).waitFor();
  });

  test("the forge's repositories are listed with their owner, and one shows its maintainers", async () => {
    await page.goto(`${board.url}/relays/repositories`);
    await page.getByRole("link", { name: "runner", exact: true }).click();
    const maintainers = page.getByRole("region", { name: "Maintainers" });
    await maintainers.getByText("announced it").waitFor();
    expect(await maintainers.getByText(/^npub1/).count()).toBe(1);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});
