import { createClient } from "@signalbox/experience-sdk";
import type { Page, Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startBrowser, type TestBrowser } from "../servers/browser.js";
import { requireServers } from "../servers/require-servers.js";
import { type ExperienceServer, startExperienceServer, sum } from "./experience-server.js";
import { type JourneySite, openJourneySite } from "./journey-site.js";

const needed = requireServers(["chromium"]);
const definitions = {
  checkout: { feature_category: "shop", urgency: "sync_fast" },
  import_project: { feature_category: "importers", urgency: "async_fast" },
};
const batchPath = "/api/v1/experience/checkpoints/batch";

describe.skipIf(needed.skip)(needed.title("the build for browsers, in pages of another origin"), () => {
  let site: JourneySite;
  let signalbox: ExperienceServer;
  let browser: TestBrowser;
  let page: Page;

  beforeAll(async () => {
    site = await openJourneySite();
    [signalbox, browser] = await Promise.all([
      startExperienceServer({ SIGNALBOX_EXPERIENCE_CORS_ORIGINS: site.origin }),
      startBrowser(),
    ]);
  });

  beforeEach(async () => {
    site.options = { endpoint: signalbox.server.url, token: signalbox.writeToken, definitions };
    site.head = "";
    site.headers = {};
    page = await browser.context.newPage();
  });

  afterEach(async () => {
    await page.close();
    await browser.context.unrouteAll();
    await browser.context.setOffline(false);
    // What one test left is not for the next one.
    const cleaning = await browser.context.newPage();
    await cleaning.goto(`${site.origin}/elsewhere`);
    await cleaning.evaluate("localStorage.clear()");
    await cleaning.close();
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await signalbox?.close();
  });

  /** Opens the page with these options beside the usual ones. */
  async function open(options: Readonly<Record<string, unknown>> = {}): Promise<void> {
    site.options = { ...site.options, ...options };
    await page.goto(site.pageUrl);
  }

  const text = async (code: string, on = page): Promise<string> => String(await on.evaluate(code));
  /** Resolves with its correlation id. */
  const start = (id = "checkout", on = page): Promise<string> => text(`client.start("${id}").correlationId`, on);
  const flush = (on = page): Promise<unknown> => on.evaluate("client.flush()");
  const keptKeys = (on = page): Promise<string[]> => on.evaluate("Object.keys(localStorage)");
  const stateOf = (correlationId: string, id = "checkout"): Promise<string> => signalbox.stateOf(id, correlationId);
  const categoriesOf = async (correlationId: string): Promise<unknown[]> => {
    const { body } = await signalbox.get(`/api/v1/experience/runs/checkout/${correlationId}`);
    return body.timeline.map((entry: Record<string, unknown>) => entry["checkpoint_category"] ?? entry["checkpoint"]);
  };
  /** Checkpoints that counted of a component that no other test is. */
  const countedOf = async (type: string): Promise<number> =>
    sum(await signalbox.metrics("gitlab_covered_experience_checkpoint_total"), `type="${type}"`);
  /** The batches that a page posts from now on. */
  const batchesOf = (on: Page): Request[] => {
    const batches: Request[] = [];
    on.on("request", (request) => {
      if (request.method() === "POST" && request.url().endsWith(batchPath)) batches.push(request);
    });
    return batches;
  };
  /** The page as one of a tab that nobody looks at. */
  const hide = `
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
    document.dispatchEvent(new Event("visibilitychange"));`;

  test("XP-130 XP-175 XP-700 a journey of a page is started, gets on and ends at the tracker, as type browser", async () => {
    await open();
    const correlationId = await text(`
      window.journey = client.start("checkout", { basket: 3 });
      journey.checkpoint("paid").complete().correlationId`);
    expect(await flush()).toEqual({ sent: 3, pending: 0 });
    const { body } = await signalbox.get(`/api/v1/experience/runs/checkout/${correlationId}`);
    expect(body.state).toBe("succeeded");
    expect(body.timeline).toMatchObject([
      { checkpoint: "start", type: "browser" },
      { checkpoint: "intermediate", checkpoint_category: "paid" },
      { checkpoint: "end" },
    ]);
    expect(await page.evaluate("warnings")).toEqual([]);
  });

  test("XP-130 get gives the handle that was started last on the page, ended or not, and each start a journey of its own", async () => {
    await open();
    const seen = await page.evaluate(`(() => {
      const before = client.get("checkout").state;
      const first = client.start("checkout");
      const second = client.start("checkout");
      const last = [client.get("checkout") === second, first.correlationId !== second.correlationId];
      client.get("checkout").complete();
      return [before, ...last, client.get("checkout").state, first.state, client.current().length];
    })()`);
    expect(seen).toEqual(["unstarted", true, true, "ended", "active", 0]);
  });

  test("XP-130 XP-041 XP-044 XP-046 the calls are those of Node: work that fails, discards, things that are over", async () => {
    await open();
    const [failed, discarded] = (await page.evaluate(`(async () => {
      let failed;
      const work = async (journey) => { failed = journey.correlationId; throw new RangeError("no money"); };
      const caught = await client.start("checkout", {}, work).catch((error) => error);
      const discarded = client.start("checkout").discard("user_error").correlationId;
      client.observed("import_project", { startTime: Date.now() - 2_000, endTime: new Date() });
      await client.flush();
      return [failed, discarded, caught instanceof RangeError];
    })()`)) as [string, string, boolean];
    expect(await stateOf(failed)).toBe("failed");
    expect(await stateOf(discarded)).toBe("discarded");
    expect(await page.evaluate("client.stats()")).toMatchObject({ sent: 6, queueEvents: 0, breakerOpen: false });
  });

  test("XP-131 what a page recorded just before it is left arrives, with its token, by a request that outlives it", async () => {
    await open({ maxBatchWaitMs: 3_600_000 });
    const correlationId = await text('client.start("checkout").checkpoint("submitted").correlationId');
    // Another origin, where nobody delivers what the page kept.
    await page.goto("about:blank");
    await expect.poll(() => stateOf(correlationId)).toBe("open");
    await expect.poll(() => categoriesOf(correlationId)).toEqual(["start", "submitted"]);
  });

  test("XP-131 so does what was recorded just before the tab is closed", async () => {
    const tab = await browser.context.newPage();
    site.options = { ...site.options, maxBatchWaitMs: 3_600_000 };
    await tab.goto(site.pageUrl);
    const correlationId = await start("checkout", tab);
    await tab.close({ runBeforeUnload: true });
    await expect.poll(() => stateOf(correlationId)).toBe("open");
  });

  test("XP-131 a hidden page sends without waiting for a timer, and what it records while hidden too", async () => {
    await open({ maxBatchWaitMs: 3_600_000 });
    const before = await start();
    await page.evaluate(hide);
    await expect.poll(() => stateOf(before)).toBe("open");
    // In a tab in the background timers come late or never.
    const during = await text('(window.setTimeout = () => 0, client.start("checkout").complete().correlationId)');
    await expect.poll(() => stateOf(during)).toBe("succeeded");
  });

  test("XP-131 XP-132 of a hundred journeys that end with the page no body exceeds 60,000 bytes, nor all that outlive it; the next page brings the rest", async () => {
    await open({ maxBatchWaitMs: 3_600_000, maxBatchEvents: 500, type: "websockets" });
    await page.evaluate(`
      window.kept = [];
      const send = window.fetch;
      window.fetch = (input, init) => {
        window.kept.push([init.keepalive, init.body.length]);
        return send(input, init);
      };`);
    await page.evaluate(`
      for (let count = 0; count < 100; count++) client.start("checkout", { note: "x".repeat(800) }).complete();`);
    const sizes = (await page.evaluate(`${hide}; new Promise((resolve) => setTimeout(() => resolve(kept), 0))`)) as [
      boolean,
      number,
    ][];
    expect(sizes.length).toBeGreaterThan(1);
    for (const [, bytes] of sizes) expect(bytes).toBeLessThanOrEqual(60_000);
    const outliving = sizes.filter(([keepalive]) => keepalive).map(([, bytes]) => bytes);
    expect(outliving.length).toBeGreaterThan(0);
    expect(outliving.reduce((total, bytes) => total + bytes, 0)).toBeLessThanOrEqual(60_000);
    await page.goto(site.pageUrl);
    await expect.poll(() => keptKeys()).toEqual([]);
    await expect.poll(() => countedOf("websockets")).toBe(200);
  });

  test("XP-132 what two tabs could not send while the tracker was away is brought by the next page, once", async () => {
    const other = await browser.context.newPage();
    await browser.context.route(`**${batchPath}`, (route) => route.abort("connectionrefused"));
    await open({ type: "database" });
    await other.goto(site.pageUrl);
    const tabs = [page, other];
    const ids = await Promise.all(tabs.map((tab) => text('client.start("checkout").complete().correlationId', tab)));
    await page.goto(`${site.origin}/elsewhere`);
    await other.close({ runBeforeUnload: true });
    const kept = async () =>
      (await keptKeys()).filter((key) => key.startsWith(`experience-sdk:${signalbox.server.url}:`));
    await expect.poll(async () => (await kept()).length).toBe(2);
    await browser.context.unroute(`**${batchPath}`);
    await open();
    for (const id of ids) await expect.poll(() => stateOf(id)).toBe("succeeded");
    await expect.poll(kept).toEqual([]);
    await expect.poll(() => countedOf("database")).toBe(4);
  });

  test.each([
    ["is forbidden", 'Object.defineProperty(window, "localStorage", { get() { throw new Error("denied"); } })'],
    ["is full", 'Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); }'],
    ["was filled with something else", 'localStorage.setItem("experience-sdk:x:01ARZ3NDEKTSV4RRFFQ69G5FAV", "{")'],
  ])("XP-132 where storage %s a page works as ever, and nobody hears of it", async (_what, code) => {
    await page.addInitScript(code);
    const complaints: string[] = [];
    page.on("pageerror", ({ message }) => complaints.push(message));
    await open();
    const correlationId = await start();
    await page.evaluate(hide);
    await expect.poll(() => stateOf(correlationId)).toBe("open");
    expect([complaints, await page.evaluate("warnings")]).toEqual([[], []]);
  });

  test("XP-083 XP-084 a tracker that asks for time gets it, and then everything once", async () => {
    await open({ maxBatchWaitMs: 0 });
    const at: number[] = [];
    await page.route(`**${batchPath}`, async (route) => {
      if (route.request().method() !== "POST" || at.push(performance.now()) > 1) return route.continue();
      const headers = {
        "access-control-allow-origin": site.origin,
        "access-control-expose-headers": "retry-after",
        "retry-after": "2",
      };
      return route.fulfill({ status: 503, headers, body: "{}" });
    });
    const correlationId = await text('client.start("checkout").complete().correlationId');
    await expect.poll(() => stateOf(correlationId)).toBe("succeeded");
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1_900);
    expect(await page.evaluate("client.stats()")).toMatchObject({ sent: 2, retried: 2 });
  });

  test("XP-087 a page that is offline keeps what it records, in order, and sends it when it is online again", async () => {
    await open({ maxBatchWaitMs: 0 });
    await browser.context.setOffline(true);
    const correlationId = await text('(window.journey = client.start("checkout")).checkpoint("far").correlationId');
    await expect.poll(() => page.evaluate("client.stats().breakerOpen")).toBe(true);
    await page.evaluate("journey.complete()");
    await browser.context.setOffline(false);
    await expect.poll(() => stateOf(correlationId), { timeout: 60_000 }).toBe("succeeded");
    expect(await categoriesOf(correlationId)).toEqual(["start", "far", "end"]);
  });

  test("XP-086 a token that ran out is asked for anew, and nothing is lost", async () => {
    const { token: _, ...rest } = site.options;
    site.options = { ...rest, refreshed: signalbox.writeToken };
    await page.goto(site.pageUrl);
    const correlationId = await text('client.start("checkout").complete().correlationId');
    expect(await flush()).toEqual({ sent: 2, pending: 0 });
    expect(await stateOf(correlationId)).toBe("succeeded");
    expect(await page.evaluate("refreshes")).toEqual([false, true]);
  });

  test("XP-217 XP-345 XP-346 a browser whose clock is a day ahead has its journeys judged by how long they took", async () => {
    await page.addInitScript("const now = Date.now; Date.now = () => now() + 86_400_000;");
    await open();
    const correlationId = await text('client.start("checkout").complete().correlationId');
    await flush();
    const { body } = await signalbox.get(`/api/v1/experience/runs/checkout/${correlationId}`);
    expect(body).toMatchObject({ state: "succeeded", verdict: { apdex_success: true } });
    expect(body.timeline[0].anomalies).toContain("clock_corrected");
  });

  test("XP-131 a page that the browser kept and gives back goes on with its journey", async () => {
    await open({ maxBatchWaitMs: 3_600_000 });
    const correlationId = await text("(window.journey = client.start('checkout')).correlationId");
    await page.evaluate('dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }))');
    await expect.poll(() => stateOf(correlationId)).toBe("open");
    await page.evaluate(`
      dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
      journey.checkpoint("back").complete();`);
    await flush();
    expect(await categoriesOf(correlationId)).toEqual(["start", "back", "end"]);
    expect(await keptKeys()).toEqual([]);
  });

  test("XP-040 XP-130 under a strict content security policy it works where it may connect, else it only warns", async () => {
    const policy = (connect: string) => ({
      "content-security-policy": `default-src 'none'; script-src 'self'; ${connect}`,
    });
    site.headers = policy(`connect-src ${signalbox.server.url}`);
    await open();
    const correlationId = await start();
    expect(await flush()).toEqual({ sent: 1, pending: 0 });
    expect(await stateOf(correlationId)).toBe("open");
    site.headers = policy("connect-src 'self'");
    await open({ maxBatchWaitMs: 0 });
    await start();
    await expect
      .poll(() => page.evaluate("warnings"))
      .toEqual(["the experience tracker cannot be reached; checkpoints wait"]);
  });

  test("XP-111 XP-112 XP-113 a journey goes from the server into its page and back, under one correlation id", async () => {
    const server = createClient({
      endpoint: signalbox.server.url,
      token: signalbox.writeToken,
      type: "web",
      definitions: {
        checkout: { description: "A user pays", ...definitions.checkout },
      },
    });
    const [correlationId, carried] = server.withContext(
      () => [server.start("checkout").correlationId ?? "", server.inject<Record<string, string>>({})] as const,
    );
    await server.shutdown();
    site.head = Object.entries(carried)
      .map(([name, value]) => `<meta name="${name}" content="${value}">`)
      .join("");
    await open();
    site.calls.length = 0;
    await page.evaluate(`(async () => {
      const call = sdk.instrumentFetch(client);
      const journey = client.resume("checkout", sdk.pageCarrier());
      await call("/api", { method: "POST" });
      client.start("import_project");
      await sdk.instrumentFetch(client, fetch, { experiences: [journey] })("/api");
      await call("data:text/plain,elsewhere");
      journey.complete();
      await client.flush();
    })()`);
    expect(await stateOf(correlationId)).toBe("succeeded");
    expect(await categoriesOf(correlationId)).toEqual(["start", "resume", "end"]);
    for (const headers of site.calls) {
      expect(headers["x-correlation-id"]).toBe(correlationId);
      expect(headers["x-covered-experiences"]).toBe(carried["X-Covered-Experiences"]);
    }
    expect(site.calls).toHaveLength(2);
  });

  test("XP-115 errors that @sentry/browser reports carry the correlation id of their journey", async () => {
    await open();
    const [own, newest] = (await page.evaluate(`(async () => {
      report(new Error("of no journey"));
      let own;
      const work = async (journey) => { own = journey.correlationId; throw new Error("of this journey"); };
      const failing = client.start("checkout", {}, work);
      const { correlationId } = client.start("import_project");
      await failing.catch(report);
      report(new Error("of whatever is under way"));
      return [own, correlationId];
    })()`)) as [string, string];
    await expect
      .poll(() => page.evaluate("reported"))
      .toEqual([undefined, { correlation_id: own }, { correlation_id: newest }]);
  });

  test("XP-082 a page compresses what is long, as long as somebody looks at it", async () => {
    await open();
    const batches = batchesOf(page);
    await page.evaluate('client.start("checkout", { note: "x".repeat(1_000) })');
    expect(await flush()).toEqual({ sent: 1, pending: 0 });
    await start();
    expect(await flush()).toEqual({ sent: 1, pending: 0 });
    expect(batches.map((request) => request.headers()["content-encoding"])).toEqual(["gzip", undefined]);
  });

  test("XP-089 a client that was shut down sends and listens no more", async () => {
    await open({ maxBatchWaitMs: 3_600_000 });
    const correlationId = await start();
    const batches = batchesOf(page);
    expect(await page.evaluate("client.shutdown()")).toEqual({ sent: 1, pending: 0 });
    await page.evaluate(`client.start("checkout"); ${hide}`);
    expect(await page.evaluate("client.stats().dropped.closed")).toBe(1);
    expect([await stateOf(correlationId), batches.length, await keptKeys()]).toEqual(["open", 1, []]);
  });
});
