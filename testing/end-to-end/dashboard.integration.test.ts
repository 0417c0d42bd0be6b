import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { installSignalbox, type SignalboxServer } from "../servers/signalbox.js";

const needed = requireServers(["chromium"]);
const forge = fileURLToPath(new URL("../../examples/forge/", import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const dashboard = fileURLToPath(new URL("../../apps/dashboard/", import.meta.url));
const patienceMs = 60_000;

/** The server with the example forge in it, as `npm run demo` starts it, in a real browser. */
describe.skipIf(needed.skip)(needed.title("the dashboard on the demo's data"), () => {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-dashboard-"));
  let server: SignalboxServer;
  let token: string;
  let dsn: string;
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    const env: Record<string, string> = { SIGNALBOX_EXPERIENCE_DEFINITIONS: join(forge, "experiences") };
    const installation = await installSignalbox({
      dataDirectory: join(directory, "data"),
      env,
      flags: ["--quiet", "--log-level", "warn", "--app", join(forge, "dist", "index.js")],
    });
    const create = async (scope: string): Promise<string> =>
      readText(await installation.command("token", "create", "--scope", scope), "token");
    token = await create("admin");
    dsn = readText(await installation.command("project", "create", "forge"), "dsn");
    Object.assign(installation.env, {
      FORGE_TOKEN: await create("experience:write"),
      FORGE_DSN: dsn,
    });
    server = await installation.start();
    browser = await startBrowser();
    page = browser.page;
    page.setDefaultTimeout(patienceMs);
  }, 180_000);

  const send = async (event: object): Promise<void> => {
    const { host, username } = new URL(dsn);
    const answer = await fetch(`http://${host}/api/1/store/?sentry_key=${username}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(event),
    });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  };
  const sendError = (type: string, value: string): Promise<void> =>
    send({ level: "error", exception: { values: [{ type, value }] } });
  const countIssues = async (words: string): Promise<number> => {
    const query = encodeURIComponent(`"${words}"`);
    let found = 0;
    let next: string | undefined = `${server.url}/api/v1/projects/1/errors?limit=100&query=${query}`;
    while (next !== undefined) {
      const answer: Response = await fetch(next, { headers: { authorization: `Bearer ${token}` } });
      const issues: unknown = await answer.json();
      if (!Array.isArray(issues)) return found;
      found += issues.length;
      const [, address] = /<([^>]+)>; *rel="next"/.exec(answer.headers.get("link") ?? "") ?? [];
      next = address === undefined ? undefined : new URL(address, server.url).href;
    }
    return found;
  };

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  test("who has no token sees the login alone, and a wrong token stays outside", async () => {
    await page.goto(`${server.url}/overview`);
    await page.getByLabel("Token").fill("no token");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("navigation").count()).toBe(0);

    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("navigation", { name: "Main" }).waitFor();
    const cookies = await browser.context.cookies();
    expect(cookies.find(({ name }) => name === "signalbox_session")).toMatchObject({ httpOnly: true, sameSite: "Lax" });
  });

  test("from the overview two clicks lead from a journey that timed out to the exception in a subscriber", async () => {
    await page.goto(`${server.url}/overview`);
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
    await page.goto(`${server.url}${path}`);
    await page.getByRole("main").getByText(text).first().waitFor();
  });

  test("the first page needs at most 250 kB of compressed script", async () => {
    const fresh = await startBrowser();
    try {
      await fresh.context.addCookies(await browser.context.cookies());
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
      await fresh.page.goto(`${server.url}/overview`);
      await fresh.page.getByRole("region", { name: "Experiences" }).waitFor();
      const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      expect(total).toBeGreaterThan(50_000);
      expect(total).toBeLessThanOrEqual(250_000);
    } finally {
      await fresh.close();
    }
  });

  test("an issue is resolved and found among the resolved ones", async () => {
    await page.goto(`${server.url}/projects/1/errors`);
    await page.getByRole("link", { name: "Error", exact: true }).first().click();
    await page.getByRole("button", { name: "Resolve", exact: true }).click();
    await page.getByRole("button", { name: "Reopen" }).waitFor();
    await page.goto(`${server.url}/projects/1/errors?status=resolved`);
    await page.getByText("The diff service did not answer in time").waitFor();
  });

  test("the command palette jumps to a page, an experience, and to what a pasted id names", async () => {
    await page.goto(`${server.url}/overview`);
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
    await page.goto(`${server.url}/projects/1/errors`);
    await page.getByRole("button", { name: /Time range/ }).click();
    await page.getByRole("menuitem", { name: "Last 14 days" }).click();
    await page.waitForURL(/range=14d/);
    await page.getByRole("link", { name: "InvalidMarkdown" }).waitFor();
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Runs" }).click();
    await page.waitForURL(/experiences\/runs\?range=14d/);
    await page.goBack();
    await page.waitForURL(/errors\?range=14d/);
  });

  test("a list stands still while new rows come, and shows them when it is asked to", async () => {
    await page.goto(`${server.url}/projects/1/errors?sort=first_seen_desc`);
    const names = page.getByRole("table", { name: "Issues" }).getByRole("link");
    await names.first().waitFor();
    const before = await names.allInnerTexts();
    await sendError("FreshlyBroken", "Nobody has seen this before");
    await page.getByRole("button", { name: /1 new, click to show/ }).waitFor();
    expect(await names.allInnerTexts()).toEqual(before);
    await page.getByRole("button", { name: /1 new, click to show/ }).click();
    await expect.poll(async () => (await names.allInnerTexts())[0]).toBe("FreshlyBroken");
  });

  test("columns are chosen, and rows are copied as Markdown and CSV", async () => {
    await browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.goto(`${server.url}/projects/1/errors`);
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
      if (!request.url().startsWith(server.url) && !request.url().startsWith("data:")) elsewhere.push(request.url());
    };
    page.on("request", watch);
    await send(event);
    await page.goto(`${server.url}/projects/1/errors?query=Hostile`);
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
    await page.goto(`${server.url}/overview`);
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
          sendError(`Many${letters(sent + index)}`, "One of very many"),
        ),
      );
    // The list stands still while new ones come, so all of them are there before it is looked at.
    await expect.poll(() => countIssues("One of very many"), { timeout: patienceMs }).toBe(count);
    await page.goto(`${server.url}/projects/1/errors?query=${encodeURIComponent('"One of very many"')}`);
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

  test("dead letters are replayed after a trial that says how many there are", async () => {
    await page.goto(`${server.url}/events/dead`);
    await page.getByRole("button", { name: "Replay" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/\d+ letters? would be delivered again/).waitFor();
    await dialog.getByRole("button", { name: "Replay" }).click();
    await page.getByText("The letters are delivered again.").waitFor();
  });

  test("a subscriber is paused and goes on again", async () => {
    await page.goto(`${server.url}/events/queues`);
    const row = page.getByRole("row", { name: /onboarding\.pipelines_onboarded/ });
    await row.getByRole("button", { name: "Pause" }).click();
    await row.getByText("paused", { exact: true }).waitFor();
    await row.getByRole("button", { name: "Resume" }).click();
    await row.getByRole("button", { name: "Pause" }).waitFor();
  });

  test("the forge's repositories are listed with their owner, and one shows its maintainers", async () => {
    await page.goto(`${server.url}/relays/repositories`);
    await page.getByRole("link", { name: "runner", exact: true }).click();
    const maintainers = page.getByRole("region", { name: "Maintainers" });
    await maintainers.getByText("announced it").waitFor();
    expect(await maintainers.getByText(/^npub1/).count()).toBe(1);
  });

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
      await page.goto(`${server.url}${path}`);
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      await expect.poll(() => page.locator("[aria-busy]").count()).toBe(0);
      expect(await violations(page)).toEqual([]);
    }
  });

  test("the types that pages ask the API by are those of the server's document", async () => {
    const library = createRequire(join(dashboard, "package.json")).resolve("openapi-typescript");
    const generator = join(dirname(dirname(library)), "bin", "cli.js");
    const { stdout } = await promisify(execFile)(process.execPath, [generator, `${server.url}/openapi.json`], {
      maxBuffer: 64 * 1024 * 1024,
    });
    // Written anew by `npm run api -w apps/dashboard` beside a running server.
    expect(readFileSync(join(dashboard, "api", "schema.ts"), "utf8")).toBe(stdout);
  });

  test("no page has made its script throw", () => {
    expect(browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});

/** How many pixels the page is wider than the window. */
function tooWideBy(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
}

/** A name without digits, which grouping would take for a parameter. */
function letters(number: number): string {
  return [...number.toString().padStart(5, "0")].map((digit) => "abcdefghij"[Number(digit)] ?? "").join("");
}

/** Serious and critical ones, each with where it is. */
async function violations(page: Page): Promise<readonly string[]> {
  // The page's own policy allows no script from elsewhere, so this one goes in through the debugger.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { axe: injected } = globalThis as unknown as { axe: typeof import("axe-core") };
    const { violations: found } = await injected.run();
    return found
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.slice(0, 3).map(({ html }) => `${id}: ${html.slice(0, 300)}`));
  });
}

function readText(value: unknown, name: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof text !== "string") throw new Error(`no ${name} in ${JSON.stringify(value)}`);
  return text;
}
