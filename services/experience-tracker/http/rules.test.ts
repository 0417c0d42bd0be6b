import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { generateText, type RuleFormat } from "../rules/index.js";
import { ruleSettings } from "../testing/rule-settings.js";
import { startTracker } from "../testing/start-tracker.js";

const files = [
  ["/rules/prometheus.yml", "prometheus", "application/yaml; charset=utf-8"],
  ["/rules/openslo.yml", "openslo", "application/yaml; charset=utf-8"],
  ["/rules/grafana.json", "grafana", "application/json; charset=utf-8"],
] as const satisfies readonly (readonly [string, RuleFormat, string])[];

test("XP-168 the generated files are served as they are generated, with an entity tag, to who may read", async () => {
  const tracker = await startTracker({ withReaper: false });
  onTestFinished(() => tracker.close());
  const reading = await tracker.headers("experience:read");
  const { definitions } = tracker.tracker.definitions.registry;
  for (const [path, format, contentType] of files) {
    const expected = generateText(format, definitions, { ...ruleSettings, canaryIntervalS: 0 });
    const first = await fetch(`${tracker.url}${path}`, { headers: reading });
    expect([first.status, first.headers.get("content-type")]).toEqual([200, contentType]);
    expect(await first.text()).toBe(expected);
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = await fetch(`${tracker.url}${path}`, { headers: { ...reading, "if-none-match": etag } });
    expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, etag, ""]);
    const head = await fetch(`${tracker.url}${path}/`, { method: "HEAD", headers: reading });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(Buffer.byteLength(expected))]);
    expect((await fetch(`${tracker.url}${path}`)).status).toBe(401);
    expect((await tracker.get(path, "experience:write")).status).toBe(403);
  }
});

test("XP-168 a changed definition changes the rules and their tag, and nothing else does", async () => {
  const tracker = await startTracker({ withReaper: false });
  onTestFinished(() => tracker.close());
  const tagOf = async (path: string): Promise<string | null> => (await tracker.get(path)).headers.get("etag");
  const [rules, dashboard] = [await tagOf("/rules/prometheus.yml"), await tagOf("/rules/grafana.json")];
  await tracker.tracker.definitions.reload();
  expect(await tagOf("/rules/prometheus.yml")).toBe(rules);
  await tracker.define("checkout", {
    description: "A customer pays",
    feature_category: "billing",
    urgency: "sync_slow",
    slo: { error_pct: 1 },
  });
  await tracker.tracker.definitions.reload();
  const { body } = await tracker.get("/rules/prometheus.yml");
  expect(body).toContain('covered_experience_id="checkout",feature_category="billing",urgency="sync_slow"');
  expect(await tagOf("/rules/prometheus.yml")).not.toBe(rules);
  expect(await tagOf("/rules/grafana.json")).toBe(dashboard);
});

test("UI-041 the rules of one experience are its group of the whole file, with a tag of its own; others answer 404", async () => {
  const tracker = await startTracker({ withReaper: false });
  onTestFinished(() => tracker.close());
  const content = { description: "A customer pays", feature_category: "billing", urgency: "sync_slow" };
  await tracker.define("checkout", content);
  await tracker.define("refund", content);
  await tracker.tracker.definitions.reload();
  const path = "/rules/prometheus.yml?experience=checkout";
  const headers = await tracker.headers("experience:read");
  const part = await fetch(`${tracker.url}${path}`, { headers });
  expect([part.status, part.headers.get("content-type")]).toEqual([200, "application/yaml; charset=utf-8"]);
  const text = await part.text();
  const { groups } = parse(text);
  const whole = parse((await tracker.get("/rules/prometheus.yml")).body);
  const nameOf = ({ name }: { name: string }): string => name;
  expect(groups.map(nameOf)).toEqual(["signalbox-experience-checkout"]);
  expect(groups).toEqual(
    whole.groups.filter((group: { name: string }) => nameOf(group) === "signalbox-experience-checkout"),
  );
  const etag = part.headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[\w-]{22}"$/);
  const again = await fetch(`${tracker.url}${path}`, { headers: { ...headers, "if-none-match": etag } });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await tracker.get("/rules/prometheus.yml?experience=refund")).headers.get("etag")).not.toBe(etag);
  for (const unknown of ["nothing", "signalbox_canary", ""]) {
    const { status, body } = await tracker.get(`/rules/prometheus.yml?experience=${unknown}`);
    expect([status, body.code]).toEqual([404, "definition_not_found"]);
  }
});
