import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard, tooWideBy } from "./dashboard.js";
import { errorEvent } from "./error-event.js";

const needed = requireServers(["chromium"]);

/** The overview with what the forge does: a pipeline that times out, because a subscriber of its events fails. */
describe.skipIf(needed.skip)(needed.title("the overview"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
    // Something is wrong by now: an error, letters that were given up, and a journey that has timed out.
    await vi.waitFor(async () => {
      const [issues, dead, runs] = await Promise.all([
        board.ask("/api/v1/projects/1/errors?query=TypeError"),
        board.ask("/api/v1/events/dead/groups?state=dead"),
        board.ask("/api/v1/experience/runs?state=timed_out"),
      ]);
      expect((issues as unknown[]).length).toBeGreaterThan(0);
      expect((dead as unknown[]).length).toBeGreaterThan(0);
      expect((runs as { runs: unknown[] }).runs.length).toBeGreaterThan(0);
    }, patienceMs);
  }, 180_000);

  afterAll(() => board?.close());

  const panel = (name: string): Locator => page.getByRole("region", { name, exact: true });

  test("UI-020 four panels say whether anything is wrong, each with its figures and its trend", async () => {
    await board.open("/overview");
    for (const [name, figures, trend] of [
      ["Experiences", ["timed out", "open now"], /^[\d,]+ journeys, [\d,]+ of them broke, [\d,]+ by a timeout$/],
      ["Errors", ["events in the last 24 hours"], /^[\d,]+ events? in the last 24 hours$/],
      ["Events", ["waiting", "oldest job", "dead letters"], /^[\d,]+ deliveries were handled in the last hour$/],
      [
        "Relays",
        ["in sync", "syncing", "degraded", "dead"],
        /^Relays that were connected in the last 24 hours: \d of \d at its end$/,
      ],
    ] as const) {
      await panel(name).getByRole("heading", { level: 2, name }).waitFor();
      for (const figure of figures) await panel(name).getByText(figure, { exact: true }).first().waitFor();
      await panel(name).getByRole("img", { name: trend }).first().waitFor();
    }
    await panel("Events")
      .getByText(/^\d+ dead letters?$/)
      .waitFor();
    await panel("Errors")
      .getByText(/^\d+ open, .*\d+ new$/)
      .waitFor();
    await panel("Relays")
      .getByText(/behind|dead|in sync|alone/)
      .first()
      .waitFor();
  });

  test("UI-020 the ledger says what was received, stored, limited and dropped, and adds up", async () => {
    await board.open("/overview");
    const sums = async (): Promise<Readonly<Record<string, number>>> => {
      const text = (await panel("Intake").innerText()).replaceAll(",", "");
      return Object.fromEntries(
        [...text.matchAll(/(\d+)\s+(received|stored|limited|dropped|waiting)/g)].map(([, count, name]) => [
          name,
          Number(count),
        ]),
      );
    };
    await panel("Intake")
      .getByText(/^received/)
      .waitFor();
    await expect
      .poll(
        async () => {
          const { received = 0, stored = 0, limited = 0, dropped = 0, waiting = 0 } = await sums();
          return received > 0 && received === stored + limited + dropped + waiting;
        },
        { timeout: patienceMs },
      )
      .toBe(true);
    await panel("Intake")
      .getByRole("img", { name: /items received, \d+ of them limited or dropped/ })
      .waitFor();
    await panel("Intake").getByRole("link", { name: "Intake" }).click();
    await page.waitForURL(/\/projects\/1\/ledger/);
  });

  test("UI-020 the worst stands first: what came back before what is new, and each is one click from its cause", async () => {
    await board.send(errorEvent("CameBack", "It was thought to be mended"));
    const find = async (): Promise<{ fingerprint: number; substatus: string | null }> => {
      const query = encodeURIComponent("is:[unresolved, resolved] CameBack");
      const [issue] = (await board.ask(`/api/v1/projects/1/errors?query=${query}`)) as {
        fingerprint: number;
        substatus: string | null;
      }[];
      if (issue === undefined) throw new Error("The issue is not there yet.");
      return issue;
    };
    const { fingerprint } = await vi.waitFor(find, patienceMs);
    await board.ask(`/api/v1/projects/1/errors/${fingerprint}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ status: "resolved" }),
    });
    await board.send(errorEvent("CameBack", "It was thought to be mended"));
    await expect.poll(async () => (await find()).substatus, { timeout: patienceMs }).toBe("regressed");

    await board.open("/overview");
    const errors = panel("Errors").getByRole("link");
    await expect.poll(async () => (await errors.allInnerTexts())[1], { timeout: patienceMs }).toBe("CameBack");
    await panel("Errors").getByText("regressed", { exact: true }).waitFor();
    await panel("Errors").getByRole("link", { name: "TypeError" }).click();
    await page.getByRole("heading", { level: 1, name: "TypeError" }).waitFor();

    await board.open("/overview");
    await panel("Events").getByRole("link", { name: "merge_requests.update_head_pipeline" }).click();
    await page.waitForURL(/\/events\/dead\?group=/);
    await page.getByText("The configuration of the pipeline has no stages").first().waitFor();

    await board.open("/overview");
    const broken = panel("Experiences").locator("div:has(> p:text-is('timed out'))").getByRole("link");
    await broken.first().click();
    await page.waitForURL(/\/timeline\//);

    await board.open("/overview");
    await panel("Relays")
      .getByRole("link", { name: /^127\.0\.0\.1:/ })
      .first()
      .click();
    await page.waitForURL(/\/relays\/peers\/ws/);
  });

  test("UI-006 UI-020 the figures follow what happens, without another look at the page", async () => {
    await board.open("/overview");
    const before = await panel("Errors")
      .getByRole("img", { name: /events in the last 24 hours$/ })
      .first()
      .getAttribute("aria-label");
    const eventsOf = (text: string | null): number => Number(/^([\d,]+)/.exec(text ?? "")?.[1]?.replaceAll(",", ""));
    for (let sent = 0; sent < 5; sent++) await board.send(errorEvent("CameBack", "It was thought to be mended"));
    await expect
      .poll(
        async () =>
          eventsOf(
            await panel("Errors")
              .getByRole("img", { name: /events in the last 24 hours$/ })
              .first()
              .getAttribute("aria-label"),
          ) - eventsOf(before),
        { timeout: patienceMs },
      )
      .toBeGreaterThanOrEqual(5);
  });

  test("UI-020 errors of all projects are on it", async () => {
    const { dsn } = (await board.ask("/api/v1/projects", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "Second shop" }),
    })) as { dsn: string };
    const { host, username, pathname } = new URL(dsn);
    const send = () =>
      fetch(`http://${host}/api${pathname}/store/?sentry_key=${username}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(errorEvent("OfTheOther", "Of another project")),
      });
    const states = async (): Promise<unknown> =>
      ((await board.ask("/api/v1/projects/2/errors")) as { substatus: string }[]).map(({ substatus }) => substatus);
    await send();
    await expect.poll(states, { timeout: patienceMs }).toEqual(["new"]);
    await board.ask("/api/v1/projects/2/errors", {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "OfTheOther", status: "resolved" }),
    });
    await expect.poll(states, { timeout: patienceMs }).toEqual([]);
    await send();
    await expect.poll(states, { timeout: patienceMs }).toEqual(["regressed"]);
    await board.open("/overview");
    await panel("Intake").getByText("of 2 projects, the last 24 hours").waitFor();
    await expect
      .poll(async () => (await panel("Errors").innerText()).includes("SECOND-SHOP-1"), { timeout: patienceMs })
      .toBe(true);
  });

  test("the overview fits a phone", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await board.open("/overview");
    await panel("Relays").getByText("in sync", { exact: true }).waitFor();
    expect(await tooWideBy(page)).toBeLessThanOrEqual(0);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("Failed to load resource"))).toEqual([]);
  });
});
