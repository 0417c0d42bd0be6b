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
    Object.assign(installation.env, {
      FORGE_TOKEN: await create("experience:write"),
      FORGE_DSN: readText(await installation.command("project", "create", "forge"), "dsn"),
    });
    server = await installation.start();
    browser = await startBrowser();
    page = browser.page;
    page.setDefaultTimeout(patienceMs);
  }, 180_000);

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
    const broken = experiences.locator("div", { hasText: "timed out" }).getByRole("link", { name: "run_pipeline" });
    await broken.first().waitFor();
    await broken.first().click();

    const axis = page.getByRole("region", { name: "Timeline" });
    for (const lane of ["Journeys", "Events and handlers", "Errors"]) await axis.getByText(lane).waitFor();
    const error = page.getByRole("link", { name: "TypeError: The configuration of the pipeline has no stages" });
    await error.first().click();

    await page.getByRole("heading", { name: "TypeError" }).waitFor();
    await page.getByText("throw new TypeError(").first().waitFor();
    expect(await page.getByText("merge_requests/update-head-pipeline").count()).toBeGreaterThan(0);
    // And back from the error to everything else of its journey.
    await page.getByRole("link", { name: "What else happened in this journey" }).click();
    await axis.getByText("Journeys").waitFor();
  });

  test("an issue is resolved and found among the resolved ones", async () => {
    await page.goto(`${server.url}/projects/1/errors`);
    await page.getByRole("link", { name: "Error", exact: true }).first().click();
    await page.getByRole("button", { name: "Resolve" }).click();
    await page.getByRole("button", { name: "Reopen" }).waitFor();
    await page.goto(`${server.url}/projects/1/errors?status=resolved`);
    await page.getByText("The diff service did not answer in time").waitFor();
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
    await row.getByText("paused").waitFor();
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
    ["/projects/1/errors", "Errors"],
    ["/projects/1/errors/1", "TypeError"],
    ["/projects/1/settings", "Project settings"],
    ["/experiences", "Experiences"],
    ["/timeline", "Timeline"],
    ["/relays/repositories", "Repositories"],
    ["/events/queues", "Queues"],
    ["/events/dead", "Dead letters"],
    ["/events/log", "Event log"],
    ["/events/catalogue", "Event catalogue"],
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
