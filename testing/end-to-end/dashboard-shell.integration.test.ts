import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard } from "./dashboard.js";
import { errorEvent } from "./error-event.js";

const dashboard = fileURLToPath(new URL("../../apps/dashboard/", import.meta.url));
const needed = requireServers(["chromium"]);

/** What all pages have in common: ways to get around, the address, the time range, states, the connection. */
describe.skipIf(needed.skip)(needed.title("the frame of the dashboard"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
    await board.ask("/api/v1/projects", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: "Empty shop" }),
    });
    await board.send({ ...errorEvent("SeenToday", "Something broke"), event_id: "ab".repeat(16) });
    await vi.waitFor(async () => expect(await board.countIssues("SeenToday")).toBe(1), patienceMs);
    // The forge has told of itself.
    await vi.waitFor(async () => {
      const [repositories, peers, types] = await Promise.all([
        board.ask("/api/v1/relay/repositories"),
        board.ask("/api/v1/relay/peers"),
        board.ask("/api/v1/events/types"),
      ]);
      for (const list of [repositories, peers, types]) expect((list as unknown[]).length).toBeGreaterThan(0);
    }, patienceMs);
  }, 180_000);

  afterAll(() => board?.close());

  const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();

  test("UI-001 the navigation leads to every page, and says where one is", async () => {
    await board.open("/overview");
    const main = page.getByRole("navigation", { name: "Main" });
    for (const [link, title] of [
      ["Issues", "Issues"],
      ["Releases", "Releases"],
      ["Intake", "Intake"],
      ["Experiences", "Experiences"],
      ["Runs", "Runs"],
      ["Queues", "Queues"],
      ["Dead letters", "Dead letters"],
      ["Event log", "Event log"],
      ["Catalogue", "Catalogue"],
      ["Graph", "Graph"],
      ["Relays", "Relays"],
      ["Repositories", "Repositories"],
      ["Timeline search", "Timeline"],
      ["Project settings", "Project settings"],
      ["Overview", "Overview"],
    ] as const) {
      await main.getByRole("link", { name: link, exact: true }).click();
      await heading(title);
      expect(await main.locator("[aria-current=page]").innerText()).toBe(link);
    }
  });

  test("UI-001 another project is chosen, and the same page of it is shown", async () => {
    await board.open("/projects/1/ledger?range=7d");
    await page.getByRole("combobox", { name: "Project" }).click();
    await page.getByRole("option", { name: "Empty shop" }).click();
    await page.waitForURL(/\/projects\/2\/ledger\?range=7d/);
    await page.getByText("Nothing was received").waitFor();
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Issues" }).click();
    await page.waitForURL(/\/projects\/2\/errors/);
  });

  const ask = async (text: string): Promise<void> => {
    await page.keyboard.press("Control+k");
    await page.getByRole("textbox", { name: "Search or jump to" }).fill(text);
  };
  const take = (name: string | RegExp) => page.getByRole("dialog").getByRole("button", { name }).first().click();

  test("UI-001 the palette jumps to pages, projects, issues, experiences, event types, repositories and relays", async () => {
    await board.open("/overview");
    for (const [text, choice, address] of [
      ["dead", /^Dead letters/, /\/events\/dead/],
      ["empty sh", /^Empty shop/, /\/projects\/2\/errors/],
      ["SeenToday", /^SeenToday/, /\/projects\/1\/errors\/\d+/],
      ["run_pipe", /^run_pipeline/, /\/experiences\/run_pipeline/],
      ["pipeline_created", /^ci\.pipeline_created/, /\/events\/catalogue\?type=ci\.pipeline_created/],
      ["runner", /^runner/, /\/relays\/repositories\/npub1[^/]+\/runner/],
      ["127.0.0.1", /^127\.0\.0\.1:\d+/, /\/relays\/peers\/ws/],
    ] as const) {
      await ask(text);
      await take(choice);
      await page.waitForURL(address);
      await page.locator("h1").waitFor();
    }
  });

  test("UI-001 the palette takes pasted ids: of a journey, of an event, of an error's event, and an npub", async () => {
    await board.open("/overview");
    const id = "01JP0EM7HB39WSJNR4662MYZ6V";
    await ask(id);
    await take(/^Timeline/);
    await page.waitForURL(new RegExp(`/timeline/${id}`));
    await ask(id);
    await take(/^Event /);
    await page.waitForURL(new RegExp(`/events/${id}`));
    await ask("ab".repeat(16));
    await take(/^Error event/);
    await page.getByRole("link", { name: "SeenToday" }).waitFor();
    const [repository] = (await board.ask("/api/v1/relay/repositories")) as { npub: string }[];
    await ask(repository?.npub ?? "");
    await take(/^Repositories/);
    await page.waitForURL(/\/relays\/repositories\?owner=npub1/);
  });

  test("UI-002 filters, order, tab and time stand in the address: a colleague sees the same, and the way back knows", async () => {
    const colleague = await startBrowser();
    try {
      await board.open("/projects/1/errors");
      await page.getByRole("tab", { name: "Ignored" }).click();
      await page.waitForURL(/status=ignored/);
      await page.getByRole("tab", { name: "Unresolved" }).click();
      await page.getByRole("combobox", { name: "Order" }).click();
      await page.getByRole("option", { name: "Newest" }).click();
      await page.waitForURL(/sort=first_seen_desc/);
      await page.getByRole("combobox", { name: "Search", exact: true }).fill("SeenToday");
      await page.keyboard.press("Enter");
      await page.waitForURL(/query=SeenToday/);
      await page.getByRole("button", { name: /Time range/ }).click();
      await page.getByRole("menuitem", { name: "Last 14 days" }).click();
      await page.waitForURL(/range=14d/);
      await page.getByText("1 issue", { exact: true }).waitFor();

      await colleague.context.addCookies(await board.browser.context.cookies());
      colleague.page.setDefaultTimeout(patienceMs);
      await colleague.page.goto(page.url());
      await colleague.page.getByText("1 issue", { exact: true }).waitFor();
      const shown = async (of: Page) => [
        await of.getByRole("combobox", { name: "Order" }).inputValue(),
        await of.getByRole("combobox", { name: "Search", exact: true }).inputValue(),
        await of.getByRole("tab", { selected: true }).innerText(),
        await of.getByRole("button", { name: /Time range/ }).innerText(),
        await of.getByRole("table", { name: "Issues" }).getByRole("link").allInnerTexts(),
      ];
      expect(await shown(colleague.page)).toEqual(["Newest", "SeenToday", "Unresolved", "Last 14 days", ["SeenToday"]]);
      expect(await shown(page)).toEqual(await shown(colleague.page));

      await page.goBack();
      await page.waitForURL((url) => !url.searchParams.has("range") && url.searchParams.has("query"));
      await page.goBack();
      await page.waitForURL((url) => !url.searchParams.has("query") && url.searchParams.has("sort"));
      await expect
        .poll(() => page.getByRole("combobox", { name: "Search", exact: true }).inputValue(), { timeout: patienceMs })
        .toBe("");
      await page.goForward();
      await page.waitForURL(/query=SeenToday/);
      await page.getByText("1 issue", { exact: true }).waitFor();
    } finally {
      await colleague.close();
    }
  });

  test("UI-003 the time range goes along to other pages, from 15 minutes to 90 days, and to any two moments", async () => {
    await board.open("/overview");
    const choose = async (name: string): Promise<void> => {
      await page.getByRole("button", { name: /Time range/ }).click();
      await page.getByRole("menuitem", { name, exact: true }).click();
    };
    await choose("Last 15 minutes");
    await page.waitForURL(/range=15m/);
    for (const link of ["Issues", "Intake", "Experiences", "Event log"]) {
      await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: link, exact: true }).click();
      await page.waitForURL(/range=15m/);
    }
    await choose("Last 90 days");
    await page.waitForURL(/range=90d/);
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Issues" }).click();
    const table = page.getByRole("table", { name: "Issues" });
    await table.getByRole("columnheader", { name: "Last 90 days" }).waitFor();
    await table.getByRole("link", { name: "SeenToday" }).waitFor();

    // From two days ago until yesterday: what was seen today only is not part of it.
    const local = (daysAgo: number): string => new Date(Date.now() - daysAgo * 86_400_000).toISOString().slice(0, 16);
    await page.getByRole("button", { name: /Time range/ }).click();
    await page.getByLabel("From").fill(local(2));
    await page.getByLabel("Until (empty: now)").fill(local(1));
    await page.getByRole("button", { name: "Apply" }).click();
    await page.waitForURL(/from=.*&to=/);
    await table
      .getByRole("columnheader", { name: "In this time" })
      .or(page.getByText(/^No unresolved issue in/))
      .waitFor();
    await expect.poll(() => page.getByRole("link", { name: "SeenToday" }).count(), { timeout: patienceMs }).toBe(0);
  });

  test("UI-003 a time is how long ago it was; hovering shows it in full, local and UTC", async () => {
    await board.open("/projects/1/errors?query=SeenToday");
    const seen = page.getByRole("table", { name: "Issues" }).locator("time").first();
    expect(await seen.innerText()).toMatch(/ago|now/);
    const at = await seen.getAttribute("datetime");
    await seen.hover();
    const tip = page.getByRole("tooltip");
    await tip.waitFor();
    const text = await tip.innerText();
    expect(text).toContain(`${(at ?? "").replace("T", " ").replace("Z", "")} UTC`);
    expect(text).toContain(
      await page.evaluate<string>(
        `new Date(${JSON.stringify(at)}).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" }) +
          " (" + Intl.DateTimeFormat().resolvedOptions().timeZone + ")"`,
      ),
    );
  });

  test("UI-004 a page that loads shows its outline, one with nothing says what to do next, with lines to copy", async () => {
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route("**/api/v1/projects/2/errors?*", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${board.url}/projects/2/errors`);
    await page.getByRole("status", { name: "Loading" }).waitFor();
    answer();
    await page.getByText("No errors yet").waitFor();
    await page.unroute("**/api/v1/projects/2/errors?*");
    await page.getByRole("button", { name: "Copy the snippet" }).click();
    const [, , line] = (await page.evaluate<string>("navigator.clipboard.readText()")).split("\n");
    const [key] = (await board.ask("/api/v1/projects/2/keys")) as { dsn: string }[];
    expect(line).toBe(`Sentry.init({ dsn: "${key?.dsn}" });`);
  });

  test("UI-004 what fails says what was asked for, why, and by which correlation id; trying again heals it", async () => {
    await page.route("**/api/v1/projects/1/releases?*", (route) =>
      route.fulfill({
        status: 500,
        contentType: "application/problem+json",
        body: JSON.stringify({
          code: "internal_error",
          detail: "Something is broken.",
          correlation_id: "01JP0EM7HB39WSJNR4662MYZ6V",
        }),
      }),
    );
    await page.goto(`${board.url}/projects/1/releases`);
    const alert = page.getByRole("alert");
    await alert.getByText("Something is broken.").waitFor();
    for (const text of ["internal_error", "01JP0EM7HB39WSJNR4662MYZ6V", /\/api\/v1\/projects\/1\/releases/])
      await alert.getByText(text).first().waitFor();
    await page.unroute("**/api/v1/projects/1/releases?*");
    await alert.getByRole("button", { name: "Try again" }).click();
    await page.getByRole("table", { name: "Releases" }).waitFor();
  });

  test("UI-007 the first page needs at most 250 kB of compressed script", async () => {
    const fresh = await startBrowser();
    try {
      await fresh.context.addCookies(await board.browser.context.cookies());
      fresh.page.setDefaultTimeout(patienceMs);
      const sizes: Promise<number>[] = [];
      fresh.page.on("response", (response) => {
        if (new URL(response.url()).pathname.endsWith(".js"))
          sizes.push(
            response
              .request()
              .sizes()
              .then(({ responseBodySize }) => responseBodySize),
          );
      });
      await fresh.page.goto(`${board.url}/overview`);
      await fresh.page.getByRole("region", { name: "Experiences" }).waitFor();
      const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      expect(total).toBeGreaterThan(50_000);
      expect(total).toBeLessThanOrEqual(250_000);
    } finally {
      await fresh.close();
    }
  });

  test("the types that pages ask the API by are those of the server's document", async () => {
    const library = createRequire(join(dashboard, "package.json")).resolve("openapi-typescript");
    const generator = join(dirname(dirname(library)), "bin", "cli.js");
    const { stdout } = await promisify(execFile)(process.execPath, [generator, `${board.url}/openapi.json`], {
      maxBuffer: 64 * 1024 * 1024,
    });
    // Written anew by `npm run api -w apps/dashboard` beside a running server.
    expect(readFileSync(join(dashboard, "api", "schema.ts"), "utf8")).toBe(stdout);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("Failed to load resource"))).toEqual([]);
  });

  test("UI-004 a lost connection is said, and heals by itself, with what was missed", async () => {
    await board.open("/projects/1/errors?sort=first_seen_desc");
    await page.getByRole("link", { name: "SeenToday" }).waitFor();
    const lost = page.getByText("The connection to the server is lost. Trying again …");
    expect(await lost.count()).toBe(0);
    await board.server.stop();
    await lost.waitFor();
    await board.restart();
    await board.sendError("SeenAfterwards", "While nobody could look");
    await lost.waitFor({ state: "detached" });
    // The list has stood still meanwhile.
    await page.getByRole("button", { name: /\d+ new, click to show/ }).click();
    await page.getByRole("link", { name: "SeenAfterwards" }).waitFor();
  });
});
