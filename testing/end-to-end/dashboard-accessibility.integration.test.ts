import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, startDashboard, violations } from "./dashboard.js";

const needed = requireServers(["chromium"]);

/** Each page in both themes. */
describe.skipIf(needed.skip)(needed.title("everybody can use the dashboard"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
  }, 180_000);

  afterAll(() => board?.close());

  const pages = [
    ["/overview", "Overview"],
    ["/projects/1/errors", "Issues"],
    ["/projects/1/errors/1", /./],
    ["/projects/1/releases", "Releases"],
    ["/projects/1/ledger", "Intake"],
    ["/projects/1/settings", "Project settings"],
    ["/experiences", "Experiences"],
    ["/experiences/run_pipeline?range=1h", "run_pipeline"],
    ["/experiences/runs", "Runs"],
    ["/timeline", "Timeline"],
    ["/relays/peers", "Relays"],
    ["/relays/repositories", "Repositories"],
    ["/events/queues", "Queues"],
    ["/events/dead", "Dead letters"],
    ["/events/log", "Event log"],
    ["/events/catalogue", "Catalogue"],
    ["/events/graph", "Graph"],
  ] as const;

  test.each(pages)("axe finds no serious violation on %s, in neither theme", async (path, heading) => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.goto(`${board.url}${path}`);
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      await expect.poll(() => page.locator("[aria-busy]").count()).toBe(0);
      expect(await violations(page)).toEqual([]);
    }
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});
