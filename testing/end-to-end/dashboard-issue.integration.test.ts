import type { Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { requireServers } from "../servers/require-servers.js";
import { type Dashboard, patienceMs, startDashboard, tooWideBy } from "./dashboard.js";
import { errorEvent } from "./error-event.js";

const needed = requireServers(["chromium"]);
const eventIds = [1, 2, 3].map((number) => `${number}`.repeat(32));

/** The page of one issue, with what the test sends. */
describe.skipIf(needed.skip)(needed.title("the page of an issue"), () => {
  let board: Dashboard;
  let page: Page;
  let path = "";

  interface Shown {
    readonly fingerprint: number;
    readonly name: string;
    readonly status: string;
    readonly assigned_to: string | null;
    readonly resolution: Readonly<Record<string, unknown>> | null;
    readonly event_count: number;
  }
  const issuesNamed = async (name: string, query = ""): Promise<readonly Shown[]> =>
    ((await board.ask(`/api/v1/projects/1/errors?limit=100&query=${encodeURIComponent(query)}`)) as Shown[]).filter(
      (issue) => issue.name === name,
    );
  const issueOf = async (name: string): Promise<Shown> => {
    const find = async (): Promise<Shown> => {
      const [issue] = await issuesNamed(name, `is:[unresolved, resolved, ignored] "${name}"`);
      if (issue === undefined) throw new Error(`There is no issue ${name} yet.`);
      return issue;
    };
    return vi.waitFor(find, patienceMs);
  };
  const openIssue = async (name: string, search = ""): Promise<void> => {
    const { fingerprint } = await issueOf(name);
    await board.open(`/projects/1/errors/${fingerprint}${search}`);
    await page.getByRole("tab", { name: "Stack trace" }).waitFor();
  };
  const now = async (name: string): Promise<Shown> => {
    const { fingerprint } = await issueOf(name);
    return (await board.ask(`/api/v1/projects/1/errors/${fingerprint}`)) as Shown;
  };
  const tab = async (name: string): Promise<Locator> => {
    await page.getByRole("tab", { name }).click();
    return page.getByRole("tabpanel");
  };
  const clipboard = (): Promise<string> => page.evaluate<string>("navigator.clipboard.readText()");

  beforeAll(async () => {
    board = await startDashboard({ forge: false });
    page = board.page;
    await board.browser.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const nowMs = Date.now();
    for (const [index, id] of eventIds.entries()) await board.send(richEvent(id, nowMs - (3 - index) * 60_000));
    await vi.waitFor(async () => expect((await issueOf("CheckoutFailed")).event_count).toBe(3), patienceMs);
    path = `/projects/1/errors/${(await issueOf("CheckoutFailed")).fingerprint}`;
    await attach(eventIds[2] ?? "");
    await say(eventIds[2] ?? "");
  }, 180_000);

  afterAll(() => board?.close());

  const envelope = async (event: string, header: object, payload: string): Promise<void> => {
    const { host, username } = new URL(board.dsn);
    const answer = await fetch(`http://${host}/api/1/envelope/?sentry_key=${username}`, {
      method: "POST",
      body: [JSON.stringify({ event_id: event }), JSON.stringify(header), payload].join("\n"),
    });
    if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  };
  const attach = (event: string): Promise<void> =>
    envelope(event, { type: "attachment", filename: "cart.log", content_type: "text/plain", length: 9 }, "two shoes");
  const say = (event: string): Promise<void> =>
    envelope(
      event,
      { type: "user_report" },
      JSON.stringify({ event_id: event, name: "Ada", email: "ada@example.com", comments: "I only wanted shoes." }),
    );

  test("UI-031 the chain of exceptions with source, own code or all frames, in both orders, and the column at fault", async () => {
    await board.open(path);
    const trace = page.getByRole("tabpanel");
    await trace.getByText("CheckoutFailed", { exact: true }).waitFor();
    await trace.getByText("caused by").waitFor();
    await trace.getByText("CardRefused", { exact: true }).waitFor();
    const source = trace.getByLabel("Source").first();
    expect(await source.innerText()).toContain("charge(card, total)");
    expect(await source.innerText()).toContain("total = sum(cart)");
    expect(await source.locator("span[style*=underline]").innerText()).toBe("c");
    await trace.getByRole("table", { name: "Local variables" }).first().getByText("total").waitFor();

    // Frames of libraries are folded until they are asked for.
    expect(await trace.getByText("dispatch_request").count()).toBe(0);
    await trace.getByText("2 frames of libraries and the runtime").first().click();
    await trace.getByText("dispatch_request").first().waitFor();
    await page.getByText("All frames", { exact: true }).click();
    await page.waitForURL(/stack=all/);
    const first = async (): Promise<string> =>
      (
        await trace
          .getByText(/^(checkout|charge)$/)
          .first()
          .innerText()
      ).trim();
    expect(await first()).toBe("checkout");
    await page.getByText("Oldest first", { exact: true }).click();
    await page.waitForURL(/frames=oldest/);
    await trace.getByText("which led to").waitFor();
    expect(await first()).toBe("charge");
  });

  test("UI-031 the trace is copied as text and as Markdown, the whole event raw", async () => {
    await board.open(path);
    const copy = async (form: string): Promise<string> => {
      await page.getByRole("button", { name: "Copy the stack trace" }).click();
      await page.getByRole("menuitem", { name: `Copy as ${form}` }).click();
      await page.getByText(`The stack trace is copied as ${form}.`).first().waitFor();
      return clipboard();
    };
    expect(await copy("text")).toMatch(/^CheckoutFailed: .*\n {4}at checkout \(shop\/checkout.py:42:5\)\n/);
    expect(await copy("Markdown")).toMatch(/^```\nCheckoutFailed: /);
    await tab("Raw");
    await page.getByRole("button", { name: "Copy the event", exact: true }).click();
    expect(JSON.parse(await clipboard())).toMatchObject({ transaction: "POST /checkout" });
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Copy as Markdown" }).click();
    await page.getByText("The issue is copied as Markdown.").waitFor();
    expect(await clipboard()).toContain("CheckoutFailed");
  });

  test("UI-031 UI-002 threads, and breadcrumbs with a filter; what is chosen stands in the address", async () => {
    await board.open(path);
    const threads = page.getByRole("region", { name: "Threads" });
    await threads.getByText("crashed", { exact: true }).waitFor();
    await threads.getByRole("combobox", { name: "Thread" }).click();
    await page.getByRole("option", { name: "worker 7" }).click();
    await page.waitForURL(/thread=1/);
    await threads.getByText("wait_for_job").waitFor();

    const crumbs = await tab("Breadcrumbs (2)");
    await crumbs.getByText("GET /cart").waitFor();
    await crumbs.getByRole("textbox", { name: "Filter breadcrumbs" }).fill("pay");
    await page.waitForURL(/crumbs=pay/);
    await expect.poll(() => crumbs.getByText("GET /cart").count()).toBe(0);
    await crumbs.getByText("pay clicked").waitFor();
    await page.reload();
    await page.getByText("pay clicked").waitFor();
    expect(await page.getByText("GET /cart").count()).toBe(0);
  });

  test("UI-031 tags with their distribution, contexts, user, request as curl, modules, SDK and what was changed on the way in", async () => {
    await board.open(path);
    const tags = page.getByRole("region", { name: "Tags" });
    await tags.getByRole("img", { name: /^color: (red|blue): 66\.7%/ }).waitFor();
    const details = await tab("Details");
    for (const [title, fact] of [
      ["User", "ada@example.com"],
      ["Request", "POST https://shop.example/checkout"],
      ["runtime", "CPython"],
      ["SDK", "sentry.python"],
      ["Modules (2)", "flask"],
      ["Extra", "cart-17"],
    ] as const)
      await details.getByRole("table", { name: title }).getByText(fact).first().waitFor();
    await details.getByRole("button", { name: "Copy as curl" }).click();
    expect(await clipboard()).toContain("curl -X 'POST' --url 'https://shop.example/checkout'");
    const notes = details.getByRole("alert");
    await notes.getByText(/password.* was taken out/).waitFor();
    await notes.getByText(/tags\.cart.*: not of the form/).waitFor();
  });

  test("UI-031 attachments, feedback of people, the list of events, and the way from one to the next", async () => {
    await board.open(path);
    await page.getByRole("region", { name: "User feedback" }).getByText("I only wanted shoes.").waitFor();
    const files = await tab("Attachments (1)");
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      files.getByRole("link", { name: "cart.log" }).click(),
    ]);
    expect(saved.suggestedFilename()).toBe("cart.log");

    await tab("All events");
    const events = page.getByRole("table", { name: "Events of the issue" });
    await expect.poll(() => events.getByRole("row").count()).toBe(4);
    await events.getByRole("button", { name: "111111111111" }).click();
    await page.waitForURL(new RegExp(`event=${eventIds[0]}`));
    const shown = page.getByText(/^event [123]{12}$/);
    const click = (name: string) => page.getByRole("button", { name, exact: true }).click();
    await expect.poll(() => shown.innerText()).toBe("event 111111111111");
    expect(await page.getByRole("button", { name: "Older event" }).isDisabled()).toBe(true);
    await click("Newer event");
    await expect.poll(() => shown.innerText()).toBe("event 222222222222");
    await click("Newest event");
    await expect.poll(() => shown.innerText()).toBe("event 333333333333");
    await click("First event");
    await expect.poll(() => shown.innerText()).toBe("event 111111111111");
    await page.locator("body").press("k");
    await expect.poll(() => shown.innerText()).toBe("event 222222222222");
    await page.locator("body").press("j");
    await expect.poll(() => shown.innerText()).toBe("event 111111111111");
  });

  test("it says why events are one issue: what was compared, what was put in for numbers, and by which hash", async () => {
    await board.open(path);
    const grouping = await tab("Grouping");
    await grouping.getByText(/Events belong together when/).waitFor();
    const compared = grouping.getByRole("table", { name: "What was compared" }).first();
    await compared.getByText("checkout", { exact: true }).first().waitFor();
    await grouping.getByText(/^The issue has (one hash|\d+ hashes)$/).waitFor();
    await board.send({ level: "error", message: "Order 4711 of 2026-01-02 is lost" });
    const { fingerprint } = await vi.waitFor(async () => {
      const [issue] = await issuesNamed("error", "lost");
      if (issue === undefined) throw new Error("There is no such issue yet.");
      return issue;
    }, patienceMs);
    await board.open(`/projects/1/errors/${fingerprint}?tab=grouping`);
    await page.getByText("was Order 4711 of 2026-01-02 is lost").waitFor();
  });

  test("merged hashes go back to the issue that they came from", async () => {
    for (const name of ["MergeOne", "MergeTwo"]) await board.send(errorEvent(name, "It broke"));
    const [one, two] = [await issueOf("MergeOne"), await issueOf("MergeTwo")];
    await openIssue("MergeTwo");
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Merge with another issue …" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Search for the other issue").fill("MergeOne");
    await dialog.getByRole("radio", { name: /MergeOne/ }).check();
    await dialog.getByRole("button", { name: "Merge 2 issues" }).click();
    await page.waitForURL(new RegExp(`/errors/${Math.min(one.fingerprint, two.fingerprint)}`));
    await tab("Grouping");
    const former = String(Math.max(one.fingerprint, two.fingerprint));
    const merged = page.getByRole("row").filter({ has: page.getByRole("cell", { name: former, exact: true }) });
    await merged.first().waitFor();
    for (const row of await merged.all()) await row.getByRole("checkbox").check();
    await page.getByRole("button", { name: "Give back to the former issues" }).click();
    await merged.first().waitFor({ state: "detached" });
    expect((await issuesNamed("MergeTwo")).length).toBe(1);
  });

  test("UI-033 an issue is resolved now, in the next or in the newest release, and opened again", async () => {
    await board.send(errorEvent("Resolvable", "It broke", { release: "shop@2.0.0" }));
    await openIssue("Resolvable");
    const reopen = page.getByRole("button", { name: "Reopen" });
    const resolve = async (choice: string | undefined): Promise<Shown> => {
      if (choice === undefined) await page.getByRole("button", { name: "Resolve", exact: true }).click();
      else {
        await page.getByRole("button", { name: "More ways to resolve" }).click();
        await page.getByRole("menuitem", { name: choice }).click();
      }
      await reopen.waitFor();
      const state = await now("Resolvable");
      await reopen.click();
      await page.getByRole("button", { name: "Resolve", exact: true }).waitFor();
      return state;
    };
    expect(await resolve(undefined)).toMatchObject({ status: "resolved", resolution: { kind: "now" } });
    expect(await resolve("In the next release")).toMatchObject({ status: "resolved", resolution: { kind: "next" } });
    expect(await resolve("In the newest release")).toMatchObject({
      status: "resolved",
      resolution: { kind: "release", release: "shop@2.0.0" },
    });
    expect((await now("Resolvable")).status).toBe("unresolved");
  });

  test("UI-033 an issue is ignored for a time, until it escalates, or until events and users are more", async () => {
    await board.send(errorEvent("Ignorable", "It broke"));
    await openIssue("Ignorable");
    const asked: unknown[] = [];
    page.on("request", (request) => {
      if (request.method() === "PATCH") asked.push(request.postDataJSON());
    });
    const { fingerprint } = await issueOf("Ignorable");
    const ignore = async (choose: () => Promise<void>): Promise<unknown> => {
      await page.getByRole("button", { name: "Ignore", exact: true }).click();
      await choose();
      await page.getByRole("button", { name: "Reopen" }).click();
      await page.getByRole("button", { name: "Resolve", exact: true }).waitFor();
      return asked.at(-2);
    };
    const item = (name: string) => () => page.getByRole("menuitem", { name }).click();
    const base = { ids: [fingerprint], status: "ignored" };
    expect(await ignore(item("For a day"))).toEqual({ ...base, ignore_until: { time: expect.any(String) } });
    expect(await ignore(item("Until it escalates"))).toEqual({ ...base, ignore_until: { escalating: true } });
    expect(await ignore(item("For good"))).toEqual(base);
    const untilMore = (of: string) => async (): Promise<void> => {
      await page.getByRole("menuitem", { name: "Until it happens more often …" }).click();
      const dialog = page.getByRole("dialog");
      await dialog.getByRole("textbox", { name: "More than" }).fill("7");
      await dialog.getByRole("combobox", { name: "Of" }).click();
      await page.getByRole("option", { name: of }).click();
      await dialog.getByRole("button", { name: "Ignore" }).click();
    };
    expect(await ignore(untilMore("events"))).toEqual({ ...base, ignore_until: { events: 7 } });
    expect(await ignore(untilMore("users"))).toEqual({ ...base, ignore_until: { users: 7 } });
  });

  test("UI-033 an issue is assigned and commented on, and its activity says who did what", async () => {
    await board.send(errorEvent("Discussed", "It broke"));
    await openIssue("Discussed");
    await page.getByRole("button", { name: "Assign" }).click();
    await page.getByRole("menuitem", { name: "To me" }).click();
    await page.getByText("It is assigned to you.").waitFor();
    const activity = page.getByRole("region", { name: "Activity" });
    const comment = activity.getByRole("textbox", { name: "Comment" });
    await comment.fill("Looks like *the disk*\n<b>again</b>");
    await activity.getByRole("button", { name: "Add" }).click();
    await activity.getByText("<b>again</b>").waitFor();
    await activity.getByText(/assigned it to/).waitFor();
    const { subject } = (await board.ask("/api/v1/session")) as { subject: string };
    expect((await now("Discussed")).assigned_to).toBe(subject);
  });

  test("UI-009 UI-033 deleting and discarding ask first and say how many events go", async () => {
    for (const name of ["Deletable", "Discardable"])
      for (const user of ["ada", "bob"]) await board.send(errorEvent(name, "It broke", { user }));
    for (const name of ["Deletable", "Discardable"])
      await vi.waitFor(async () => expect((await issueOf(name)).event_count).toBe(2), patienceMs);

    await openIssue("Deletable");
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Delete …" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect((await now("Deletable")).event_count).toBe(2);
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Delete …" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete 2 events" }).click();
    await page.getByText("The issue and its events are being deleted.").waitFor();
    await expect.poll(async () => (await issuesNamed("Deletable")).length, { timeout: patienceMs }).toBe(0);

    await openIssue("Discardable");
    await page.getByRole("button", { name: "More actions" }).click();
    await page.getByRole("menuitem", { name: "Discard, also later events …" }).click();
    const dialog = page.getByRole("dialog");
    expect(await dialog.getByRole("checkbox", { name: "Discard what comes later, too" }).isChecked()).toBe(true);
    await dialog.getByRole("button", { name: "Delete 2 events" }).click();
    await expect.poll(async () => (await issuesNamed("Discardable")).length, { timeout: patienceMs }).toBe(0);
    await board.send(errorEvent("Discardable", "It broke"));
    const discarded = async (): Promise<unknown> =>
      ((await board.ask("/api/v1/projects/1/errors/ledger")) as { outcomes: Record<string, { quantity: number }> })
        .outcomes["discarded"]?.quantity;
    await expect.poll(discarded, { timeout: patienceMs }).toBeGreaterThanOrEqual(1);
    expect(await issuesNamed("Discardable")).toEqual([]);
  });

  test("UI-033 keys resolve, ignore, assign, comment and merge, and are shown on demand", async () => {
    await board.send(errorEvent("ByKeyboard", "It broke"));
    await openIssue("ByKeyboard");
    const press = (key: string) => page.locator("body").press(key);
    await press("e");
    await page.getByRole("button", { name: "Reopen" }).waitFor();
    await press("e");
    await page.getByRole("button", { name: "Resolve", exact: true }).waitFor();
    await press("a");
    await page.getByText("It is assigned to you.").waitFor();
    await press("i");
    await page.getByRole("menuitem", { name: "For a week" }).waitFor();
    await page.keyboard.press("Escape");
    await press("m");
    await page.getByRole("dialog", { name: "Merge with another issue" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await press("Shift+?");
    await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await press("c");
    await expect
      .poll(() => page.evaluate<boolean>(`document.activeElement === document.getElementById("new-comment")`))
      .toBe(true);
    // What is typed into a field is no command.
    await page.keyboard.type("e");
    expect((await now("ByKeyboard")).status).toBe("unresolved");
  });

  test("UI-008 hostile content of an event is text: no script runs, nothing is loaded, no layout breaks", async () => {
    const attack = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
    const event = {
      level: "error",
      exception: {
        values: [
          {
            type: `Hostile ${attack}`,
            value: `${attack} \u202Egnirts desrever a\u202C ${"M".repeat(100_000)}`,
            stacktrace: {
              frames: [
                {
                  function: attack,
                  filename: `javascript:window.hacked=1//${"x".repeat(4_000)}`,
                  lineno: 1,
                  in_app: true,
                  context_line: `${attack}${"y".repeat(20_000)}`,
                  vars: { [attack]: attack },
                },
              ],
            },
          },
        ],
      },
      tags: { attack, link: "javascript:window.hacked=1" },
      user: { id: attack, email: `${attack}@example.com` },
      request: { url: "http://evil.example/beacon.png", method: "GET", headers: { cookie: attack } },
      breadcrumbs: { values: [{ category: attack, message: attack, data: { html: attack } }] },
      contexts: { [`x${attack}`]: { html: attack } },
    };
    const elsewhere: string[] = [];
    const watch = (request: { url(): string }): void => {
      if (!request.url().startsWith(board.url) && !request.url().startsWith("data:")) elsewhere.push(request.url());
    };
    page.on("request", watch);
    await board.send(event);
    await vi.waitFor(async () => expect(await board.countIssues("Hostile")).toBe(1), patienceMs);
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto(`${board.url}/projects/1/errors?query=Hostile`);
      const issue = page.getByRole("link", { name: /^Hostile <img src=x/ });
      await issue.first().waitFor();
      expect(await tooWideBy(page)).toBeLessThanOrEqual(0);
      await issue.first().click();
      await page.getByRole("heading", { level: 1, name: /^Hostile <img/ }).waitFor();
      for (const name of ["Breadcrumbs (1)", "Details", "Grouping", "Raw", "Stack trace"]) {
        await page.getByRole("tab", { name }).click();
        await page.getByRole("tabpanel").getByText("window.hacked=1").first().waitFor();
        expect(await tooWideBy(page), `${name} at ${width} px`).toBeLessThanOrEqual(0);
      }
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    await board.open("/overview");
    await page
      .getByRole("region", { name: "Errors" })
      .getByText(/\d+ open/)
      .waitFor();
    page.off("request", watch);
    expect(await page.evaluate("window.hacked")).toBeUndefined();
    expect(elsewhere).toEqual([]);
  });

  test("no page has made its script throw", () => {
    expect(board.browser.complaints.filter((text) => !/ 40[14] /.test(text))).toEqual([]);
  });
});

