import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startBrowser, type TestBrowser } from "@signalbox/testing/browser";
import { type ClickHouseHttpServer, requireServers, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type FullServer, startFullServer } from "./testing/full-server.js";

const run = promisify(execFile);

let engine: ClickHouseHttpServer;
let server: FullServer;

beforeAll(async () => {
  engine = await startClickHouseHttp();
});
afterAll(() => engine?.stop());
beforeEach(async () => {
  server = await startFullServer({ analyticsUrl: engine.url });
});
afterEach(() => server.close());

const errors = (path: string): string => `/api/v1/projects/${server.projectId}/errors${path}`;

test("ET-051 ET-052 ET-053 ET-054 the unmodified SDK for Node sends what is no event, and it is stored", async () => {
  const program = fileURLToPath(new URL("../../testing/sdk-apps/node-items.mjs", import.meta.url));
  await run(process.execPath, [program], { env: { ...process.env, SENTRY_DSN: server.dsn } });
  await server.settled();

  const [monitor] = (await server.call("GET", errors("/monitors"))).json;
  expect(monitor).toMatchObject({
    slug: "nightly-backup",
    schedule: { type: "crontab", value: "0 3 * * *" },
    checkin_margin_m: 5,
    max_runtime_m: 10,
    timezone: "Europe/Berlin",
    last_status: "ok",
  });
  const checkIns = (await server.call("GET", errors("/monitors/nightly-backup/check-ins"))).json;
  expect(checkIns).toMatchObject([{ status: "ok", environment: "staging", trace_id: expect.any(String) }]);

  const [issue] = (await server.call("GET", errors(""))).json;
  const [said] = (await server.call("GET", errors(`/${issue.fingerprint}/feedback`))).json;
  expect(said).toMatchObject({
    message: "My basket is empty again",
    name: "Ann",
    email: "ann@example.com",
    url: "https://shop.example/basket",
    release: "shop@2.1.0",
    environment: "staging",
    fingerprint: issue.fingerprint,
  });
  const picture = errors(`/events/${said.id}/attachments/1`);
  const download = await fetch(server.url + picture, { headers: { authorization: "Bearer all" } });
  expect(Buffer.from(await download.arrayBuffer())).toEqual(Buffer.from([137, 80, 78, 71]));
  expect(download.headers.get("content-type")).toBe("image/png");

  const sessions = await server.analytics.query<Record<string, unknown>>(
    `SELECT release, environment, status, toUInt32(errors) AS errors FROM error_sessions FINAL
    WHERE project_id = {project:UInt64} ORDER BY errors`,
    { project: server.projectId },
  );
  const session = { release: "shop@2.1.0", environment: "staging", status: "exited" };
  // The one that the SDK began by itself, and the one of the program.
  expect(sessions).toEqual([
    { ...session, errors: 0 },
    { ...session, errors: 1 },
  ]);
});

test("ET-056 transactions, logs and metrics of the unmodified SDK for Node are counted beside the error that is stored", async () => {
  const program = fileURLToPath(new URL("../../testing/sdk-apps/node-telemetry.mjs", import.meta.url));
  await run(process.execPath, [program], { env: { ...process.env, SENTRY_DSN: server.dsn } });
  await server.settled();

  expect((await server.call("GET", errors(""))).json).toMatchObject([{ title: "Error: the basket is empty" }]);
  const ledger = async () => (await server.call("GET", errors("/ledger"))).json;
  const counted = async () => (await ledger()).outcomes.not_stored?.reasons;
  await expect.poll(counted, { timeout: 30_000 }).toEqual({ log: 2, trace_metric: 2, transaction: 1 });
  const { balance, outcomes } = await ledger();
  expect([balance, Object.keys(outcomes).toSorted()]).toEqual([0, ["not_stored", "stored"]]);
});

const needed = requireServers(["chromium"]);

describe.skipIf(needed.skip)(needed.title("Chromium"), () => {
  let browser: TestBrowser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser?.close());

  /** A page on an origin of its own. */
  async function openPage(html: string, headers: Record<string, string> = {}): Promise<string> {
    const site = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/html", ...headers }).end(html);
    });
    await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      site.closeAllConnections();
      site.close();
    });
    const address = site.address();
    const url = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/shop`;
    await browser.page.goto(url);
    return url;
  }

  test("ET-003 ET-152 what a page's policy blocks is reported to the address in it, and grouped by what was blocked", async () => {
    const policy = `default-src 'self'; script-src 'self'; img-src 'self'; report-uri ${server.ingest("/security/")}&sentry_release=site%407&sentry_environment=live`;
    const url = await openPage(
      `<title>Shop</title><script>document.title = "hacked"</script>
      <img src="http://images.invalid/a.png"><img src="http://images.invalid/b.png">`,
      { "content-security-policy": policy },
    );
    expect(await browser.page.title()).toBe("Shop");
    await expect
      .poll(
        async () =>
          (await server.call("GET", errors(""))).json.reduce(
            (sum: number, { event_count: n }: { event_count: number }) => sum + n,
            0,
          ),
        { timeout: 20_000 },
      )
      .toBe(3);
    await server.settled();
    const issues = (await server.call("GET", errors("?sort=frequency_desc"))).json;
    expect(issues).toMatchObject([
      { title: "Blocked 'image' from 'images.invalid'", event_count: 2, level: "warning", actor: "img-src" },
      { title: "Blocked inline script", event_count: 1, level: "warning" },
    ]);
    const event = await server.call("GET", errors(`/${issues[0].fingerprint}/events/latest`));
    expect(JSON.parse(event.json.payload)).toMatchObject({
      type: "csp",
      logger: "csp",
      release: "site@7",
      environment: "live",
      request: { url },
      contexts: { browser: { name: "Chrome" } },
      tags: expect.arrayContaining([["effective-directive", "img-src"]]),
    });
  });

  test("ET-163 the dialog of a crash asks the user of a page, and what they say is stored", async () => {
    await openPage("<title>Shop</title><h1>Shop</h1>");
    const { page } = browser;
    const eventId = "a".repeat(32);
    const query = new URLSearchParams({ dsn: server.dsn, eventId, name: "Ann", title: "<b>Oh no</b>" });
    // As the SDK loads it.
    const src = JSON.stringify(`${server.url}/forge/api/embed/error-page/?${query}`);
    await page.evaluate(
      `document.head.append(Object.assign(document.createElement("script"), { async: true, crossOrigin: "anonymous", src: ${src} }))`,
    );
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    expect(await dialog.getByRole("heading").textContent()).toBe("<b>Oh no</b>");
    await dialog.getByRole("button", { name: "Submit" }).click();
    await dialog.getByText("Please fill in all fields.").waitFor();
    await dialog.getByLabel("Email").fill("ann@example.com");
    await dialog.getByLabel("What happened?").fill("I clicked & it broke");
    await dialog.getByRole("button", { name: "Submit" }).click();
    await dialog.getByText("Your feedback has been sent. Thank you!").waitFor();
    const closed = page.evaluate(
      `new Promise((resolve) => addEventListener("message", ({ data }) => resolve(data), { once: true }))`,
    );
    await page.keyboard.press("Escape");
    expect(await closed).toBe("__sentry_reportdialog_closed__");
    await server.settled();
    expect((await server.call("GET", errors("/feedback"))).json).toMatchObject([
      { event_id: eventId, name: "Ann", email: "ann@example.com", message: "I clicked & it broke" },
    ]);
  });
});
