import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { buildCatalogue, checkGraph, parseAccepted } from "../catalogue.js";
import { type Configure, defineEvent, defineSubscriber } from "../index.js";
import { createTestStore } from "../testing.js";
import { findDefinitionSites, findPublishSites } from "./find-publish-sites.js";

const handle = async (): Promise<void> => {};
const site = [{ file: "x.ts", line: 1 }];

/** A graph from `event -> subscriber` lines; events in `published` have a place that publishes them. */
function graph(lines: readonly string[], published?: readonly string[]) {
  const events = new Map<string, ReturnType<typeof defineEvent>>();
  const configure: Configure = (registry) => {
    for (const line of lines) {
      const [type = "", subscriber] = line.split(" -> ");
      const event = events.get(type) ?? registry.register(defineEvent(type, { schema: { type: "object" } }));
      events.set(type, event);
      if (subscriber !== undefined) registry.subscribe(defineSubscriber(subscriber, { handle }), { to: event });
    }
  };
  const { store } = createTestStore({ configure });
  const publishSites = new Map((published ?? [...events.keys()]).map((type) => [type, site]));
  return buildCatalogue({ store, publishSites });
}

test("ES-372 a graph in which every event is published and heard, without a circle, has no findings", () => {
  const catalogue = graph([
    "ci.pipeline_created -> merge_requests.update_head",
    "ci.pipeline_created -> ci.count",
    "merge_requests.merged -> deploy.begin",
    "ci.pipeline_finished -> deploy.check",
  ]);
  expect(checkGraph({ catalogue })).toEqual({ findings: [], accepted: [], stale: [] });
});

test("ES-372 events without subscriber and subscriptions to what nobody publishes are found", () => {
  const catalogue = graph(
    ["ci.pipeline_created", "ci.pipeline_deleted -> merge_requests.forget", "ci.pipeline_deleted -> deploy.cancel"],
    ["ci.pipeline_created"],
  );
  expect(checkGraph({ catalogue }).findings).toEqual([
    {
      name: "unheard ci.pipeline_created",
      message: "nobody subscribes to ci.pipeline_created: subscribe, or delete the event",
    },
    {
      name: "unpublished ci.pipeline_deleted",
      message:
        "nobody publishes ci.pipeline_deleted, to which merge_requests.forget, deploy.cancel subscribed: publish it, or delete the subscriptions",
    },
  ]);
});

test("ES-372 circles of contexts are found once each, with the events on the way", () => {
  const catalogue = graph([
    "ci.pipeline_finished -> merge_requests.update",
    "merge_requests.merged -> deploy.begin",
    "deploy.finished -> ci.verify",
    "merge_requests.approved -> ci.run",
    "deploy.failed -> alerts.tell",
    "notes.written -> notes.count",
  ]);
  expect(checkGraph({ catalogue }).findings).toEqual([
    {
      name: "cycle ci > merge_requests > ci",
      message:
        "ci tells merge_requests by ci.pipeline_finished, merge_requests tells ci by merge_requests.approved: let one of them do without the other's event",
    },
    {
      name: "cycle deploy > ci > merge_requests > deploy",
      message:
        "deploy tells ci by deploy.finished, ci tells merge_requests by ci.pipeline_finished, merge_requests tells deploy by merge_requests.merged: let one of them do without the other's event",
    },
  ]);
});

test("ES-372 two definitions of one type are found in the sources, with their places", () => {
  const root = mkdtempSync(join(tmpdir(), "check-graph-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const files = {
    "ci/events/created.ts": `import { defineEvent } from "@signalbox/event-store";\nexport const created = defineEvent("ci.pipeline_created", {});\n`,
    "ci/create.ts": `import { created } from "./events/created.js";\nawait store.publish(created.create({}));\n`,
    "other/copy.ts": `\n\nconst copied = registry.register(defineEvent("ci.pipeline_created", {}));\ndefineEvent(type, {});\n`,
    "ci/events/created.test.ts": `defineEvent("ci.pipeline_created", {});\n`,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const definitionSites = findDefinitionSites({ root, sources: ["**/*.ts"] });
  expect(definitionSites).toEqual(
    new Map([
      [
        "ci.pipeline_created",
        [
          { file: "ci/events/created.ts", line: 2 },
          { file: "other/copy.ts", line: 3 },
        ],
      ],
    ]),
  );
  const { store } = createTestStore({
    configure: (registry) => {
      const created = defineEvent("ci.pipeline_created", { schema: { type: "object" } });
      registry.subscribe(defineSubscriber("deploy.begin", { handle }), { to: created });
    },
  });
  const publishSites = findPublishSites({ root, sources: ["**/*.ts"] });
  expect(checkGraph({ catalogue: buildCatalogue({ store, publishSites }), definitionSites }).findings).toEqual([
    {
      name: "duplicate ci.pipeline_created",
      message:
        "ci.pipeline_created is defined at ci/events/created.ts:2 and other/copy.ts:3: keep one definition and import it",
    },
  ]);
});

test("ES-372 each finding can be accepted by its name, with a reason; what is accepted in vain is told", () => {
  const catalogue = graph(["ci.pipeline_created", "ci.a_made -> notes.x", "notes.b_made -> ci.y"]);
  const accepted = parseAccepted(
    JSON.stringify({
      graph: {
        "unheard ci.pipeline_created": "the API of others",
        "cycle ci > notes > ci": "goes away with the old notes",
        "unheard ci.gone": "was here once",
      },
    }),
  );
  const check = checkGraph({ catalogue }, accepted);
  expect(check.findings).toEqual([]);
  expect(check.accepted.map(({ name, reason }) => [name, reason])).toEqual([
    ["cycle ci > notes > ci", "goes away with the old notes"],
    ["unheard ci.pipeline_created", "the API of others"],
  ]);
  expect(check.stale).toEqual(["unheard ci.gone"]);
  expect(parseAccepted('{"schemas":{}}').size).toBe(0);
  for (const wrong of ['{"graph":[]}', '{"graph":{"unheard ci.x":""}}', '{"graph":{"unheard ci.x":1}}', "[]x", "null"])
    expect(() => parseAccepted(wrong)).toThrow();
});
