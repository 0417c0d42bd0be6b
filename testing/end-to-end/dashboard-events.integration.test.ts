import { join } from "node:path";
import { openDatabase } from "@signalbox/database";
import { noMetrics, silentLogger, systemClock } from "@signalbox/kernel";
import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { cell, type Dashboard, patienceMs, startDashboard, violationsInBothThemes } from "./dashboard.js";

const needed = requireServers(["chromium"]);
const polling = { timeout: patienceMs, interval: 250 };
const giver = "merge_requests.update_head_pipeline";
const message = "The configuration of the pipeline has no stages";

/** Events of the forge: what there is, who got what, what was given up. */
describe.skipIf(needed.skip)(needed.title("the pages of events"), () => {
  let board: Dashboard;
  let page: Page;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
    await rememberFirstVersion();
    await vi.waitFor(async () => expect((await deadLetters()).length).toBeGreaterThanOrEqual(2), polling);
  }, 240_000);

  afterAll(() => board?.close());

  const deadLetters = async (): Promise<readonly { id: string; correlation_id: string }[]> =>
    (await board.ask("/api/v1/events/dead?state=dead&limit=100")) as { id: string; correlation_id: string }[];

  /** What a release of the forge before this one left behind. */
  const rememberFirstVersion = async (): Promise<void> => {
    const path = join(String(board.installation.env["SIGNALBOX_DATA_DIR"]), "signalbox.db");
    const database = await openDatabase({ path, logger: silentLogger, metrics: noMetrics, clock: systemClock });
    const properties = { pipeline_id: { type: "integer" }, outcome: { type: "string" }, seconds: { type: "integer" } };
    const schema = JSON.stringify({ type: "object", required: ["pipeline_id", "seconds"], properties });
    await database.runMany("insert into event_schemas (type, version, schema, seen_at_ms) values (?, ?, ?, ?)", [
      ["ci.pipeline_finished", 1, schema, systemClock.nowMs()],
    ]);
    await database.close();
  };

  /** Id of the newest event of the type of which the log says so. */
  const newestOf = async (type: string, filter = ""): Promise<string> => {
    let found = "";
    await vi.waitFor(async () => {
      const [entry] = (await board.ask(`/api/v1/events/log?type=${type}&${filter}&limit=1`)) as { event_id: string }[];
      found = entry?.event_id ?? "";
      expect(found).not.toBe("");
    }, polling);
    return found;
  };

  /** One that a handler said to have nothing to do with. */
  const ignoredEvent = async (type: string): Promise<string> => {
    let found: string | undefined;
    await vi.waitFor(async () => {
      const entries = (await board.ask(`/api/v1/events/log?type=${type}&settlement=done&limit=100`)) as {
        event_id: string;
        ignored?: boolean;
      }[];
      found = entries.find(({ ignored }) => ignored)?.event_id;
      expect(found).toBeDefined();
    }, polling);
    return found ?? "";
  };

  test("UI-050 the catalogue shows of an event its owner, schema, example, versions, publishers, subscribers and how it fares", async () => {
    await newestOf("ci.pipeline_finished", "settlement=done");
    await page.goto(`${board.url}/events/catalogue?type=ci.pipeline_finished`);
    const item = page.locator('[data-active="true"]').filter({ hasText: "ci.pipeline_finished" });
    await item.getByText("All jobs of a pipeline have ended.").waitFor();
    await item.getByText("Owned by ci · continuous integration · version 2").waitFor();
    for (const label of ["in 24 h", "p95", "failed"]) await item.getByText(label, { exact: true }).waitFor();

    const publishers = item.getByRole("table", { name: "Publishers" });
    await publishers.getByText("Published by ci").waitFor();
    await publishers.getByText("git push").first().waitFor();
    await publishers.getByRole("link", { name: "merge_requests.head_pipeline_updated" }).waitFor();
    const subscribers = item.getByRole("table", { name: "Subscribers" });
    await subscribers.getByRole("row", { name: /notifications\.tell_author always/ }).waitFor();
    const fields = item.getByRole("table", { name: "Fields" });
    await fields.getByRole("row", { name: /duration_ms optional integer How long its jobs took/ }).waitFor();
    await item.getByText('"duration_ms": 94000').waitFor();

    const versions = item.getByRole("table", { name: "From version 1 to version 2" });
    await versions.getByRole("row", { name: "/duration_ms added – integer, optional" }).waitFor();
    await versions.getByRole("row", { name: "/seconds removed integer, required –" }).waitFor();
    await versions.getByRole("row", { name: /\/outcome changed/ }).waitFor();
  });

  test("UI-050 conditions are shown as they are written; what is deprecated and what nobody listens to is marked and found", async () => {
    await page.goto(`${board.url}/events/catalogue?type=merge_requests.opened`);
    const subscribers = page.getByRole("table", { name: "Subscribers" });
    await subscribers.getByText("(event) => !event.data.draft").waitFor();
    const kinds = page.getByRole("radiogroup", { name: "Which types" });
    await kinds.getByText("Nobody listens").click();
    await page.waitForURL(/kind=orphaned/);
    const types = page.getByRole("main").getByRole("heading");
    await page.getByRole("main").getByText("merge_requests.updated").waitFor();
    expect(await types.filter({ hasText: "ci.pipeline_created" }).count()).toBe(0);
    expect(await page.getByText("nobody listens", { exact: true }).count()).toBeGreaterThan(0);
    await kinds.getByText("Deprecated").click();
    await page.waitForURL(/kind=deprecated/);
    const item = page.getByRole("button", { name: /merge_requests\.updated/ });
    await item.getByText("deprecated", { exact: true }).waitFor();
    await item.click();
    await page.getByText("replacedBy: merge_requests.head_pipeline_updated").waitFor();
    await page.getByLabel("Search event types").fill("no such type");
    await page.getByText("No event type matches").waitFor();
  });

  test("UI-051 the graph is panned, zoomed, narrowed to contexts, and shows what an event reaches; the list says the same", async () => {
    await newestOf("ci.pipeline_finished");
    await page.goto(`${board.url}/events/graph`);
    const drawing = page.getByRole("main").locator("svg[aria-label^='Graph of events']");
    await drawing.waitFor();
    const viewBox = async (): Promise<number[]> =>
      ((await drawing.getAttribute("viewBox")) ?? "").split(" ").map(Number);
    const [, , width = 0] = await viewBox();
    await page.getByRole("button", { name: "Zoom in" }).click();
    await expect.poll(async () => (await viewBox())[2], polling).toBeLessThan(width);
    const [x = 0] = await viewBox();
    const box = await drawing.boundingBox();
    if (box === null) throw new Error("The graph is not there.");
    await page.mouse.move(box.x + box.width / 2, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 - 120, box.y + 20, { steps: 4 });
    await page.mouse.up();
    await expect.poll(async () => (await viewBox())[0], polling).toBeGreaterThan(x);
    await page.getByRole("button", { name: "Show all" }).click();
    await expect.poll(async () => (await viewBox())[2], polling).toBe(width);

    const node = (name: string): Locator => drawing.getByRole("button", { name, exact: true });
    await node("event ci.pipeline_created").focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/node=event/);
    await page.getByText("and leads to merge_requests.head_pipeline_updated").waitFor();
    for (const reached of [
      "event ci.pipeline_finished",
      "subscriber notifications.tell_author",
      "subscriber ci.run_jobs",
    ])
      expect(await node(reached).getAttribute("opacity"), reached).toBe("1");
    for (const other of ["event merge_requests.opened", "subscriber search.index_merge_request"])
      expect(await node(other).getAttribute("opacity"), other).not.toBe("1");

    await page.goto(`${board.url}/events/graph?contexts=search`);
    await node("event merge_requests.opened").waitFor();
    expect(await node("event ci.pipeline_created").count()).toBe(0);

    await page.goto(`${board.url}/events/graph`);
    await page.getByText("List", { exact: true }).click();
    await page.waitForURL(/view=list/);
    const list = page.getByRole("table", { name: "Events and who listens" });
    const row = list.getByRole("row", { name: /^ci\.pipeline_created/ });
    await row.getByText(giver).waitFor();
    await row.getByText('only if (event) => event.data.ref !== "refs/heads/main"').waitFor();
  });

  test("UI-052 an event shows its envelope, who got it, who did not and why, each attempt, and where it stands among its causes", async () => {
    const finished = await newestOf("ci.pipeline_finished");
    await page.goto(`${board.url}/events/${finished}`);
    const tree = page.getByRole("list", { name: "Causation" });
    await tree.getByText("this event").waitFor();
    const types = await tree.getByRole("listitem").allInnerTexts();
    expect(types[0]).toContain("ci.pipeline_created");
    expect(types[1]).toContain("merge_requests.head_pipeline_updated");
    expect(await tree.locator("[aria-current]").allInnerTexts()).toEqual([
      expect.stringContaining("ci.pipeline_finished"),
    ]);
    await page.getByRole("region", { name: "Payload" }).getByText("It is not kept any more").waitFor();
    await tree.getByRole("link", { name: "ci.pipeline_created" }).click();
    await page.getByRole("heading", { level: 1, name: "ci.pipeline_created" }).waitFor();

    await page.goto(`${board.url}/events/${await newestOf("ci.pipeline_created", "decision=condition_false")}`);
    const got = page.getByRole("region", { name: "Who got it" });
    await got.getByText(giver).waitFor();
    await got.getByText("not delivered, because its condition was not met").waitFor();

    await page.goto(`${board.url}/events/${await ignoredEvent("ci.pipeline_finished")}`);
    await got.getByText("nothing to do").first().waitFor();
    await got.getByText("its handler looked at the event and said that it did not concern it").first().waitFor();

    const [letter] = await deadLetters();
    await page.goto(`${board.url}/events/${letter?.id.split(".")[0]}`);
    for (const attempt of ["attempt 1", "attempt 2", "attempt 3"]) {
      const row = got.getByRole("row", { name: new RegExp(attempt) }).filter({ hasText: `TypeError: ${message}` });
      await row.getByText(/\d (µs|ms|s)$/).waitFor();
    }
    await got.getByText("given up, see the dead letters").waitFor();
    const envelope = page.getByRole("table", { name: "Envelope" });
    await envelope.getByRole("row", { name: /^correlationid/ }).waitFor();
    await page.getByRole("region", { name: "Payload" }).getByText('"ref": "refs/heads/new-runner"').waitFor();
  });

  test("UI-052 who may only read sees an event's payload without what is sensitive in it, and nothing to replay", async () => {
    const [letter] = await deadLetters();
    await become(await board.createToken("events:read"));
    try {
      await page.goto(`${board.url}/events/${letter?.id.split(".")[0]}`);
      const payload = page.getByRole("region", { name: "Payload" });
      await payload.getByText('"author": "[redacted]"').waitFor();
      await payload.getByText("scope events:admin").waitFor();
      await page.goto(`${board.url}/events/dead`);
      await page.getByRole("button", { name: "Show letters" }).first().waitFor();
      expect(await page.getByRole("button", { name: "Replay" }).count()).toBe(0);
    } finally {
      await become(board.token);
    }
  });

  test("UI-053 dead letters are grouped by who gave up and why; one is replayed after a trial, at a rate, with its progress and result", async () => {
    await page.goto(`${board.url}/events/dead`);
    const group = page.getByRole("region", { name: `Letters of ${giver}/ci.pipeline_created` });
    await group.getByText("TypeError", { exact: true }).waitFor();
    await group.getByText("all attempts failed, 3 attempts").waitFor();
    await group.getByRole("button", { name: "One of them" }).click();
    await group.getByText("at stagesOf").waitFor();
    await group.getByRole("button", { name: "Show letters" }).click();
    await page.waitForURL(/group=/);
    await group.getByRole("button", { name: "Replay this one" }).first().click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("1 letter would be delivered again").waitFor();
    await dialog.getByLabel("Letters per second").fill("7");
    const sent = page.waitForRequest(
      (request) => request.url().endsWith("/dead/replay") && request.method() === "POST",
    );
    await dialog.getByRole("button", { name: "Replay" }).click();
    expect((await sent).postDataJSON()).toMatchObject({ ids: [expect.any(String)], ratePerSecond: 7 });
    const progress = page.getByRole("region", { name: "Replay" });
    await progress.getByRole("progressbar").first().waitFor({ state: "attached" });
    // Nobody has mended the pipeline meanwhile.
    await progress.getByText("The replay is over: 0 of 1 handled now, 1 failed again").waitFor();
    await page.getByRole("table", { name: "What was done by hand" }).getByText("replay").first().waitFor();
  });

  test("UI-053 a group is replayed, and what a query finds is discarded with a reason", async () => {
    const [letter] = await deadLetters();
    const correlation = letter?.correlation_id ?? "";
    await page.goto(`${board.url}/events/dead`);
    const group = page.getByRole("region", { name: `Letters of ${giver}/ci.pipeline_created` });
    await group.getByRole("button", { name: "Replay", exact: true }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/\d+ letters? would be delivered again/).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();

    const search = page.getByRole("search", { name: "Dead letters" });
    await search.getByLabel("Part of the message").fill("no stages");
    await search.getByLabel("Correlation id").fill(correlation);
    await search.getByRole("button", { name: "Filter" }).click();
    await page.waitForURL(/text=no\+stages.*correlation_id=/);
    await page.getByText("1 letter matches").waitFor();
    await page.getByRole("button", { name: "Replay all that match" }).click();
    await dialog.getByText("1 letter would be delivered again").waitFor();
    await dialog.getByRole("button", { name: "Replay" }).click();
    await page.getByText("The replay is over: 0 of 1 handled now, 1 failed again").waitFor();

    await page.getByText("1 letter matches").waitFor();
    await page.getByRole("button", { name: "Discard all that match" }).click();
    const discard = dialog.getByRole("button", { name: "Discard 1" });
    expect(await discard.isDisabled()).toBe(true);
    await dialog.getByLabel("Reason").fill("the branch is gone");
    await discard.click();
    await page.getByText("No dead letter matches").waitFor();
    await page.getByRole("table", { name: "What was done by hand" }).getByText("the branch is gone").waitFor();
    expect((await deadLetters()).map((one) => one.correlation_id)).not.toContain(correlation);
  });

  test("UI-054 queues show what waits, since when, how much is done how fast, how many at once and what was retried", async () => {
    await page.goto(`${board.url}/events/queues`);
    const table = page.getByRole("table", { name: "Queues" });
    const row = table.getByRole("row", { name: new RegExp(giver.replaceAll(".", "\\.")) });
    await row.waitFor();
    for (const name of ["Waiting", "Oldest", "Running", "Attempts, 1 h", "Retried", "Dead", "p50 / p95"])
      await table.getByRole("columnheader", { name }).waitFor();
    await row.getByText(/of 8$/).waitFor();
    await row.getByRole("img", { name: /^\d+ attempts in an hour$/ }).waitFor();
    await expect.poll(async () => Number(await cell(table, row, "Retried")), polling).toBeGreaterThan(0);
    expect(await cell(table, row, "p50 / p95")).toMatch(/^[\d.]+ (µs|ms|s) \/ [\d.]+ (µs|ms|s)$/);
  });

  test("UI-054 a subscriber that is paused lets its queue grow, and works it off when it goes on", async () => {
    await page.goto(`${board.url}/events/queues`);
    const table = page.getByRole("table", { name: "Queues" });
    const row = table.getByRole("row", { name: /search\.index_merge_request/ });
    await row.getByRole("button", { name: "Pause" }).click();
    await row.getByText("paused", { exact: true }).waitFor();
    await expect.poll(async () => Number(await cell(table, row, "Waiting")), polling).toBeGreaterThan(0);
    await expect.poll(() => cell(table, row, "Oldest"), polling).not.toBe("–");
    await row.getByRole("button", { name: "Resume" }).click();
    await row.getByRole("button", { name: "Pause" }).waitFor();
    await expect.poll(async () => Number(await cell(table, row, "Waiting")), polling).toBe(0);
  });

  test("axe finds no serious violation on an event, on a type and on letters, in neither theme", async () => {
    const finished = await newestOf("ci.pipeline_finished");
    const [group] = (await board.ask("/api/v1/events/dead/groups?state=dead&limit=1")) as { fingerprint: string }[];
    for (const [path, showing] of [
      [`/events/${finished}`, "this event"],
      ["/events/catalogue?type=ci.pipeline_finished", "/duration_ms"],
      [`/events/dead?group=${group?.fingerprint}`, "Replay this one"],
      ["/events/graph?node=event%20ci.pipeline_created", "and leads to"],
    ] as const)
      expect(await violationsInBothThemes(page, `${board.url}${path}`, showing), path).toEqual([]);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !/40[13]/.test(text))).toEqual([]);
  });

  /** Goes on as whoever has the token. */
  const become = async (token: string): Promise<void> => {
    const status = await page.evaluate(
      (bearer) =>
        fetch("/api/v1/session", { method: "POST", headers: { authorization: `Bearer ${bearer}` } }).then(
          (answer) => answer.status,
        ),
      token,
    );
    expect(status).toBe(201);
  };
});
