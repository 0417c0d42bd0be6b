import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Response } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { installSignalbox, type SignalboxInstallation, type SignalboxServer } from "../servers/signalbox.js";
import { openShop, type ShopSite } from "./shop-site.js";

const needed = requireServers(["chromium"]);

/** The unmodified SDK for browsers, in a page whose origin is not the server's. */
describe.skipIf(needed.skip)(needed.title("@sentry/browser in a page of another origin"), () => {
  const directory = mkdtempSync(join(tmpdir(), "signalbox-browser-sdk-"));
  let installation: SignalboxInstallation;
  let server: SignalboxServer;
  let token: string;
  let site: ShopSite;
  let browser: TestBrowser;
  /** One for each way to the server, so that an issue of one test is never that of another. */
  const projects: Project[] = [];

  beforeAll(async () => {
    installation = await installSignalbox({ dataDirectory: join(directory, "data") });
    for (const name of ["direct", "tunnel", "proxy"])
      projects.push(toProject(await installation.command("project", "create", name)));
    token = textOf(await installation.command("token", "create", "--scope", "errors:read"), "token");
    [server, site, browser] = await Promise.all([installation.start(), openShop(), startBrowser()]);
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await server?.stop();
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });

  /** Loads the page, fills the basket, checks out, and resolves with the answer to the event that this causes. */
  async function reportError(options: Readonly<Record<string, unknown>>): Promise<Response> {
    const { page, complaints } = browser;
    site.use(options);
    await page.goto(site.pageUrl);
    const known = complaints.length;
    await page.getByRole("button", { name: "Add to basket" }).click();
    const answer = page.waitForResponse((response) => isEvent(response.request().postData()));
    await page.getByRole("button", { name: "Check out" }).click();
    const response = await answer;
    // Nobody caught it: the browser reports it as well.
    expect(complaints.slice(known)).toContain("the basket has no handle");
    return response;
  }

  async function get<T>(path: string): Promise<T> {
    const answer = await fetch(`${server.url}/api/v1${path}`, { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status, `${path}: ${await answer.clone().text()}`).toBe(200);
    return (await answer.json()) as T;
  }

  /** What a list holds once it holds anything: one thing. */
  async function onlyOne<T>(path: string): Promise<T> {
    await expect.poll(async () => (await get<T[]>(path)).length).toBe(1);
    const [only] = await get<T[]>(path);
    if (only === undefined) throw new Error(`${path} is empty again`);
    return only;
  }

  /** The project's only issue and its only event, once they are there. */
  async function onlyIssue({ id }: Project): Promise<{ issue: Issue; payload: Payload }> {
    const errors = `/projects/${id}/errors`;
    const issue = await onlyOne<Issue>(errors);
    // An issue is known a moment before its event can be read.
    await onlyOne(`${errors}/${issue.fingerprint}/events`);
    const { payload } = await get<{ payload: string }>(`${errors}/${issue.fingerprint}/events/latest`);
    return { issue, payload: JSON.parse(payload) };
  }

  /** What every way to the server has to bring. */
  async function expectWholeReport(project: Project): Promise<void> {
    const { issue, payload } = await onlyIssue(project);
    expect(issue).toMatchObject({
      event_count: 1,
      name: "TypeError",
      title: "TypeError: the basket has no handle",
    });
    const agent = String(await browser.page.evaluate("navigator.userAgent"));
    expect(payload).toMatchObject({
      sdk: { name: "sentry.javascript.browser", version: expect.stringMatching(/^10\./) },
      request: { url: site.pageUrl },
      contexts: {
        browser: { name: "Chrome", version: /Chrome\/([\d.]+)/.exec(agent)?.[1] },
        os: { name: expect.stringMatching(/^(?:Linux|macOS|Windows)$/) },
      },
    });
    const exception = payload.exception.values.at(-1);
    expect(exception).toMatchObject({ type: "TypeError", value: "the basket has no handle" });
    const script = new URL("/shop.js", site.pageUrl).href;
    expect(exception?.stacktrace.frames.at(-1)).toMatchObject({
      function: "checkOut",
      filename: script,
      lineno: expect.any(Number),
      colno: expect.any(Number),
    });
    expect(payload.breadcrumbs.values).toContainEqual(
      expect.objectContaining({ category: "ui.click", message: "body > button#add" }),
    );
  }

  test("ET-001 ET-138 ET-320 an uncaught error in a page is one issue with browser, system, address, clicks and frames", async () => {
    const [project] = projects;
    const response = await reportError({ dsn: project?.dsn });
    expect(response.status()).toBe(200);
    const url = new URL(response.url());
    expect(url.origin).toBe(server.url);
    expect(url.origin).not.toBe(new URL(site.pageUrl).origin);
    expect(url.searchParams.get("sentry_key")).toBe(new URL(project?.dsn ?? "").username);
    expect(await response.json()).toEqual({ id: expect.stringMatching(/^[0-9a-f]{32}$/) });
    await expectWholeReport(toProject(project));
  });

  test("ET-008 ET-078 a header that the SDK was told to send is asked for in a preflight and allowed", async () => {
    const { page, context } = browser;
    const preflights: { status: number; url: string }[] = [];
    const session = await context.newCDPSession(page);
    session.on("Network.responseReceived", ({ type, response }) => {
      if (type === "Preflight") preflights.push({ status: response.status, url: response.url });
    });
    await session.send("Network.enable");
    const correlationId = "basket-of-the-preflight";
    const response = await reportError({
      dsn: projects[0]?.dsn,
      transportOptions: { headers: { "X-Correlation-Id": correlationId } },
    });
    expect(response.status()).toBe(200);
    expect(response.headers()["x-correlation-id"]).toBe(correlationId);
    await expect.poll(() => preflights).toEqual([{ status: 204, url: response.url() }]);
    await session.detach();
  });

  test("ET-022 through a tunnel to another address of the server the DSN in the envelope is enough", async () => {
    const project = projects[1];
    const tunnel = `${server.url}/any/path/api/${project?.id}/envelope/`;
    const response = await reportError({ dsn: project?.dsn, tunnel });
    expect(response.status()).toBe(200);
    expectNoCredentials(response, tunnel);
    await expectWholeReport(toProject(project));
  });

  test("ET-022 through a tunnel of the page's own origin, which hands the envelope on, the same arrives", async () => {
    const project = projects[2];
    site.tunnelTo(`${server.url}/api/${project?.id}/envelope/`);
    const response = await reportError({ dsn: project?.dsn, tunnel: site.tunnelUrl });
    expect(response.status()).toBe(200);
    expectNoCredentials(response, site.tunnelUrl);
    await expectWholeReport(toProject(project));
  });

  test("ET-012 ET-078 the SDK can read the rate limit of a refusal, and the page why it was refused", async () => {
    const full = await installSignalbox({
      dataDirectory: join(directory, "full"),
      env: { SIGNALBOX_STORAGE_MIN_FREE: "1000TiB" },
    });
    const { dsn } = toProject(await full.command("project", "create", "full"));
    const refusing = await full.start();
    try {
      const { page } = browser;
      const response = await reportError({ dsn });
      expect(response.status()).toBe(429);
      const limit = { "x-sentry-rate-limits": "60::organization:backpressure", "retry-after": "60" };
      await expect.poll(() => answersOf(browser)).toEqual([{ statusCode: 429, headers: limit }]);

      // What any script of the page can see of such an answer.
      const seen = await page.evaluate(async (url) => {
        const answer = await fetch(url, { method: "POST", body: "{}" });
        return [...answer.headers.keys()];
      }, response.url());
      expect(seen).toEqual(
        expect.arrayContaining(["retry-after", "x-correlation-id", "x-sentry-error", "x-sentry-rate-limits"]),
      );
    } finally {
      await refusing.stop();
    }
  });
});

interface Project {
  readonly id: number;
  readonly dsn: string;
}

interface Issue {
  readonly fingerprint: number;
  readonly name: string;
  readonly title: string;
  readonly event_count: number;
}

interface Payload {
  readonly exception: { readonly values: readonly { readonly stacktrace: { readonly frames: readonly object[] } }[] };
  readonly breadcrumbs: { readonly values: readonly object[] };
}

/** The tunnel's address as it was given, and nothing that says who sends. */
function expectNoCredentials(response: Response, tunnel: string): void {
  expect(response.url()).toBe(tunnel);
  const headers = Object.keys(response.request().headers());
  expect(headers).not.toContain("x-sentry-auth");
  expect(headers).not.toContain("authorization");
}

/** What the SDK made of the answers that it got. */
function answersOf({ page }: TestBrowser): Promise<unknown> {
  return page.evaluate(() => Reflect.get(globalThis, "sentryAnswers"));
}

/** Whether what the SDK posts is an error; it also posts sessions. */
function isEvent(envelope: string | null): boolean {
  return envelope?.split("\n")[1]?.startsWith('{"type":"event"') ?? false;
}

function toProject(value: unknown): Project {
  const id: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "id") : undefined;
  if (typeof id !== "number") throw new Error(`no project in ${JSON.stringify(value)}`);
  return { id, dsn: textOf(value, "dsn") };
}

function textOf(value: unknown, name: string): string {
  const text: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  if (typeof text !== "string") throw new Error(`no ${name} in ${JSON.stringify(value)}`);
  return text;
}
