import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Locator, Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../servers/browser.js";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";

const forge = fileURLToPath(new URL("../../examples/forge/", import.meta.url));

/** How long a page may take to show what it is asked for: as long as the busiest machine needs. */
export const patienceMs = 60_000;

export interface DashboardOptions {
  /** With the example forge and its traffic, as `npm run demo` has it. Without, the server has what a test sends. */
  readonly forge: boolean;
  /** Further variables of the server. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A server with a project called forge, and a real browser that is logged in to its pages. */
export interface Dashboard {
  readonly url: string;
  readonly server: SignalboxServer;
  readonly installation: SignalboxInstallation;
  /** May do everything. */
  readonly token: string;
  readonly dsn: string;
  readonly browser: TestBrowser;
  readonly page: Page;
  createToken(scope: string): Promise<string>;
  /** What the API answers, parsed. */
  ask(path: string, init?: RequestInit): Promise<unknown>;
  /** Goes to a page, and waits until it says nothing of loading any more. */
  open(path: string): Promise<void>;
  /** Stores an event as an SDK sends it; resolves when the server has taken it. */
  send(event: object): Promise<void>;
  sendError(type: string, value: string): Promise<void>;
  /** Issues whose title or message holds the words. */
  countIssues(words: string): Promise<number>;
  /** Stops the server and starts it again, at the same addresses. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-dashboard-"));
  const installation = await installSignalbox({
    dataDirectory: join(directory, "data"),
    env: { SIGNALBOX_EXPERIENCE_DEFINITIONS: join(forge, "experiences"), ...options.env },
    flags: ["--quiet", "--log-level", "warn", ...(options.forge ? ["--app", join(forge, "dist", "index.js")] : [])],
  });
  const createToken = async (scope: string): Promise<string> =>
    readText(await installation.command("token", "create", "--scope", scope), "token");
  const token = await createToken("admin");
  const dsn = readText(await installation.command("project", "create", "forge"), "dsn");
  if (options.forge)
    Object.assign(installation.env, { FORGE_TOKEN: await createToken("experience:write"), FORGE_DSN: dsn });
  let server = await installation.start();
  const { url } = server;
  const browser = await startBrowser();
  const { page } = browser;
  page.setDefaultTimeout(patienceMs);
  await logIn(page, url, token);

  const request = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(new URL(path, url), { ...init, headers: { authorization: `Bearer ${token}`, ...init.headers } });

  const send = async (event: object): Promise<void> => {
    const { host, username, pathname } = new URL(dsn);
    const answer = await fetch(`http://${host}/api${pathname}/store/?sentry_key=${username}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(event),
    });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  };

  return {
    url,
    get server() {
      return server;
    },
    installation,
    token,
    dsn,
    browser,
    page,
    createToken,
    async ask(path, init) {
      const answer = await request(path, init);
      if (!answer.ok) throw new Error(`${path}: ${answer.status}: ${await answer.text()}`);
      return answer.status === 204 ? undefined : answer.json();
    },
    async open(path) {
      await page.goto(`${url}${path}`);
      await page.locator("h1").waitFor();
      await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
    },
    send,
    sendError: (type, value) => send({ level: "error", exception: { values: [{ type, value }] } }),
    async countIssues(words) {
      let found = 0;
      let next: string | undefined = `/api/v1/projects/1/errors?limit=100&query=${encodeURIComponent(`"${words}"`)}`;
      while (next !== undefined) {
        const answer = await request(next);
        const issues: unknown = await answer.json();
        if (!Array.isArray(issues)) return found;
        found += issues.length;
        next = /<([^>]+)>; *rel="next"/.exec(answer.headers.get("link") ?? "")?.[1];
      }
      return found;
    },
    async restart() {
      await server.stop();
      server = await installation.start();
    },
    async close() {
      await browser.close();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Begins a session by the API, as the login form does. */
async function logIn(page: Page, url: string, token: string): Promise<void> {
  await page.goto(url);
  const status = await page.evaluate(
    (bearer) =>
      fetch("/api/v1/session", { method: "POST", headers: { authorization: `Bearer ${bearer}` } }).then(
        (answer) => answer.status,
      ),
    token,
  );
  if (status !== 201) throw new Error(`The session did not begin: ${status}`);
}

/** The text of a row's cell below a heading of its table. */
export async function cell(table: Locator, row: Locator, heading: string): Promise<string> {
  const headings = await table.getByRole("columnheader").allInnerTexts();
  const index = headings.findIndex((text) => text.trim() === heading);
  if (index < 0) throw new Error(`There is no column ${heading} among ${headings.join(", ")}.`);
  const texts = await row.getByRole("cell").nth(index).allInnerTexts();
  return texts.join("").trim();
}

/** How many pixels the page is wider than the window. */
export function tooWideBy(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - window.innerWidth");
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Serious and critical violations of accessibility, each with where it is. */
export async function violations(page: Page): Promise<readonly string[]> {
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

/** Violations of a page in each theme, once it shows the text. */
export async function violationsInBothThemes(page: Page, address: string, showing: string): Promise<readonly string[]> {
  await page.goto(address);
  await page.getByRole("main").getByText(showing).filter({ visible: true }).first().waitFor();
  await page.waitForSelector("[aria-busy=true]", { state: "detached" });
  return violationsInEachTheme(page);
}

/** Violations of what the page shows, in one theme after the other. It is left without motion. */
export async function violationsInEachTheme(page: Page): Promise<readonly string[]> {
  const found: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    // Without motion, since colours on their way from one theme to the other are neither's.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor();
    for (const violation of await violations(page)) found.push(`${colorScheme}: ${violation}`);
  }
  return found;
}

/** A name without digits, which grouping would take for a parameter. */
export function letters(number: number): string {
  return [...number.toString().padStart(5, "0")].map((digit) => "abcdefghij"[Number(digit)] ?? "").join("");
}

function readText(value: unknown, name: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof text !== "string") throw new Error(`no ${name} in ${JSON.stringify(value)}`);
  return text;
}
