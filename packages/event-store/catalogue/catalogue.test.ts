import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  buildCatalogue,
  type Catalogue,
  checkCatalogue,
  compareFolder,
  parseOwnership,
  toMarkdown,
  toMermaid,
  writeFolder,
} from "../catalogue.js";
import { type Configure, defineEvent, defineSubscriber } from "../index.js";
import { createTestStore } from "../testing.js";
import { findPublishSites } from "./find-publish-sites.js";
import { globPattern } from "./list-files.js";
import { schemaFields } from "./schema-fields.js";

const created = defineEvent("ci.pipeline_created", {
  description: "A pipeline was made",
  owner: "ci",
  category: "delivery",
  edition: "ee",
  flag: "pipelines",
  version: 2,
  upcast: { 1: (data) => data },
  sensitive: ["/token"],
  log: "failures",
  deprecated: { since: "2.0", sunset: "3.0", replacedBy: "ci.pipeline_begun" },
  examples: [{ id: 1 }],
  schema: {
    type: "object",
    required: ["id"],
    properties: {
      id: { type: "integer", minimum: 1, description: "Its number | in the forge" },
      token: { type: "string" },
    },
  },
});
const deployed = defineEvent("deploy.done", { schema: { type: "object" } });

const handle = async (): Promise<void> => {};
const configure: Configure = (registry) => {
  registry.register(deployed);
  registry.subscribe(defineSubscriber<{ id: number }>("mail.notify", { handle }), {
    to: created,
    if: ({ data }) => data.id > 1,
  });
  registry.subscribe(defineSubscriber("deploy.begin", { handle }), { to: created, delayMs: 5_000 });
};

function catalogueOf(...all: Configure[]): { catalogue: Catalogue; definitions: Parameters<typeof checkCatalogue>[1] } {
  const { store } = createTestStore({ configure: all });
  return { catalogue: buildCatalogue({ store }), definitions: store.definitions };
}

