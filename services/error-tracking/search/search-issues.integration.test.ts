import { randomUUID } from "node:crypto";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiKit, openApiKit } from "../testing/api-kit.js";
import { errorPayload } from "../testing/received-event.js";

let engine: ClickHouseHttpServer;
let kit: ApiKit;
let project = 0;
let url = "";
const nowMs = Date.now();
const traceId = "0123456789abcdef0123456789abcdef";
let eventIds: string[] = [];

const at = (secondsAgo: number) => ({ timestamp: (nowMs - secondsAgo * 1000) / 1000 });

/** One error for each letter. */
const errors: Readonly<Record<string, JsonObject>> = {
  a: errorPayload("alpha", {
    ...at(10),
    level: "fatal",
    release: "shop@1.2.0",
    environment: "staging",
    user: { id: "u1", email: "ann@example.com", username: "ann", ip_address: "203.0.113.7" },
    tags: { team: "pay", "with space": "a b", correlation_id: "journey-1" },
    transaction: "POST /pay",
    logger: "shop.pay",
    server_name: "web-1",
    contexts: { trace: { trace_id: traceId } },
    request: { url: "https://shop.example/pay?x=1", method: "POST" },
    sdk: { name: "sentry.python", version: "2.1.0" },
    dist: "7",
  }),
  b: errorPayload("beta", { ...at(3 * 86_400), release: "shop@1.10.0", tags: { team: "order" } }),
  c: {
    ...at(20),
    platform: "javascript",
    level: "warning",
    exception: {
      type: "TypeError",
      value: "x is not a function",
      mechanism: { type: "onerror", handled: false },
      stacktrace: { frames: [{ function: "render", filename: "app:///main.js", module: "main", in_app: true }] },
    },
    tags: { team: "pay", color: "100%_blue" },
  },
  d: { ...at(30), message: "the disk is full", level: "info" },
};

beforeAll(async () => {
  engine = await startClickHouseHttp();
  kit = await openApiKit(engine.url);
  project = await kit.newProject();
  url = `/api/v1/projects/${project}/errors`;
  eventIds = await kit.store(project, ...Object.values(errors).map((payload): [JsonObject] => [payload]));
  await kit.store(project, [{ ...errors["a"], release: "shop@1.10.0", environment: "production", level: "error" }]);
  const other = await kit.newProject();
  await kit.store(other, [errorPayload("alpha", { tags: { team: "pay" } })]);
});
afterAll(async () => {
  await kit?.close();
  await engine?.stop();
});

const letters = new Map([
  ["alpha failed", "a"],
  ["beta failed", "b"],
  ["x is not a function", "c"],
  ["the disk is full", "d"],
]);

async function find(query: string, more = ""): Promise<string> {
  const answer = await kit.call("GET", `${url}?query=${encodeURIComponent(query)}${more}`);
  expect(answer.statusCode, answer.body).toBe(200);
  const found: { description: string }[] = answer.json();
  return found
    .map(({ description }) => letters.get(description))
    .sort()
    .join("");
}

test.each([
  ["", "abcd"],
  ["failed", "ab"],
  ["FAILED alpha", "a"],
  ['"is full"', "d"],
  ["nothing", ""],
  ["level:fatal", "a"],
  ["level:[fatal, warning]", "ac"],
  ["!level:error", "acd"],
  ["platform:python", "ab"],
  ["environment:staging", "a"],
  ["release:shop@1.2.0", "a"],
  ["release:latest", "ab"],
  ["release:>shop@1.2.0", "ab"],
  ["release:<shop@1.10.0", "a"],
  ["release:<=shop@1.10.0 environment:production", "ab"],
  ["release:>=2.0.0", ""],
  ["release:shop@1.*", "ab"],
  ["has:release", "ab"],
  ["!has:release", "cd"],
  ["dist:7", "a"],
  ["transaction:POST*", "a"],
  ["title:TypeError*", "c"],
  ["message:*disk*", "d"],
  ["culprit:render*", "c"],
  ["logger:shop.pay", "a"],
  ["server_name:web-1", "a"],
  ["error.type:TypeError", "c"],
  ["error.value:*function", "c"],
  ["error.handled:false", "c"],
  ["error.unhandled:true", "c"],
  ["error.unhandled:false", "abd"],
  ["stack.filename:*main.js", "c"],
  ["stack.function:alpha", "a"],
  ["stack.module:app.work", "ab"],
  ["http.method:POST", "a"],
  ["http.url:*shop.example*", "a"],
  ["user.id:u1", "a"],
  ["user.email:ann@example.com", "a"],
  ["user.username:ann", "a"],
  ["user.ip:203.0.113.7", "a"],
  [`trace:${traceId}`, "a"],
  ["correlation_id:journey-1", "a"],
  ["sdk.name:sentry.python sdk.version:2.1.0", "a"],
  ["team:pay", "ac"],
  ["team:p*", "ac"],
  ["!team:pay", "bd"],
  ["team:[order, pay] level:warning", "c"],
  ['"with space":x', ""],
  ["color:100%_*", "c"],
  ["color:100x*", ""],
  ["has:color", "c"],
  ["timesSeen:>1", "a"],
  ["timesSeen:1", "bcd"],
  ["timesSeen:[2, 7]", "a"],
  ["users:>=1", "a"],
  ["firstRelease:shop@1.2.0", "a"],
  ["age:-1h", "acd"],
  ["age:+2d", "b"],
  ["lastSeen:-1h", "acd"],
  ["lastSeen:+2d", "b"],
  ["firstSeen:>2001-01-01", "abcd"],
  ["firstSeen:<2001-01-01T10:00:00Z", ""],
  ["is:unresolved", "abcd"],
  ["is:new", "abcd"],
  ["is:resolved", ""],
  ["is:unassigned !is:linked", "abcd"],
  ["assigned:none", "abcd"],
  ["!assigned:me", "abcd"],
  // Both must hold for one and the same event.
  ["environment:staging release:shop@1.10.0", ""],
])("ET-351 ET-352 %s finds %s", async (query, expected) => {
  expect(await find(query)).toBe(expected);
});

