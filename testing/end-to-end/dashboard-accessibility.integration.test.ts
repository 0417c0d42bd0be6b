import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard, tooWideBy, violationsInEachTheme } from "./dashboard.js";

const needed = requireServers(["chromium"]);

/** Whether everybody can use the pages: in both themes, on a phone, by keyboard, without motion. */
describe.skipIf(needed.skip)(needed.title("everybody can use the dashboard"), () => {
  let board: Dashboard;
  let page: Page;
  /** Addresses of pages of one thing each, which only the server knows. */
  const paths: Record<string, string> = {};

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
    await vi.waitFor(async () => {
      const first = async (path: string): Promise<Readonly<Record<string, string>>> => {
        const [row] = (await board.ask(path)) as Record<string, string>[];
        if (row === undefined) throw new Error(`${path} is empty yet.`);
        return row;
      };
      const issue = await first("/api/v1/projects/1/errors?query=TypeError");
      paths["issue"] = `/projects/1/errors/${issue["fingerprint"]}`;
      const repository = await first("/api/v1/relay/repositories");
      paths["repository"] = `/relays/repositories/${repository["npub"]}/${repository["identifier"]}`;
      paths["peer"] = `/relays/peers/${encodeURIComponent((await first("/api/v1/relay/peers"))["url"] ?? "")}`;
      const { runs } = (await board.ask("/api/v1/experience/runs?state=timed_out,failed")) as {
        runs: Record<string, string>[];
      };
      const [run] = runs;
      if (run === undefined) throw new Error("No journey has broken yet.");
      const correlation = run["correlation_id"];
      paths["run"] = `/experiences/runs/${run["covered_experience_id"]}/${correlation}/${run["run"]}`;
      paths["timeline"] = `/timeline/${correlation}`;
      const { entries } = (await board.ask(`/api/v1/timeline/${correlation}`)) as { entries: Record<string, string>[] };
      const event = entries.find(({ kind }) => kind === "event");
      if (event === undefined) throw new Error("The journey has published nothing yet.");
      paths["event"] = `/events/${event["link"]?.split("/").at(-1)}`;
    }, patienceMs);
  }, 180_000);

  afterAll(() => board?.close());

  const pages = [
    ...[
      "/overview",
      "/projects/1/errors",
      "issue",
      "/projects/1/releases",
      "/projects/1/ledger",
      "/projects/1/settings",
    ],
    ...["/experiences", "/experiences/run_pipeline?range=1h", "/experiences/runs", "run", "/timeline", "timeline"],
    ...["/relays/peers", "peer", "/relays/repositories", "repository"],
    ...["/events/queues", "/events/dead", "/events/log", "/events/catalogue", "/events/graph", "event"],
  ];

  test.each(pages)("UI-005 axe finds no serious violation on %s in either theme, and it fits a phone", async (name) => {
    const path = paths[name] ?? name;
    await board.open(path);
    expect(await violationsInEachTheme(page)).toEqual([]);
    // Whoever draws a chart says in words what it shows.
    const dumb = await page.evaluate<number>(`[...document.querySelectorAll("main svg[role=img], main [role=img]")]
      .filter((node) => !(node.getAttribute("aria-label") ?? "").trim()).length`);
    expect(dumb).toBe(0);
    await page.setViewportSize({ width: 390, height: 844 });
    await expect.poll(() => tooWideBy(page), { timeout: patienceMs }).toBeLessThanOrEqual(0);
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  test("UI-005 the theme is the system's, until somebody chooses another one, which is kept", async () => {
    const theme = () => page.evaluate<string>(`document.documentElement.getAttribute("data-mantine-color-scheme")`);
    await page.emulateMedia({ colorScheme: "dark" });
    await board.open("/overview");
    expect(await theme()).toBe("dark");
    await page.emulateMedia({ colorScheme: "light" });
    await expect.poll(theme).toBe("light");
    await page.getByRole("button", { name: "Dark theme" }).click();
    await expect.poll(theme).toBe("dark");
    await board.open("/events/queues");
    expect(await theme()).toBe("dark");
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "As the system" }).click();
    await expect.poll(theme).toBe("light");
  });

  test("UI-005 nothing moves for whoever asked for less motion", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    const moving = (): Promise<readonly string[]> =>
      page.evaluate<string[]>(`[...document.querySelectorAll("*")].filter((node) => {
        const { transitionDuration, transitionProperty, animationDuration, animationName } = getComputedStyle(node);
        const seconds = (text) => Math.max(...text.split(",").map((part) => Number.parseFloat(part) * (part.includes("ms") ? 0.001 : 1)));
        return (transitionProperty !== "none" && seconds(transitionDuration) > 0.01)
          || (animationName !== "none" && seconds(animationDuration) > 0.01);
      }).map((node) => node.tagName + "." + node.getAttribute("class"))`);
    await board.open("/overview");
    expect(await moving()).toEqual([]);
    await board.open(paths["issue"] ?? "");
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Keyboard shortcuts" }).click();
    await page.getByRole("dialog").waitFor();
    expect(await moving()).toEqual([]);
    await page.keyboard.press("Escape");
    await page.emulateMedia({ reducedMotion: null });
  });

  /** What has the focus, in words, and whether it can be seen that it has. */
  const focused = () =>
    page.evaluate<{ name: string; visible: boolean }>(`(() => {
      const node = document.activeElement;
      const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(node);
      const near = node.closest("label, [data-focus], .mantine-Input-wrapper") ?? node;
      return {
        name: (node.getAttribute("aria-label") ?? node.textContent ?? node.tagName).trim(),
        visible: (outlineStyle !== "none" && Number.parseFloat(outlineWidth) > 0) || boxShadow !== "none"
          || node.matches("input, textarea, select") || near !== node,
      };
    })()`);

  /** Presses Tab until what is called so has the focus. */
  const tabTo = async (name: string | RegExp, maxSteps = 120): Promise<void> => {
    for (let step = 0; step < maxSteps; step++) {
      await page.keyboard.press("Tab");
      const now = await focused();
      expect(now.visible, `the focus can be seen on ${now.name}`).toBe(true);
      if (typeof name === "string" ? now.name === name : name.test(now.name)) return;
    }
    throw new Error(`No Tab leads to ${String(name)}.`);
  };

  test("UI-005 from the overview to a resolved issue and back by keyboard alone, and the focus is always seen", async () => {
    await board.open("/overview");
    await page.getByRole("region", { name: "Errors" }).getByRole("link", { name: "TypeError" }).waitFor();
    await page.keyboard.press("Tab");
    expect((await focused()).name).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    await tabTo("TypeError");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "TypeError" }).waitFor();
    await page.getByText("throw new TypeError(").first().waitFor();
    await tabTo("Resolve");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Reopen" }).waitFor();
    // The message offers the way back, and can be reached, too.
    await tabTo("Undo");
    await page.keyboard.press("Enter");
    await page.getByText("Taken back.").waitFor();
    await page.getByRole("button", { name: "Resolve", exact: true }).waitFor();
    // A menu is opened, walked and left.
    await page.getByRole("button", { name: "Ignore", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("menuitem", { name: "Until it escalates" }).waitFor();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Escape");
    await expect.poll(async () => (await focused()).name).toBe("Ignore");
    // The palette takes one anywhere.
    await page.keyboard.press("Control+k");
    await page.getByRole("textbox", { name: "Search or jump to" }).fill("queues");
    await page
      .getByRole("dialog")
      .getByRole("button", { name: /^Queues/ })
      .waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/events\/queues/);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("Failed to load resource"))).toEqual([]);
  });
});
