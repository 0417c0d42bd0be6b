import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { startBrowser, type TestBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { patienceMs, tooWideBy, violations } from "./dashboard.js";

const needed = requireServers(["chromium"]);
const gallery = fileURLToPath(new URL("../../apps/dashboard/gallery/", import.meta.url));

/** The dashboard's components in each of their states, in a real browser. */
describe.skipIf(needed.skip)(needed.title("components of the dashboard"), () => {
  const outDir = mkdtempSync(join(tmpdir(), "signalbox-gallery-"));
  let server: PreviewServer;
  let browser: TestBrowser;
  let page: Page;
  let names: readonly string[] = [];
  let url = "";

  beforeAll(async () => {
    // For a test, Vite would compile to calls that only the libraries' versions for development have.
    vi.stubEnv("NODE_ENV", "production");
    await build({
      root: gallery,
      configFile: false,
      logLevel: "error",
      build: { outDir, emptyOutDir: true, target: "es2022" },
    });
    vi.unstubAllEnvs();
    server = await preview({
      root: gallery,
      configFile: false,
      logLevel: "error",
      build: { outDir },
      preview: { port: 0, host: "127.0.0.1" },
    });
    const address = server.httpServer.address();
    if (typeof address !== "object" || address === null) throw new Error("The gallery has no address.");
    url = `http://127.0.0.1:${address.port}`;
    browser = await startBrowser();
    page = browser.page;
    page.setDefaultTimeout(patienceMs);
    await page.goto(url);
    await page.locator("h1").waitFor({ state: "attached" });
    names = await page.evaluate<string[]>("globalThis.caseNames");
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(outDir, { recursive: true, force: true });
  });

  const show = async (name: string): Promise<void> => {
    await page.evaluate(`globalThis.showCase(${JSON.stringify(name)})`);
    await page.getByRole("heading", { level: 1, name, exact: true }).first().waitFor();
  };

  test("UI-081 whatever stands in it, no component is wider than a phone or a window, and none of it runs", async () => {
    expect(names.length).toBeGreaterThan(70);
    const broken: string[] = [];
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      for (const name of names) {
        await show(name);
        const excess = await tooWideBy(page);
        if (excess > 0) broken.push(`${name} is ${excess} px wider than ${width} px`);
      }
    }
    expect(broken).toEqual([]);
    expect(await page.evaluate("globalThis.hacked")).toBeUndefined();
    expect(browser.complaints).toEqual([]);
  });

  test("UI-081 each component is accessible in each state, in both themes", async () => {
    const found: string[] = [];
    for (const [index, name] of names.entries()) {
      // Without motion, since colours on their way from one theme to the other are neither's.
      await page.emulateMedia({ colorScheme: index % 2 === 0 ? "light" : "dark", reducedMotion: "reduce" });
      await show(name);
      for (const violation of await violations(page)) found.push(`${name}: ${violation}`);
    }
    expect(found).toEqual([]);
  });

  test("UI-081 loading, an error and data each look like what they are", async () => {
    await show("loaded/loading");
    expect(await page.getByRole("status", { name: "Loading" }).getAttribute("aria-busy")).toBe("true");
    await show("loaded/error");
    const alert = page.getByRole("alert");
    for (const text of ["This could not be read", "The store is away.", "internal_error", "01JP0EM7HB39WSJNR4662MYZ6V"])
      await alert.getByText(text, { exact: true }).waitFor();
    await alert.getByRole("button", { name: "Try again" }).waitFor();
    await show("loaded/data");
    await page.getByText("Here it is").waitFor();
    await show("empty/snippet");
    await page.getByRole("button", { name: "Copy the snippet" }).waitFor();
    await show("failure/unknown");
    expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(0);
  });

  test("UI-081 a table has none, one, a few or many rows", async () => {
    await show("table/none");
    await page.getByText("No rows yet").waitFor();
    for (const [name, count] of [
      ["table/one", 1],
      ["table/few", 20],
    ] as const) {
      await show(name);
      expect(await page.getByRole("table", { name: "Rows" }).getByRole("row").count()).toBe(count + 1);
    }
  });

  test("UI-081 text from right to left takes its own direction, and emoji stay whole", async () => {
    await show("table/right-to-left");
    expect(await page.evaluate<string>("getComputedStyle(document.querySelector('td p')).direction")).toBe("rtl");
    await show("page/emoji");
    await page.getByText("🧑‍🚀🔥 deploy 👩‍👩‍👧‍👦 failed 🇩🇪").first().waitFor();
  });

  /** Scrolls from end to end in steps of a screen; says what was drawn at each stop. */
  const scrollThrough = async (
    drawn: string,
    stops: number,
  ): Promise<{ readonly most: number; readonly blank: number }> => {
    let most = 0;
    let blank = 0;
    for (let stop = 0; stop <= stops; stop++) {
      await page.evaluate(
        `window.scrollTo(0, (document.documentElement.scrollHeight - innerHeight) * ${stop / stops})`,
      );
      const count = async (): Promise<number> =>
        page.evaluate<number>(`[...document.querySelectorAll(${JSON.stringify(drawn)})].filter((node) => {
          const { top, bottom } = node.getBoundingClientRect();
          return bottom > 0 && top < innerHeight;
        }).length`);
      // The middle of the window is never left blank for good.
      await expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(5);
      if ((await count()) === 0) blank++;
      most = Math.max(most, await page.evaluate<number>(`document.querySelectorAll(${JSON.stringify(drawn)}).length`));
    }
    return { most, blank };
  };

  test("UI-007 UI-081 of 10,000 rows only those near the window are drawn, wherever one scrolls", async () => {
    await page.setViewportSize({ width: 1280, height: 900 });
    await show("table/many");
    const table = page.getByRole("table", { name: "Rows" });
    await table.getByText("Row 0", { exact: true }).waitFor();
    expect(await table.getAttribute("aria-rowcount")).toBe("10001");
    const { most, blank } = await scrollThrough("tbody tr[data-index]", 40);
    expect(most).toBeLessThan(100);
    expect(blank).toBe(0);
    await table.getByText("Row 9999", { exact: true }).waitFor();
  });

  test("UI-010 UI-081 a long list leaves its first column most of a phone, whatever columns wider windows have", async () => {
    await page.setViewportSize({ width: 360, height: 800 });
    await show("table/many");
    await page.evaluate("window.scrollTo(0, 20000)");
    const name = page.getByRole("table", { name: "Rows" }).getByText(/^Row \d+$/);
    await name.first().waitFor();
    const widthOf = (): Promise<number> =>
      page.evaluate<number>(`document.querySelector("tbody tr[data-index] td").getBoundingClientRect().width`);
    await expect.poll(widthOf, { timeout: 30_000 }).toBeGreaterThan(200);
    await page.setViewportSize({ width: 1280, height: 900 });
    await page.getByText("The third").waitFor();
  });

  test("UI-004 what can be copied is copied over plain HTTP, too, where pages have no clipboard", async () => {
    await show("empty/snippet");
    await page.evaluate(`(() => {
      Object.defineProperty(globalThis, "isSecureContext", { value: false, configurable: true });
      document.addEventListener("copy", () => { globalThis.copied = document.activeElement.value; }, { once: true });
    })()`);
    await page.getByRole("button", { name: "Copy the snippet" }).click();
    await expect
      .poll(() => page.evaluate("globalThis.copied"), { timeout: 30_000 })
      .toBe(`Sentry.init({ dsn: "${"0".repeat(300)}" });`);
    // Whoever copies by keyboard goes on where they were.
    expect(await page.evaluate("document.activeElement.getAttribute('aria-label')")).toBe("Copy the snippet");
    await page.evaluate("delete globalThis.isSecureContext");
  });

  test("UI-007 UI-081 of 5,000 frames only those near the window are drawn, and each can be opened", async () => {
    await show("trace/many");
    const { most } = await scrollThrough("[data-index]", 20);
    expect(most).toBeLessThan(150);
    await page.getByText("step_0", { exact: true }).click();
    await page.getByLabel("Source").last().getByText("step_0()").waitFor();
  });
});
