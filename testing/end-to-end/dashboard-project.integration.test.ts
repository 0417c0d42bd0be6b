import { join } from "node:path";
import { openDatabase } from "@signalbox/database";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard } from "./dashboard.js";
import { errorEvent } from "./error-event.js";

const needed = requireServers(["chromium"]);

/** What a project is sent and what it decides: its intake and its settings. */
describe.skipIf(needed.skip)(needed.title("intake and settings of a project"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: false });
    page = board.page;
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await store("sentry.python/2.1.0", JSON.stringify(errorEvent("Stored", "It broke")));
    await store("sentry.python/2.1.0", "{ this is no JSON");
    await store("sentry.ruby/5.0.0", "nor is this");
    await vi.waitFor(async () => expect(await board.countIssues("It broke")).toBe(1), patienceMs);
  }, 180_000);

  afterAll(() => board?.close());

  const region = (name: string): Locator => page.getByRole("region", { name, exact: true });
  const store = (client: string, body: string): Promise<Response> => {
    const { host, username } = new URL(board.dsn);
    return fetch(`http://${host}/api/1/store/?sentry_key=${username}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "x-sentry-auth": `Sentry sentry_client=${client}, sentry_key=${username}`,
      },
      body,
    });
  };
  interface Key {
    readonly label: string;
    readonly active: boolean;
    readonly dsn: string;
    readonly expires_at: string | null;
    readonly quotas: readonly { readonly limit: number; readonly window_s: number }[];
  }
  const keyCalled = async (label: string): Promise<Key | undefined> =>
    ((await board.ask("/api/v1/projects/1/keys")) as Key[]).find((key) => key.label === label);

  test("UI-036 each SDK and version says what of it was accepted and what could not be read, and why", async () => {
    await vi.waitFor(
      async () => expect(((await board.ask("/api/v1/projects/1/errors/sdks")) as unknown[]).length).toBe(2),
      patienceMs,
    );
    await board.open("/projects/1/ledger");
    const table = page.getByRole("table", { name: "SDKs" });
    const python = table.getByRole("row").filter({ hasText: "sentry.python" });
    await python.getByText("2.1.0").waitFor();
    await python.getByText("partly unreadable").waitFor();
    const ruby = table.getByRole("row").filter({ hasText: "sentry.ruby" });
    await ruby.getByText("nothing readable").waitFor();
    await expect.poll(() => ruby.locator("code").count()).toBeGreaterThan(0);
    expect(await python.locator("time").count()).toBe(1);
  });

  test("the ledger is shown by outcome, by category and by key, as a chart and as a table", async () => {
    await board.open("/projects/1/ledger");
    await region("What became of it").getByText("Stored", { exact: true }).waitFor();
    await page.getByText("Category", { exact: true }).click();
    await page.waitForURL(/group=category/);
    await page.getByRole("table", { name: "By category" }).getByRole("cell", { name: "error" }).waitFor();
    await page.getByText("Key", { exact: true }).click();
    await page.waitForURL(/group=key/);
    await page.getByRole("table", { name: "By key" }).getByRole("cell", { name: "Default" }).waitFor();
    await page.getByText("Table", { exact: true }).click();
    await page.waitForURL(/view=table/);
    await page.getByRole("table", { name: "Items per hour" }).waitFor();
  });

  test("UI-009 dead letters show their bytes and their reason; replay and deletion say how many first", async () => {
    // Something that the edge has taken becomes unreadable while it waits.
    const post = (path: string) => board.ask(path, { method: "POST" });
    await post("/api/v1/events/subscriptions/error_tracking.digest/pause");
    for (const id of ["a", "b", "c"])
      await board.send({ ...errorEvent("Unreadable", "It will be broken"), event_id: id.repeat(32) });
    const path = join(String(board.installation.env["SIGNALBOX_DATA_DIR"]), "signalbox.db");
    const database = await openDatabase({ path });
    const broken = await database.run(
      `update event_deliveries set body = replace(body, '"content":"{', '"content":"[') where body like '%It will be broken%'`,
    );
    await database.close();
    expect(broken.changes).toBe(3);
    await post("/api/v1/events/subscriptions/error_tracking.digest/resume");
    const dead = async (): Promise<number> =>
      ((await board.ask("/api/v1/projects/1/errors/dead-letters?state=dead")) as unknown[]).length;
    await expect.poll(dead, { timeout: patienceMs }).toBe(3);

    await board.open("/projects/1/ledger");
    const table = page.getByRole("table", { name: "Dead letters" });
    await table.getByRole("row").filter({ hasText: "aaaaaaaa" }).getByRole("button").click();
    const letter = page.getByRole("dialog", { name: "Dead letter" });
    await letter
      .getByLabel(/^Bytes of/)
      .getByText("It will be broken")
      .waitFor();
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      letter.getByRole("button", { name: "Save the bytes" }).click(),
    ]);
    expect(saved.suggestedFilename()).toBe(`${"a".repeat(32)}-1.bin`);
    await page.keyboard.press("Escape");
    await letter.waitFor({ state: "detached" });

    await table.getByRole("row").filter({ hasText: "aaaaaaaa" }).getByRole("checkbox").check();
    await page.getByRole("button", { name: "Delete …" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete 1 dead letter" }).click();
    await page.getByText("1 letter deleted.").waitFor();
    await expect.poll(dead, { timeout: patienceMs }).toBe(2);
    await page.getByRole("button", { name: "Replay all 2 …" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Replay 2 dead letters" }).click();
    await page.getByText("2 letters will be stored again.").waitFor();
    const replays = async (): Promise<unknown> =>
      ((await board.ask("/api/v1/projects/1/errors/dead-letters?state=dead")) as { replay_count: number }[]).map(
        ({ replay_count: count }) => count,
      );
    await expect.poll(replays, { timeout: patienceMs }).toEqual([1, 1]);
  });

  test("keys are made, limited, replaced and disabled, and what is disabled is good again by one click", async () => {
    await board.open("/projects/1/settings");
    await page.getByLabel("Name of a new key").fill("Mobile");
    await page.getByRole("button", { name: "Create" }).click();
    const row = page.getByRole("table", { name: "Keys" }).getByRole("row").filter({ hasText: "Mobile" }).first();
    await row.waitFor();

    await row.getByRole("button", { name: "Limits" }).click();
    const limits = page.getByRole("dialog");
    await limits.getByRole("button", { name: "Add a limit" }).click();
    await limits.getByLabel("At most").fill("250");
    await limits.getByRole("button", { name: "Save" }).click();
    await page.getByText("at most 250 items in a minute").waitFor();
    expect((await keyCalled("Mobile"))?.quotas).toMatchObject([{ limit: 250, window_s: 60 }]);

    await row.getByRole("button", { name: "Disable" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Disable 1 key" }).click();
    await page.getByText("The key Mobile is disabled.").waitFor();
    expect((await keyCalled("Mobile"))?.active).toBe(false);
    await page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(async () => (await keyCalled("Mobile"))?.active, { timeout: patienceMs }).toBe(true);

    await row.getByRole("button", { name: "Rotate" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Replace" }).click();
    await page.getByText("replaced", { exact: true }).waitFor();
    expect((await keyCalled("Mobile"))?.expires_at).not.toBeNull();
  });

  test("programs of each language get their lines with the project's address filled in", async () => {
    await board.open("/projects/1/settings?language=Python");
    await page.getByRole("button", { name: "Copy the snippet for Python" }).click();
    expect(await page.evaluate("navigator.clipboard.readText()")).toContain(`sentry_sdk.init(dsn="${board.dsn}")`);
    await page.getByRole("tab", { name: "Go", exact: true }).click();
    await page.waitForURL(/language=Go/);
    await page.getByRole("tabpanel").getByText(board.dsn).waitFor();

    // What is offered without an SDK is typed in as it is.
    await page.getByRole("tab", { name: "Terminal", exact: true }).click();
    await page.getByRole("button", { name: "Copy the snippet for Terminal" }).click();
    const line = await page.evaluate<string>("navigator.clipboard.readText()");
    const [, address = "", header = "", body = ""] = /curl "(\S+)" -H "content-type: (\S+)" -d '(.+)'/.exec(line) ?? [];
    const answer = await fetch(address, { method: "POST", headers: { "content-type": header }, body });
    expect(answer.status, line).toBe(200);
    await expect.poll(() => board.countIssues("It works"), { timeout: patienceMs }).toBe(1);
  });

  test("what is taken out is tried while it is decided, and kept; limits of the project are set", async () => {
    await board.open("/projects/1/settings");
    const kept = region("What is kept");
    await kept
      .getByText(/"email": "ada@example.com"/)
      .last()
      .waitFor();
    await kept.getByRole("button", { name: "Add a rule" }).click();
    await kept.getByText(/"email": "\[/).waitFor();
    await kept.getByRole("button", { name: "Save" }).click();
    await page.getByText("The settings are saved.").waitFor();
    const project = (await board.ask("/api/v1/projects/1")) as { settings: { scrubbing: { rules: unknown } } };
    expect(project.settings.scrubbing.rules).toMatchObject([{ type: "email", method: "replace" }]);

    await page.getByRole("button", { name: "Change the project's" }).click();
    const limits = page.getByRole("dialog");
    await limits.getByRole("button", { name: "Add a limit" }).click();
    await limits.getByLabel("At most").last().fill("5000");
    await limits.getByRole("button", { name: "Save" }).click();
    await page.getByText("The limits of the project are saved.").waitFor();
    await region("Quotas").getByText("of the project, in a minute").first().waitFor();
    await region("Quotas")
      .getByText(/of 5,000$/)
      .waitFor();
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("Failed to load resource"))).toEqual([]);
  });
});
