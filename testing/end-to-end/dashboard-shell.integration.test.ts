import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard } from "./dashboard.js";

const dashboard = fileURLToPath(new URL("../../apps/dashboard/", import.meta.url));
const needed = requireServers(["chromium"]);

/** What all pages have in common: login, ways to get around, the time range. */
describe.skipIf(needed.skip)(needed.title("the frame of the dashboard"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
  }, 180_000);

  afterAll(() => board?.close());

  test("who has no token sees the login alone, and a wrong token stays outside", async () => {
    const fresh = await startBrowser();
    try {
      const { page: stranger } = fresh;
      stranger.setDefaultTimeout(patienceMs);
      await stranger.goto(`${board.url}/overview`);
      await stranger.getByLabel("Token").fill("no token");
      await stranger.getByRole("button", { name: "Log in" }).click();
      await stranger.getByRole("alert").waitFor();
      expect(await stranger.getByRole("navigation").count()).toBe(0);

      await stranger.getByLabel("Token").fill(board.token);
      await stranger.getByRole("button", { name: "Log in" }).click();
      await stranger.getByRole("navigation", { name: "Main" }).waitFor();
      const cookies = await fresh.context.cookies();
      expect(cookies.find(({ name }) => name === "signalbox_session")).toMatchObject({
        httpOnly: true,
        sameSite: "Lax",
      });
    } finally {
      await fresh.close();
    }
  });

  test("the first page needs at most 250 kB of compressed script", async () => {
    const fresh = await startBrowser();
    try {
      await fresh.context.addCookies(await board.browser.context.cookies());
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

  test("the command palette jumps to a page, an experience, and to what a pasted id names", async () => {
    await page.goto(`${board.url}/overview`);
    await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    const ask = async (text: string): Promise<void> => {
      await page.keyboard.press("Control+k");
      await page.getByPlaceholder(/Page, issue, experience/).fill(text);
    };
    await ask("dead");
    await page.getByRole("button", { name: "Dead letters" }).first().click();
    await page.waitForURL(/\/events\/dead/);
    await ask("run_pipe");
    await page.getByRole("button", { name: "run_pipeline" }).first().click();
    await page.waitForURL(/\/experiences\/run_pipeline/);
    await ask("01JP0EM7HB39WSJNR4662MYZ6V");
    await page.getByRole("button", { name: /Timeline Everything that carried/ }).click();
    await page.waitForURL(/\/timeline\/01JP0EM7HB39WSJNR4662MYZ6V/);
  });

  test("the time range stands in the address, goes along to other pages, and the way back knows it", async () => {
    await page.goto(`${board.url}/projects/1/errors`);
    await page.getByRole("button", { name: /Time range/ }).click();
    await page.getByRole("menuitem", { name: "Last 14 days" }).click();
    await page.waitForURL(/range=14d/);
    await page.getByRole("link", { name: "InvalidMarkdown" }).waitFor();
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Runs" }).click();
    await page.waitForURL(/experiences\/runs\?range=14d/);
    await page.goBack();
    await page.waitForURL(/errors\?range=14d/);
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
    expect(board.browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});
