import type { Analytics, QueryOptions, QueryParams } from "@signalbox/analytics";
import { systemClock, ulid } from "@signalbox/kernel";
import { type ClickHouseHttpServer, startClickHouseHttp } from "@signalbox/testing/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiKit, openApiKit } from "../testing/api-kit.js";
import { errorPayload } from "../testing/received-event.js";
import { createErrorTimelineSource } from "../timeline-source.js";
import { requestDeletion, runDeletions } from "../upkeep/delete-data.js";
import { removeExpired } from "../upkeep/retention.js";

interface Asked {
  readonly sql: string;
  readonly params: QueryParams;
  readonly options: QueryOptions;
}

let engine: ClickHouseHttpServer;
let kit: ApiKit;
const asked: Asked[] = [];

/** Notes every read of the tables of this service. */
const watch = (analytics: Analytics): Analytics => ({
  engine: analytics.engine,
  command: (...call) => analytics.command(...call),
  insert: (...call) => analytics.insert(...call),
  ping: (...call) => analytics.ping(...call),
  close: () => analytics.close(),
  query: (sql, params = {}, options = {}) => {
    if (/\berror_/.test(sql) && !sql.includes("system.parts")) asked.push({ sql, params, options });
    return analytics.query(sql, params, options);
  },
});

beforeAll(async () => {
  engine = await startClickHouseHttp();
  kit = await openApiKit(engine.url, systemClock, undefined, { watch });
});
afterAll(async () => {
  await kit?.close();
  await engine?.stop();
});

/** What a caller can write, in every place: none of it may become part of a statement. */
const hostile = "x' OR 1=1 --";

test("ET-275 every query binds a project, a time and limits, and takes values as parameters", async () => {
  const project = await kit.newProject();
  const base = `/api/v1/projects/${project}`;
  const correlationId = ulid();
  const [event = ""] = await kit.store(
    project,
    [errorPayload("a", { tags: { team: hostile, correlation_id: correlationId }, user: { id: hostile } })],
    [errorPayload("b", { user: { id: "2" } })],
    [{ message: hostile }],
  );
  const issue = (await kit.call("GET", `${base}/errors/events/${event}`)).json();
  const [other] = (await kit.call("GET", `${base}/errors`))
    .json()
    .filter(({ fingerprint }: { fingerprint: number }) => fingerprint !== issue.fingerprint);
  const url = `${base}/errors/${issue.fingerprint}`;
  await kit.call("PATCH", url, { status: "ignored", ignore_until: { users: 2 } });
  await kit.store(project, [errorPayload("b", { user: { id: "3" } })], [errorPayload("a", { user: { id: "4" } })]);
  const text = encodeURIComponent(`"${hostile}"`);
  for (const path of [
    "/errors",
    `/errors?query=user.id:${text}`,
    `/errors?query=team:${text}`,
    `/errors?query=stack.function:*a*`,
    `/errors?query=!has:user`,
    `/errors?query=release:latest`,
    `/errors?query=${event}`,
    "/messages",
    `/errors/${issue.fingerprint}/events`,
    `/errors/${issue.fingerprint}/events?sort=occurred_at_desc&limit=1`,
    `/errors/${issue.fingerprint}/events/latest`,
    `/errors/${issue.fingerprint}/tags`,
    `/errors/${issue.fingerprint}/tags/team`,
    `/errors/${issue.fingerprint}.md`,
    `/errors/events/${event}`,
    `/errors/events/${event}.md`,
    `/errors/events/${event}/grouping`,
    `/errors/events/${event}/attachments`,
  ])
    expect([path, (await kit.call("GET", `${base}${path}`)).statusCode]).toEqual([path, 200]);
  await kit.call("POST", `${base}/errors/merge`, { ids: [issue.fingerprint, other.fingerprint] });
  const [hash] = (
    await kit.call("GET", `${base}/errors/${Math.min(issue.fingerprint, other.fingerprint)}/hashes`)
  ).json();
  await kit.call("POST", `${base}/errors/${Math.min(issue.fingerprint, other.fingerprint)}/unmerge`, {
    hashes: [hash.hash],
    to: "new",
  });
  await kit.call("POST", "/api/v1/errors/verify", { project, since_s: 86_400 });
  const source = createErrorTimelineSource(kit.analytics, kit.stores.database);
  for (const projects of [undefined, [project + 1]])
    await source.find({
      correlationIds: [correlationId, hostile],
      principal: {
        subject: "reader",
        issuer: "signalbox",
        scopes: new Set(["timeline:read"] as const),
        tokenId: "t",
        expiresAtMs: Number.MAX_SAFE_INTEGER,
        ...(projects ? { projects } : {}),
      },
      limit: 10,
      signal: new AbortController().signal,
    });
  const dependencies = { database: kit.stores.database, analytics: kit.analytics, clock: systemClock };
  await requestDeletion(dependencies, project, { kind: "user", id: hostile }, "ann");
  await requestDeletion(dependencies, project, { kind: "event", eventId: event }, "ann");
  await kit.call("GET", `${base}/errors?query=team:${text}`);
  await runDeletions(dependencies);
  await kit.call("DELETE", `${base}/errors/${other.fingerprint}`);
  await runDeletions(dependencies);
  await requestDeletion(dependencies, project, { kind: "project" }, "ann");
  await runDeletions(dependencies);
  await removeExpired({ ...dependencies, defaults: { retentionDays: 90, groupingVersion: 1 } });

  expect(asked.length).toBeGreaterThan(40);
  const all = new Set(asked.map(({ sql }) => sql));
  expect(all.size).toBeGreaterThan(20);
  for (const { sql, params, options } of asked) {
    expect(sql).toMatch(/project_id (?:= \{\w+:UInt64\}|IN \{\w+:Array\(UInt64\)\})/);
    expect(sql).toMatch(/\b(?:timestamp|started_hour|day) (?:>=?|<|=|BETWEEN) (?:\{|now64\(3\) - INTERVAL)/);
    expect(sql).not.toContain("OR 1=1");
    for (const [, name = ""] of sql.matchAll(/\{(\w+):/g)) expect(Object.keys(params), sql).toContain(name);
    // The port's own are 10 s, 512 MiB and 10,000 rows.
    expect(options.maxExecutionSeconds ?? 10, sql).toBeLessThanOrEqual(10);
    expect(options.maxMemoryBytes ?? 0, sql).toBeLessThanOrEqual(512 * 1024 * 1024);
    // What is counted or listed is never doubled by parts that are not merged yet.
    if (!/uniqExact|uniqCombined64Merge|SELECT DISTINCT|retention_days >/.test(sql)) expect(sql).toContain("FINAL");
  }
});