/** An event with everything that the page has a place for. */
function richEvent(id: string, atMs: number): object {
  const library = (name: string) => ({
    function: name,
    module: "flask.app",
    filename: "flask/app.py",
    lineno: 1488,
    in_app: false,
  });
  return {
    event_id: id,
    timestamp: atMs / 1000,
    platform: "python",
    level: "error",
    release: "shop@1.4.2",
    environment: "production",
    server_name: "web-1",
    transaction: "POST /checkout",
    sdk: { name: "sentry.python", version: "2.1.0" },
    modules: { flask: "3.0.0", requests: "2.32.0" },
    tags: { color: id.startsWith("1") ? "blue" : "red", cart: { shoes: 2 } },
    user: { id: "7", email: "ada@example.com" },
    extra: { order: "cart-17", password: "correct horse" },
    contexts: { runtime: { name: "CPython", version: "3.13.0" } },
    request: { url: "https://shop.example/checkout", method: "POST", headers: { Accept: "text/html" } },
    breadcrumbs: {
      values: [
        { timestamp: atMs / 1000 - 9, category: "http", message: "GET /cart" },
        { timestamp: atMs / 1000 - 3, category: "ui", message: "pay clicked" },
      ],
    },
    threads: {
      values: [
        { id: 1, name: "main", crashed: true, current: true },
        { id: 7, name: "worker", stacktrace: { frames: [{ function: "wait_for_job", in_app: true }] } },
      ],
    },
    exception: {
      values: [
        {
          type: "CardRefused",
          value: "insufficient funds",
          stacktrace: { frames: [{ function: "charge", filename: "shop/bank.py", lineno: 8, in_app: true }] },
        },
        {
          type: "CheckoutFailed",
          value: "The order was not paid",
          mechanism: { type: "flask", handled: false },
          stacktrace: {
            frames: [
              library("wsgi_app"),
              library("dispatch_request"),
              {
                function: "checkout",
                filename: "shop/checkout.py",
                lineno: 42,
                colno: 5,
                in_app: true,
                pre_context: ["def checkout(cart, card):", "    total = sum(cart)"],
                context_line: "    charge(card, total)",
                post_context: ["    return thanks()"],
                vars: { total: 99 },
              },
            ],
          },
        },
      ],
    },
  };
}
