import { readFile } from "node:fs/promises";
import { systemClock } from "@signalbox/kernel";
import { kinds } from "@signalbox/nostr";
import { signEvent, testSigner } from "@signalbox/nostr/testing";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard, violationsInBothThemes } from "./dashboard.js";

const needed = requireServers(["chromium"]);
const polling = { timeout: patienceMs, interval: 250 };

interface Entry {
  readonly id: string;
  readonly kind: string;
  readonly title: string;
}

/** One journey of the forge that timed out, with everything that carried its id. */
describe.skipIf(needed.skip)(needed.title("the page of a timeline"), () => {
  let board: Dashboard;
  let page: Page;
  let correlation: string;

  beforeAll(async () => {
    board = await startDashboard({ forge: true });
    page = board.page;
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    correlation = await findStory();
  }, 240_000);

  afterAll(() => board?.close());

  const entriesOf = async (id: string): Promise<readonly Entry[]> =>
    ((await board.ask(`/api/v1/timeline/${id}`)) as { entries: readonly Entry[] }).entries;

  /** A journey that timed out whose error and attempts are known, and a Nostr event that somebody sent because of it. */
  const findStory = async (): Promise<string> => {
    let found = "";
    await vi.waitFor(async () => {
      const { runs } = (await board.ask("/api/v1/experience/runs?state=timed_out&experience=run_pipeline")) as {
        runs: readonly { correlation_id: string }[];
      };
      for (const { correlation_id: id } of runs) {
        const seen = new Set((await entriesOf(id)).map(({ kind }) => kind));
        if (["journey", "event", "attempt", "error"].every((kind) => seen.has(kind))) found = id;
      }
      expect(found).not.toBe("");
    }, polling);
    await sendNostrEvent(found);
    await vi.waitFor(async () => {
      expect((await entriesOf(found)).map(({ kind }) => kind)).toContain("relay_event");
    }, polling);
    return found;
  };

  const sendNostrEvent = async (id: string): Promise<void> => {
    let address = "";
    await vi.waitFor(async () => {
      const [repository] = (await board.ask("/api/v1/relay/repositories?limit=1")) as { address: string }[];
      address = repository?.address ?? "";
      expect(address).not.toBe("");
    }, polling);
    const { url } = (await board.ask("/api/v1/relay/status")) as { url: string };
    const event = signEvent(testSigner("a person"), {
      kind: kinds.issue,
      created_at: Math.floor(systemClock.nowMs() / 1_000),
      tags: [["a", address]],
      content: "My pipeline never ended",
    });
    const socket = new WebSocket(url, { headers: { "x-correlation-id": id } });
    try {
      const answer = await new Promise<string>((resolve, reject) => {
        socket.once("error", reject);
        socket.once("open", () => socket.send(JSON.stringify(["EVENT", event])));
        socket.once("message", (data) => resolve(String(data)));
      });
      expect(JSON.parse(answer).slice(0, 3)).toEqual(["OK", event.id, true]);
    } finally {
      socket.close();
    }
  };

  test("UI-070 journeys, events and handlers, errors and relay events stand on one axis, with lines from causes to what they caused", async () => {
    await page.goto(`${board.url}/timeline`);
    await page.getByLabel("Correlation id").fill(correlation.toLowerCase());
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL(/\/timeline\/./);
    const axis = page.getByRole("region", { name: "Timeline" });
    for (const lane of ["Journeys", "Events and handlers", "Errors", "Relay"])
      await axis.getByText(lane, { exact: true }).waitFor();
    await axis.getByRole("button", { name: "journey run_pipeline: timed_out" }).waitFor();
    await axis.getByRole("button", { name: /^event ci\.pipeline_created: / }).waitFor();
    await axis
      .getByRole("button", { name: /^error TypeError: / })
      .first()
      .waitFor();
    // An attempt stands on another line than the event that it handles.
    expect(await axis.locator("svg path").count()).toBeGreaterThanOrEqual(2);
    const table = page.getByRole("table", { name: "Entries" });
    expect(await table.getByRole("row").count()).toBe((await entriesOf(correlation)).length + 1);
  });

  test("UI-070 what is clicked opens beside the axis with its cause; the link shows somebody else the same", async () => {
    await page.goto(`${board.url}/timeline/${correlation}`);
    const axis = page.getByRole("region", { name: "Timeline" });
    const attempt = axis.getByRole("button", { name: /^attempt merge_requests\.update_head_pipeline.*: dead$/ });
    await attempt.click();
    await page.waitForURL(/entry=/);
    const selected = page.getByRole("region", { name: "Selected" });
    await selected.getByText("TypeError: The configuration of the pipeline has no stages").first().waitFor();
    await selected.getByText("Caused by").waitFor();
    const [axisBox, selectedBox] = [await axis.boundingBox(), await selected.boundingBox()];
    expect(selectedBox?.x).toBeGreaterThan((axisBox?.x ?? 0) + (axisBox?.width ?? 0));

    await page.getByRole("button", { name: "Copy the link" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const link = await page.evaluate<string>("navigator.clipboard.readText()");
    expect(link).toBe(page.url());
    const other = await board.browser.context.newPage();
    await other.goto(link);
    await other.getByRole("region", { name: "Selected" }).getByText("Caused by").waitFor({ timeout: patienceMs });
    await other.close();

    await selected.getByRole("button", { name: "ci.pipeline_created", exact: true }).click();
    await selected.getByText("git push").waitFor();
    await selected.getByRole("link", { name: "ci.pipeline_created", exact: true }).click();
    await page.getByRole("heading", { level: 1, name: "ci.pipeline_created" }).waitFor();
    await page.goBack();
    await selected.getByRole("button", { name: "Close" }).click();
    await expect.poll(() => selected.count()).toBe(0);
  });

  test("UI-070 the axis is zoomed by keyboard, stays so in the address, and shows all again", async () => {
    await page.goto(`${board.url}/timeline/${correlation}`);
    const end = page.getByRole("slider", { name: "End of what is shown" });
    await end.waitFor();
    const journey = page.getByRole("button", { name: "journey run_pipeline: timed_out" });
    const error = page.getByRole("button", { name: /^error TypeError: / }).last();
    const before = (await error.boundingBox())?.x ?? 0;
    await end.focus();
    for (let step = 0; step < 30; step++) await end.press("ArrowLeft");
    await page.waitForURL(/zoom=0-97\d/);
    expect((await error.boundingBox())?.x).toBeGreaterThan(before);
    await page.reload();
    await journey.waitFor();
    expect(await end.getAttribute("aria-valuenow")).toMatch(/^97\d$/);
    await page.getByRole("button", { name: "Show all" }).click();
    await expect.poll(() => page.url()).not.toContain("zoom=");
  });

  test("UI-070 PF-072 it is exported as Markdown and as JSON", async () => {
    await page.goto(`${board.url}/timeline/${correlation}`);
    const save = async (name: string): Promise<string> => {
      const started = page.waitForEvent("download");
      await page.getByRole("link", { name }).click();
      const download = await started;
      expect(download.suggestedFilename()).toContain(correlation);
      return readFile(await download.path(), "utf8");
    };
    const markdown = await save("Export as Markdown");
    expect(markdown).toContain(`# Timeline of \`${correlation}\``);
    expect(markdown).toContain("TypeError: The configuration of the pipeline has no stages");
    const json: unknown = JSON.parse(await save("JSON"));
    expect(json).toMatchObject({ correlation_id: correlation });
  });

  test("PF-071 a journey that timed out lists its errors and failed attempts, and an error its journey and causes, on the page too", async () => {
    await page.goto(`${board.url}/timeline/${correlation}`);
    await page.getByRole("button", { name: "journey run_pipeline: timed_out" }).click();
    const selected = page.getByRole("region", { name: "Selected" });
    await selected.getByText("Belongs to it").waitFor();
    await selected
      .getByRole("button", { name: /^merge_requests\.update_head_pipeline/ })
      .first()
      .waitFor();
    await selected
      .getByRole("button", { name: /^TypeError: / })
      .first()
      .click();
    await selected.getByText("error", { exact: true }).first().waitFor();
    await selected.getByRole("button", { name: "run_pipeline", exact: true }).waitFor();
    await selected.getByRole("button", { name: "ci.pipeline_created", exact: true }).first().waitFor();
  });

  test("PF-071 the page says in one sentence why the journey failed and leads to the stack trace; so does the page of its run", async () => {
    const sentence =
      /^run_pipeline ran out of time after 12 s, .* because merge_requests\.update_head_pipeline failed 3 times and was given up: TypeError: The configuration of the pipeline has no stages\.$/;
    await page.goto(`${board.url}/timeline/${correlation}`);
    await page.getByText(sentence).waitFor();
    await page.goto(`${board.url}/experiences/runs/run_pipeline/${correlation}/1`);
    await page.getByText(sentence).waitFor();
    await page.getByRole("link", { name: "Show the stack trace" }).click();
    await page.getByRole("heading", { level: 1, name: "TypeError" }).waitFor();
    await page.getByLabel("Source").first().waitFor();
  });

  test("UI-004 who has no correlation id at hand finds journeys that failed lately", async () => {
    await page.goto(`${board.url}/timeline`);
    await page.getByRole("table", { name: "Journeys that failed lately" }).getByRole("link").first().click();
    await page.waitForURL(/\/timeline\/./);
    await page.getByRole("table", { name: "Entries" }).waitFor();
  });

  test("axe finds no serious violation on the axis with something selected, in neither theme", async () => {
    const attempt = (await entriesOf(correlation)).find(({ kind }) => kind === "attempt");
    const address = `${board.url}/timeline/${correlation}?entry=${encodeURIComponent(attempt?.id ?? "")}`;
    expect(await violationsInBothThemes(page, address, "Caused by")).toEqual([]);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !text.includes("401"))).toEqual([]);
  });
});
