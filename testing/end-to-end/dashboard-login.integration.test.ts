import { startTestIssuer, type TestIssuer } from "@signalbox/http/testing";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard } from "./dashboard.js";

const needed = requireServers(["chromium"]);
const cookieName = "signalbox_session";

/** Ways into the dashboard, each in a browser that knows nothing. */
describe.skipIf(needed.skip)(needed.title("who may see the dashboard"), () => {
  let board: Dashboard;
  let issuer: TestIssuer;
  let stranger: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    issuer = await startTestIssuer();
    const login = { issuer: issuer.url, client_id: issuer.login.clientId, label: "the forge" };
    board = await startDashboard({ forge: false, env: { SIGNALBOX_AUTH_ISSUERS: JSON.stringify([login]) } });
    await board.sendError("SeenByThoseWhoMay", "An error to look at");
  }, 180_000);

  afterAll(async () => {
    await board?.close();
    await issuer?.close();
  });

  beforeEach(async () => {
    issuer.login.claims = { sub: "alice", scope: "errors:read errors:write" };
    stranger = await startBrowser();
    page = stranger.page;
    page.setDefaultTimeout(patienceMs);
  });
  afterEach(() => stranger.close());

  const sessionCookie = async () => (await stranger.context.cookies()).find(({ name }) => name === cookieName);

  test("PF-035 a pasted token begins a session in a cookie that scripts cannot read; a wrong one does not", async () => {
    await page.goto(`${board.url}/overview`);
    await page.getByLabel("Token").fill("no token");
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("alert").waitFor();
    expect(await page.getByRole("navigation").count()).toBe(0);
    expect(await sessionCookie()).toBeUndefined();

    await page.getByLabel("Token").fill(board.token);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("navigation", { name: "Main" }).waitFor();
    expect(await sessionCookie()).toMatchObject({ httpOnly: true, sameSite: "Lax" });
    expect(await page.evaluate("document.cookie")).not.toContain(cookieName);
  });

  test("PF-035 UI-004 whose session ends with a page open is asked to log in, and goes on where they were", async () => {
    await page.goto(`${board.url}/projects/1/errors?query=SeenByThoseWhoMay`);
    await page.getByLabel("Token").fill(board.token);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("link", { name: "SeenByThoseWhoMay" }).waitFor();

    await stranger.context.clearCookies();
    await page.getByRole("link", { name: "Releases" }).click();
    await page.getByText("Your session has ended.").waitFor();
    await page.getByLabel("Token").fill(board.token);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "Releases" }).waitFor();

    // Who logs out knows that the session has ended.
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    expect(await page.getByText("Your session has ended.").count()).toBe(0);
  });

  test("PF-035 a click on the issuer's button logs in by code and PKCE, and comes back to the page that was asked for", async () => {
    const asked: URL[] = [];
    page.on("request", (request) => {
      if (request.url().startsWith(`${issuer.url}/authorize`)) asked.push(new URL(request.url()));
    });
    await page.goto(`${board.url}/projects/1/errors?range=7d`);
    await page.getByRole("link", { name: "Log in with the forge" }).click();
    await page.getByRole("link", { name: "SeenByThoseWhoMay" }).waitFor();
    expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe("/projects/1/errors?range=7d");
    // The issuer of this test gives no token to whoever cannot prove the challenge.
    expect(asked.map(({ searchParams }) => searchParams.get("code_challenge_method"))).toEqual(["S256"]);
    expect(await sessionCookie()).toMatchObject({ httpOnly: true, sameSite: "Lax" });
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByText("alice").waitFor();
    // What the token does not allow is not offered.
    expect(await page.getByRole("link", { name: "Queues" }).count()).toBe(0);
  });

  test("PF-035 whose token allows nothing here is told so, and stays outside", async () => {
    issuer.login.claims = { sub: "mallory", scope: "nothing" };
    await page.goto(`${board.url}/overview`);
    await page.getByRole("link", { name: "Log in with the forge" }).click();
    await page
      .getByRole("alert")
      .getByText(/does not allow anything here/)
      .waitFor();
    expect(await page.getByRole("navigation").count()).toBe(0);
    expect(await sessionCookie()).toBeUndefined();
  });

  test("PF-035 a change without the session's CSRF token is refused, and the page's own carries it", async () => {
    await page.goto(`${board.url}/projects/1/errors`);
    await page.getByRole("link", { name: "Log in with the forge" }).click();
    await page.getByRole("link", { name: "SeenByThoseWhoMay" }).click();
    await page.getByRole("heading", { level: 1, name: "SeenByThoseWhoMay" }).waitFor();
    const issue = new URL(page.url()).pathname.split("/").at(-1);
    // As another site's page would do it: with the cookie, which the browser adds by itself.
    const refused = await page.evaluate<{ status: number; code: string }>(`
      fetch("/api/v1/projects/1/errors/${issue}", {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ status: "resolved" }),
      }).then(async (answer) => ({ status: answer.status, code: (await answer.json()).code }))`);
    expect(refused).toEqual({ status: 403, code: "csrf_token_invalid" });
    const changed = page.waitForRequest((request) => request.method() === "PATCH");
    await page.getByRole("button", { name: "Resolve", exact: true }).click();
    expect((await changed).headers()["x-csrf-token"]).toMatch(/^[\w-]{43}$/);
    await page.getByRole("button", { name: "Reopen" }).waitFor();
  });

  test("PF-035 who logs out is outside, also with a page that was open", async () => {
    await page.goto(`${board.url}/overview`);
    await page.getByLabel("Token").fill(board.token);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("button", { name: "Account" }).click();
    await page.getByRole("menuitem", { name: "Log out" }).click();
    await page.getByLabel("Token").waitFor();
    expect(await sessionCookie()).toBeUndefined();
    await page.goto(`${board.url}/projects/1/errors`);
    await page.getByLabel("Token").waitFor();
  });
});