test("ET-351 states and owners are found as they change", async () => {
  const [issue] = (await kit.call("GET", `${url}?query=beta`)).json();
  await kit.call("PATCH", `${url}/${issue.fingerprint}`, {
    status: "resolved",
    assigned_to: "tester",
    link_url: "https://forge.example/1",
  });
  expect(await find("is:resolved")).toBe("b");
  expect(await find("is:[resolved, unresolved]")).toBe("abcd");
  expect(await find("assigned:me is:resolved is:linked is:assigned")).toBe("b");
  expect(await find("", "&status=resolved")).toBe("b");
  await kit.call("PATCH", `${url}/${issue.fingerprint}`, { status: "ignored", assigned_to: null });
  expect(await find("is:archived")).toBe("b");
  expect(await find("is:ignored is:unassigned")).toBe("b");
  await kit.call("PATCH", `${url}/${issue.fingerprint}`, { status: "unresolved", link_url: null });
  expect(await find("is:ongoing")).toBe("b");
});

test("ET-352 events before the period are not looked at", async () => {
  expect(await find("team:order", "&query_period=24h")).toBe("");
  expect(await find("team:order", "&query_period=7d")).toBe("b");
});

test("ET-352 the id of an event, in any form, finds its error, whatever its status", async () => {
  const [id = ""] = eventIds;
  const [issue] = (await kit.call("GET", `${url}?query=alpha`)).json();
  await kit.call("PATCH", `${url}/${issue.fingerprint}`, { status: "resolved" });
  expect(await find(id)).toBe("a");
  expect(await find(id.toUpperCase())).toBe("a");
  expect(await find(id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"))).toBe("a");
  expect(await find(`event_id:${id} is:resolved`)).toBe("a");
  expect(await find(randomUUID())).toBe("");
  await kit.call("PATCH", `${url}/${issue.fingerprint}`, { status: "unresolved" });
});

test("ET-352 what is found is sorted and walked like every list", async () => {
  const first = await kit.call("GET", `${url}?query=team:*&limit=2&sort=frequency_desc`);
  expect(first.json()[0].event_count).toBe(2);
  const next = /<([^>]+)>; rel="next"/.exec(String(first.headers["link"]))?.[1] ?? "";
  const second = await kit.call("GET", next);
  const all = [...first.json(), ...second.json()].map((error: { description: string }) =>
    letters.get(error.description),
  );
  expect(all.toSorted()).toEqual(["a", "b", "c"]);
  expect(second.headers["link"]).not.toContain('rel="next"');
});

test.each([
  "level:",
  "is:sleeping",
  "timesSeen:many",
  "age:24h",
  "level:>error",
  "event_id:1",
  '"open',
  "error.handled:x",
])("ET-350 %s is a 400 that says where", async (query) => {
  const answer = await kit.call("GET", `${url}?query=${encodeURIComponent(query)}`);
  expect([answer.statusCode, answer.json().code]).toEqual([400, "ET_QUERY_INVALID"]);
  expect(answer.body).toMatch(/offset \d+/);
});

test("values of a query are never part of a statement", async () => {
  for (const value of ["' OR 1=1 --", "{p0_0:String}", "\\", "%", "); DROP TABLE error_events; --"]) {
    expect(await find(`team:"${value.replaceAll(/["\\]/g, "\\$&")}"`)).toBe("");
    expect(await find(`level:"${value.replaceAll(/["\\]/g, "\\$&")}"`)).toBe("");
  }
  expect(await find("team:pay")).toBe("ac");
});

test("ET-350 words of any script are found in any case, and titles by themselves", async () => {
  const other = await kit.newProject();
  const title = "ÜBERWEISUNG Ошибка: std::bad_alloc at https://bank.example 100%_";
  await kit.store(other, [{ ...at(40), message: title, level: "info", release: "Ärger-1" }]);
  const count = async (query: string) => {
    const answer = await kit.call("GET", `/api/v1/projects/${other}/errors?query=${encodeURIComponent(query)}`);
    expect(answer.statusCode, answer.body).toBe(200);
    return answer.json().length;
  };
  for (const query of [title, "überweisung", "ÜBERWEISUNG", "ошибка", "ОШИБКА", "std::BAD_ALLOC", "firstRelease:ärg*"])
    expect([query, await count(query)]).toEqual([query, 1]);
  for (const query of ["uberweisung", "100%x", "std::bad", "https://bank", "ошибки"])
    expect([query, await count(query)]).toEqual([query, title.includes(query) ? 1 : 0]);
});

test.each([
  "is:>new",
  "assigned:>me",
  "firstRelease:>1.0.0",
  "error.handled:[true, false]",
  "error.handled:>true",
  "timesSeen:[1, x]",
  "age:[-1h, -2h]",
])("ET-350 %s is refused instead of half understood", async (query) => {
  const answer = await kit.call("GET", `${url}?query=${encodeURIComponent(query)}`);
  expect([answer.statusCode, answer.json().code]).toEqual([400, "ET_QUERY_INVALID"]);
});