function folder(files: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(tmpdir(), "catalogue-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}

describe("ES-430 where the catalogue comes from", () => {
  test("ES-430 ES-434 definitions and subscriptions say everything about an event", () => {
    const { catalogue } = catalogueOf(configure);
    expect(catalogue.events.map(({ type }) => type)).toEqual(["ci.pipeline_created", "deploy.done"]);
    expect(catalogue.events[0]).toMatchObject({
      context: "ci",
      version: 2,
      versions: [1, 2],
      description: "A pipeline was made",
      owner: "ci",
      category: "delivery",
      edition: "ee",
      flag: "pipelines",
      log: "failures",
      sensitive: ["/token"],
      deprecated: { since: "2.0", sunset: "3.0", replacedBy: "ci.pipeline_begun" },
      examples: [{ id: 1 }],
      subscribers: [
        { subscriber: "mail.notify", context: "mail", condition: expect.stringMatching(/data.*id > 1/), delayMs: 0 },
        { subscriber: "deploy.begin", condition: null, delayMs: 5_000 },
      ],
    });
  });

  test("ES-430 the order of registration makes no difference, and it is JSON without dates", () => {
    const reversed: Configure = (registry) => {
      registry.register(deployed);
      configure(registry);
    };
    const one = catalogueOf(configure).catalogue;
    expect(catalogueOf(reversed).catalogue).toEqual(one);
    expect(JSON.parse(JSON.stringify(one))).toEqual(one);
  });

  test("ES-430 publish sites are found by syntax, through imports of every kind", () => {
    const root = folder({
      "ci/events.ts": `
        import { defineEvent } from "@signalbox/event-store";
        export const created = defineEvent("ci.created", { schema: {} as never });
        export const wrapped = registry.register(defineEvent("ci.wrapped", {}));
        const local = defineEvent("ci.local", {});
        store.publish(local.create({}));`,
      "ci/index.ts": `export { created } from "./events.js";`,
      "ci/make.ts": `
        import { created, wrapped as other } from "./events.js";
        export async function make(): Promise<void> {
          const event = created.create({ id: 1 });
          await store.publish(event);
          await store.publishGroup([other.create({}), other.create({})]);
          projects.create("no event");
        }`,
      "web/page.tsx": `
        import * as events from "../ci/events";
        import { created } from "@forge/ci";
        export const Page = () => <a onClick={() => store.publish(events.created.create({}))}>{created.create({}).id}</a>;`,
      "web/page.test.ts": `import { created } from "../ci/events.js"; created.create({});`,
      "web/dist/page.js": `import { created } from "../ci/events.js"; created.create({});`,
      "other/readme.md": "created.create({})",
    });
    const sites = findPublishSites({ root, sources: ["**/*.{ts,tsx,js}"] });
    expect(Object.fromEntries(sites)).toEqual({
      "ci.created": [
        { file: "ci/make.ts", line: 4 },
        { file: "web/page.tsx", line: 4 },
        { file: "web/page.tsx", line: 4 },
      ],
      "ci.local": [{ file: "ci/events.ts", line: 6 }],
      "ci.wrapped": [
        { file: "ci/make.ts", line: 6 },
        { file: "ci/make.ts", line: 6 },
      ],
    });
    expect(findPublishSites({ root, sources: ["web/*.ts"] })).toEqual(new Map());
  });

  test("ES-430 a name that several modules export is not guessed, and a broken file is named", () => {
    const root = folder({
      "a/events.ts": `export const made = defineEvent("a.made", {});`,
      "b/events.ts": `export const made = defineEvent("b.made", {});`,
      "c.ts": `import { made } from "@forge/somewhere"; made.create({});`,
    });
    expect(findPublishSites({ root, sources: ["**/*.ts"] })).toEqual(new Map());
    writeFileSync(join(root, "d.ts"), "const = 1;");
    expect(() => findPublishSites({ root, sources: ["**/*.ts"] })).toThrow(/d\.ts cannot be parsed/);
  });

  test.each([
    ["src/**/*.ts", ["src/a.ts", "src/x/y/a.ts"], ["a.ts", "src/a.js", "src/a.tsx"]],
    ["{a,b}/*.ts", ["a/x.ts", "b/x.ts"], ["c/x.ts", "a/x/y.ts"]],
    ["./a.ts", ["a.ts"], ["b/a.ts", "axts"]],
    ["**", ["a.ts", "b/a.ts"], []],
  ])("the glob %s", (glob, matching, others) => {
    const pattern = globPattern(glob);
    expect(matching.filter((path) => !pattern.test(path))).toEqual([]);
    expect(others.filter((path) => pattern.test(path))).toEqual([]);
  });

  test("ES-430 a folder is compared and brought up to date; files of other kinds stay", () => {
    const path = folder({ "stale.md": "old", "same.md": "same", "surplus.md": "x", "notes.txt": "mine" });
    const wanted = new Map([
      ["same.md", "same"],
      ["stale.md", "new"],
      ["deep/missing.md", "missing"],
    ]);
    const difference = { stale: ["stale.md"], missing: ["deep/missing.md"], surplus: ["surplus.md"] };
    expect(compareFolder(path, wanted)).toEqual(difference);
    expect(readdirSync(path)).toContain("surplus.md");
    expect(writeFolder(path, wanted)).toEqual(difference);
    expect(compareFolder(path, wanted)).toEqual({ stale: [], missing: [], surplus: [] });
    expect(readdirSync(path).toSorted()).toEqual(["deep", "notes.txt", "same.md", "stale.md"]);
    expect(compareFolder(join(path, "nowhere"), wanted).missing).toHaveLength(3);
    expect(readFileSync(join(path, "stale.md"), "utf8")).toBe("new");
  });
});

test("ES-431 the graph has a subgraph for each context, and tells publishers, subscribers and conditions", () => {
  expect(toMermaid(catalogueOf(configure).catalogue)).toBe(`graph LR
  subgraph context_ci["ci"]
    publisher_ci[["ci"]]
    event_ci__pipeline_created(["ci.pipeline_created"])
  end
  subgraph context_deploy["deploy"]
    publisher_deploy[["deploy"]]
    event_deploy__done(["deploy.done"])
    subscriber_deploy__begin["deploy.begin"]
  end
  subgraph context_mail["mail"]
    subscriber_mail__notify["mail.notify"]
  end
  publisher_ci -- publish --> event_ci__pipeline_created
  subscriber_mail__notify -. subscribe if .-> event_ci__pipeline_created
  subscriber_deploy__begin -. subscribe .-> event_ci__pipeline_created
  publisher_deploy -- publish --> event_deploy__done
`);
});

describe("ES-434 pages", () => {
  const publishSites = new Map([["ci.pipeline_created", [{ file: "ci/make.ts", line: 4 }]]]);
  const pages = () => {
    const { store } = createTestStore({ configure });
    return toMarkdown(buildCatalogue({ store, publishSites }), { command: "the command", sourceRoot: "../.." });
  };

  test("ES-434 an event's page has all there is to know", () => {
    const page = pages().get("ci.pipeline_created.md") ?? "";
    for (const part of [
      "# ci.pipeline_created\n\nA pipeline was made",
      "**Deprecated since 2.0.** It goes away with 3.0. Use `ci.pipeline_begun` instead.",
      "- owner: ci\n- category: delivery\n- edition: ee\n- feature flag: pipelines",
      "- version: 2 (can still be read: 1)",
      "- logged: failures only\n- kept out of logs: `/token`",
      "| `/id` | integer | yes | Its number \\| in the forge | `minimum 1` |",
      '```json\n{\n  "id": 1\n}\n```',
      "- [ci/make.ts:4](../../ci/make.ts#L4)",
      "- `mail.notify`, if:\n\n  ```js\n",
      "- `deploy.begin` after 5 s",
    ])
      expect(page).toContain(part);
    expect(pages().get("deploy.done.md")).toContain("The context `deploy`; no place in the sources was found.");
  });

  test("ES-434 the overview lists the events and shows the graph", () => {
    const overview = pages().get("README.md") ?? "";
    expect(overview).toContain("Generated by `the command`");
    expect(overview).toContain(
      "| [ci.pipeline_created](ci.pipeline_created.md) | A pipeline was made | ci | delivery | 2 |",
    );
    expect(overview).toContain("```mermaid\ngraph LR\n");
    expect([...pages().values()].every((text) => !text.includes("\r") && text.endsWith("\n"))).toBe(true);
  });

  test("ES-434 readers are told by field where a subscription reads a part only", () => {
    const some: Configure = (registry) => {
      registry.subscribe(defineSubscriber("a.all", { handle }), { to: created });
      registry.subscribe(defineSubscriber("b.token", { handle }), { to: created, fields: ["/token"] });
    };
    const page = toMarkdown(catalogueOf(some).catalogue, { command: "x" }).get("ci.pipeline_created.md") ?? "";
    expect(page).toMatch(/^\| `\/id` .*\| a\.all \|$/m);
    expect(page).toMatch(/^\| `\/token` .*\| a\.all, b\.token \|$/m);
  });
});

describe("ES-434 what a catalogue may not lack", () => {
  const ownership = { owners: ["ci"], categories: ["delivery"] };
  const problems = (definition: ReturnType<typeof defineEvent>, owners = ownership): string[] => {
    const { catalogue, definitions } = catalogueOf((registry) => void registry.register(definition));
    return checkCatalogue(catalogue, definitions, owners).map(({ type, message }) => `${type} ${message}`);
  };
  const schema = { type: "object", required: ["id"], properties: { id: { type: "integer" } } } as const;
  const complete = { schema, description: "A thing was made", owner: "ci", category: "delivery" };

  test("ES-434 a complete event is fine", () => {
    expect(problems(defineEvent("ci.made", { ...complete, examples: [{ id: 1 }] }))).toEqual([]);
  });

  test.each([
    [{ description: undefined }, /has no description; give one to its `defineEvent`/],
    [{ owner: undefined }, /has no owner/],
    [{ category: undefined }, /has no category/],
    [{ owner: "nobody" }, /owner nobody, which event-store\.owners\.json does not list/],
    [{ category: "none" }, /category none, which event-store\.owners\.json does not list/],
    [{ examples: [{ id: 1 }, { id: "x" }] }, /example 2 does not match the schema: .*\/id/],
  ])("ES-434 %o is a problem", (changes, message) => {
    expect(problems(defineEvent("ci.made", { ...complete, ...changes } as typeof complete))).toEqual([
      expect.stringMatching(message),
    ]);
  });

  test("ES-434 without a list of owners any name will do", () => {
    const { catalogue, definitions } = catalogueOf(
      (registry) => void registry.register(defineEvent("ci.made", { ...complete, owner: "nobody" })),
    );
    expect(checkCatalogue(catalogue, definitions)).toEqual([]);
  });

  test("ES-434 two events with one page are a problem", () => {
    const { catalogue, definitions } = catalogueOf(configure);
    const [first] = catalogue.events;
    const twice = { events: first ? [first, { ...first, type: first.type.toUpperCase() }] : [] };
    expect(checkCatalogue(twice, definitions, undefined).map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/have the same page/),
    );
  });

  test("ES-434 the list of owners must have its form", () => {
    expect(parseOwnership('{"owners":["a"],"categories":[]}')).toEqual({ owners: ["a"], categories: [] });
    for (const wrong of ["{}", "[]", "null", '{"owners":"a","categories":[]}', '{"owners":[1],"categories":[]}'])
      expect(() => parseOwnership(wrong)).toThrow("event-store.owners.json must hold");
  });
});

test("ES-434 fields are found at every depth, through references and in lists", () => {
  const fields = schemaFields({
    type: "object",
    required: ["user"],
    $defs: {
      user: {
        type: "object",
        required: ["name"],
        properties: { "a/b": { type: ["string", "null"] }, name: { $ref: "#/$defs/name" } },
      },
      name: { type: "string", maxLength: 9 },
    },
    allOf: [{ properties: { extra: { const: 1 } } }],
    properties: {
      user: { $ref: "#/$defs/user" },
      list: { type: "array", items: { type: "object", properties: { id: { enum: [1, 2] } } } },
      either: { anyOf: [{ type: "string" }, { type: "integer" }] },
      around: { $ref: "#/properties/around" },
      tree: { $ref: "#" },
    },
  });
  const lines = fields.map(
    ({ pointer, type, required, constraints }) => `${pointer} ${type} ${required} ${constraints}`,
  );
  expect(lines.slice(0, 8)).toEqual([
    "/user object true ",
    "/user/a~1b string or null false ",
    "/user/name string true maxLength 9",
    "/list object[] false ",
    "/list/*/id number false enum [1,2]",
    "/either string or integer false ",
    "/around any false ",
    "/tree object false ",
  ]);
  // A schema that contains itself ends somewhere.
  expect(lines.length).toBeLessThan(200);
});
