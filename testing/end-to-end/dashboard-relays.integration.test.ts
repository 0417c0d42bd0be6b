import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocketServer } from "ws";
import { requireServers } from "../servers/require-servers.js";
import { cell, type Dashboard, patienceMs, startDashboard, violationsInBothThemes } from "./dashboard.js";

const needed = requireServers(["chromium"]);
const polling = { timeout: patienceMs, interval: 250 };
/** The forge names it in its announcements, and nobody listens there. */
const nobody = "ws://127.0.0.1:9";

interface Peer {
  readonly url: string;
  readonly status: string;
  readonly failures: number;
  readonly historic_sync_completed: boolean;
}

/** The relay of the forge, its neighbour, one that never answers, and one that is away. */
describe.skipIf(needed.skip)(needed.title("the pages of relays"), () => {
  let board: Dashboard;
  let page: Page;
  let silent: WebSocketServer;
  let silentUrl: string;
  let neighbour: string;

  beforeAll(async () => {
    silent = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(silent, "listening");
    silentUrl = `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    board = await startDashboard({
      forge: true,
      env: {
        SIGNALBOX_RELAY_SYNC_ALLOW_PRIVATE_TARGETS: "true",
        SIGNALBOX_RELAY_SYNC_BOOTSTRAP_RELAYS: silentUrl,
      },
    });
    page = board.page;
    await vi.waitFor(
      async () => {
        const found = (await peers()).find(({ url, historic_sync_completed: isDone }) => url !== silentUrl && isDone);
        expect(found?.status).toBe("connected");
        neighbour = found?.url ?? "";
      },
      { ...polling, timeout: 2 * patienceMs },
    );
    await vi.waitFor(async () => expect((await peerOf(nobody))?.failures).toBeGreaterThan(0), polling);
  }, 240_000);

  afterAll(async () => {
    await board?.close();
    for (const client of silent?.clients ?? []) client.terminate();
    silent?.close();
  });

  const peers = async (): Promise<readonly Peer[]> => (await board.ask("/api/v1/relay/peers?limit=100")) as Peer[];
  const peerOf = async (wanted: string): Promise<Peer | undefined> => (await peers()).find(({ url }) => url === wanted);
  const peerPage = (url: string): string => `${board.url}/relays/peers/${encodeURIComponent(url)}?range=1h`;

  test("UI-060 relays are listed with connection, health, failures, next attempt, what is synced, certified and under way; by state", async () => {
    await page.goto(`${board.url}/relays/peers`);
    const table = page.getByRole("table", { name: "Relays" });
    const rowOf = (url: string): Locator =>
      table.getByRole("row").filter({ has: page.getByRole("link", { name: url, exact: true }) });
    const good = rowOf(neighbour);
    await good.getByText("connected", { exact: true }).waitFor();
    await good.getByText("healthy", { exact: true }).waitFor();
    await good.getByText(/^\d+ events?$/).waitFor();
    await good.getByText("100 %").waitFor();
    await good
      .getByRole("img", { name: /^Announcements: complete, and proven, States: complete, and proven/ })
      .waitFor();
    expect(await cell(table, good, "Certified")).toMatch(/(ago|now)$/);
    expect(await cell(table, good, "Last success")).toMatch(/(ago|now)$/);

    const away = rowOf(nobody);
    await away.getByText("degraded", { exact: true }).waitFor();
    await away.getByText("connect ECONNREFUSED 127.0.0.1:9").waitFor();
    expect(Number(await cell(table, away, "Failures"))).toBeGreaterThan(0);
    await away.getByRole("img", { name: /^Announcements: not proven yet/ }).waitFor();

    const waiting = rowOf(silentUrl);
    await waiting.getByText("syncing", { exact: true }).waitFor();
    await waiting.getByText("configured", { exact: true }).waitFor();
    await waiting.getByText("1 × announcements, 0 received").waitFor();

    await page.getByRole("main").getByRole("combobox", { name: "Connection" }).click();
    await page.getByRole("option", { name: "syncing" }).click();
    await page.waitForURL(/status=syncing/);
    await expect.poll(() => good.count(), polling).toBe(0);
    expect(await waiting.count()).toBe(1);
    await page.goto(`${board.url}/relays/peers?health=degraded`);
    await away.waitFor();
    expect(await good.count()).toBe(0);
    await page.goto(`${board.url}/relays/peers?show=synced`);
    await good.waitFor();
    expect(await away.count()).toBe(0);
  });

  test("UI-061 a relay shows its states over time, its notices, its events by layer and how each was synced", async () => {
    await page.goto(peerPage(neighbour));
    await page.getByRole("img", { name: /^States over time: .*connected/ }).waitFor();
    const happened = page.getByRole("table", { name: "What happened" });
    for (const change of ["connecting → syncing", "syncing → connected"])
      await happened.getByText(change, { exact: true }).first().waitFor();
    const notice = happened.getByRole("row").filter({ hasText: "notice" });
    await notice
      .getByText(/unknown message: NEG-OPEN/)
      .filter({ visible: true })
      .first()
      .waitFor();
    const layers = page.getByRole("table", { name: "Layers" });
    for (const layer of ["Announcements", "States", "Repository events", "Conversations"]) {
      const row = layers.getByRole("row").filter({ hasText: layer });
      expect(Number(await cell(layers, row, "Events here")), layer).toBeGreaterThanOrEqual(0);
      await row.getByText("paged", { exact: true }).waitFor();
      await row.getByText("complete", { exact: true }).waitFor();
    }
    await page.getByText("until then its history is read in pages").waitFor();
  });

  test("UI-061 what a relay fails of is said, and batches under way with their method", async () => {
    await page.goto(peerPage(silentUrl));
    const batches = page.getByRole("table", { name: "Batches under way" });
    const row = batches.getByRole("row").filter({ hasText: "Announcements" });
    await row
      .getByText(/^(reconciling|paged, page \d+)/)
      .first()
      .waitFor();
    await page.goto(peerPage(nobody));
    await page.getByText(/^The last (\d+ attempts|attempt) failed$/).waitFor();
    await page
      .getByText(/connect ECONNREFUSED 127\.0\.0\.1:9/)
      .first()
      .waitFor();
  });

  test("UI-061 a relay is tried at once, synced anew after it was said what that is, and forgotten", async () => {
    await page.goto(peerPage(nobody));
    await page.getByRole("button", { name: "Retry now" }).waitFor();
    const before = (await peerOf(nobody))?.failures ?? 0;
    await page.getByRole("button", { name: "Retry now" }).click();
    await page.getByText("127.0.0.1:9 is called now.").waitFor();
    await expect.poll(async () => (await peerOf(nobody))?.failures, polling).toBeGreaterThan(before);

    await page.goto(peerPage(neighbour));
    await page.getByRole("button", { name: "Sync anew" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("sync everything anew").waitFor();
    await dialog.getByText("forget that it cannot reconcile").waitFor();
    await dialog.getByRole("button", { name: "Sync anew" }).click();
    const happened = page.getByRole("table", { name: "What happened" });
    await happened.getByText("repair").filter({ visible: true }).first().waitFor();

    await page.goto(peerPage(silentUrl));
    await page.getByRole("button", { name: "Forget" }).click();
    await dialog.getByText("The events that came from it stay.").waitFor();
    await dialog.getByRole("button", { name: "Forget" }).click();
    await page.waitForURL(/\/relays\/peers$/);
    await page.getByText(`${silentUrl.slice(5)} is forgotten.`).waitFor();
  });

  test("a repository shows its maintainers and through whom, refs by the newest state, its relays compared, and its conversations", async () => {
    await page.goto(`${board.url}/relays/repositories`);
    const table = page.getByRole("table", { name: "Repositories" });
    await table.getByRole("link", { name: "runner", exact: true }).waitFor();
    const [npub = ""] = await table
      .getByRole("row")
      .filter({ hasText: "Runs the jobs" })
      .getByText(/^npub1.+…/)
      .allInnerTexts();
    const owner = npub.trim();
    await table
      .getByRole("row")
      .filter({ hasText: "Merge requests" })
      .filter({ hasText: owner })
      .getByRole("link")
      .click();
    await page.getByRole("heading", { level: 1, name: "forge" }).waitFor();

    const maintainers = page.getByRole("table", { name: "Maintainers" });
    await maintainers.getByRole("row").filter({ hasText: "announced it" }).getByText(owner).waitFor();
    await maintainers.getByRole("row").filter({ hasText: "named by" }).getByText(owner).waitFor();
    const refs = page.getByRole("table", { name: "Branches and tags" });
    await refs.getByRole("row", { name: /main branch HEAD 9c1185a5c5e9/ }).waitFor();
    await refs.getByRole("row", { name: /v1\.4\.2 tag/ }).waitFor();
    const relays = page.getByRole("table", { name: "Relays" });
    await relays.getByText("this relay").waitFor();
    await relays.getByText("everything that it has is here, proven").waitFor();
    await relays.getByRole("row").filter({ hasText: nobody }).getByText("not compared yet").waitFor();
    const talks = page.getByRole("table", { name: "Issues, patches and pull requests" });
    for (const [name, status] of [
      ["patch Show how long a job waited", "applied"],
      ["issue The runner keeps its cache forever", "open"],
      ["issue Docs: how to announce a repository", "closed"],
      ["pull request Try the new runner proposes 27d1c8b6a594", "draft"],
    ] as const)
      await talks.getByRole("row").filter({ hasText: status }).and(talks.getByRole("row", { name })).first().waitFor();
    await page.getByRole("button", { name: "Copy the address to clone from" }).waitFor();
  });

  test("events that wait for what they refer to are listed with who sent them and how long they are kept", async () => {
    await page.goto(`${board.url}/relays/repositories`);
    const waiting = page.getByRole("table", { name: "Waiting events" });
    const row = waiting.getByRole("row").filter({ hasText: "the announcement of runner-base by" }).first();
    await row.getByText("kind 1111").waitFor();
    await row.getByText(neighbour).waitFor();
    expect(await cell(waiting, row, "Given up")).toMatch(/^in \d+ (min|sec)/);
  });

  test("axe finds no serious violation on a relay and on a repository, in neither theme", async () => {
    const repositories = (await board.ask("/api/v1/relay/repositories")) as { npub: string; identifier: string }[];
    const forge = repositories.find(({ identifier }) => identifier === "forge");
    for (const [address, showing] of [
      [peerPage(neighbour), "Events by layer"],
      [`${board.url}/relays/repositories/${forge?.npub}/forge`, "new-runner"],
    ] as const)
      expect(await violationsInBothThemes(page, address, showing), address).toEqual([]);
  });

  test("no page has made its script throw", () => {
    // A relay that has just been forgotten may be asked for once more.
    expect(board.browser.complaints.filter((text) => !/40[14]/.test(text))).toEqual([]);
  });
});
