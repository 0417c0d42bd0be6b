import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFileBlobs } from "@signalbox/blobs";
import { createLogger } from "@signalbox/kernel";
import { afterAll, describe, expect, test } from "vitest";
import { defineEvent, defineSubscriber, type SubscribeOptions } from "./index.js";
import { createProjection } from "./projection.js";
import { createTestStore, trackedSession } from "./testing.js";

const schema = {
  type: "object",
  properties: {
    issue_id: { type: "integer" },
    title: { type: "string" },
    text: { type: "string" },
    author: {
      type: "object",
      properties: { id: { type: "integer" }, name: { type: "string" }, email: { type: "string" } },
      required: ["id"],
    },
    labels: { type: "array", items: { $ref: "#/definitions/label" } },
  },
  required: ["issue_id"],
  definitions: {
    label: {
      type: "object",
      properties: { id: { type: "integer" }, name: { type: "string" }, colour: { type: "string" } },
      required: ["id"],
    },
  },
} as const;
const IssueOpened = defineEvent("issues.issue_opened", { schema, sensitive: ["/text"] });

const data = {
  issue_id: 1,
  title: "It rains in",
  text: "secret",
  author: { id: 7, name: "Ada", email: "ada@example.org" },
  labels: [
    { id: 1, name: "roof", colour: "red" },
    { id: 2, name: "urgent", colour: "blue" },
  ],
};
const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) await rm(folder, { recursive: true });
});

type Options = Partial<SubscribeOptions<unknown>>;

/** A store with a subscriber that wants a part and one that wants everything. */
function createStore(options: Options, handle: (data: unknown) => void = () => {}, more: object = {}) {
  const part = defineSubscriber<unknown>("notes.part", { handle: async (event) => handle(event.data) });
  const whole = defineSubscriber<unknown>("notes.whole", { handle: async () => {} });
  return createTestStore({
    configure: (registry) => {
      registry.subscribe(part, { to: IssueOpened, ...options });
      registry.subscribe(whole, { to: IssueOpened });
    },
    ...more,
  });
}

describe("fields of a subscription", () => {
  test("ES-110 only they and the required ones are stored and delivered, for this subscription alone", async () => {
    const handled: unknown[] = [];
    const { store, transport } = createStore(
      { fields: ["/title", "/author/name", "/labels/*/name"], delayMs: 1_000 },
      (received) => void handled.push(received),
    );
    const narrowed = {
      issue_id: 1,
      title: "It rains in",
      author: { id: 7, name: "Ada" },
      labels: [
        { id: 1, name: "roof" },
        { id: 2, name: "urgent" },
      ],
    };
    await store.publish(IssueOpened.create(data));
    const stored = async (subscriber: string) =>
      (await transport.peek({ subscriber }, 10)).map(({ body }) => JSON.parse(body).data);
    expect(await stored("notes.part")).toEqual([narrowed]);
    expect(await stored("notes.whole")).toEqual([data]);
    await trackedSession(store, () => store.publish(IssueOpened.create(data)));
    await trackedSession(store, () => store.publishGroup([IssueOpened.create(data), IssueOpened.create(data)]));
    expect(handled).toEqual(Array(4).fill(narrowed));
    await store.stop();
  });

  test("ES-110 nothing else is logged when they are handled", async () => {
    const lines: string[] = [];
    const logger = createLogger({ level: "debug", destination: { write: (text: string) => void lines.push(text) } });
    const { store } = createStore({ fields: ["/author/name"] }, undefined, { logger });
    await trackedSession(store, () => store.publish(IssueOpened.create(data)));
    await store.stop();
    const done = lines
      .map((line) => JSON.parse(line))
      .filter(({ msg, subscription }) => msg === "delivery done" && subscription?.startsWith("notes.part/"));
    expect(done).toHaveLength(1);
    expect(JSON.parse(done[0].event_data)).toEqual({ issue_id: 1, author: { id: 7, name: "Ada" } });
  });

  test("ES-110 condition, key and dedup see the whole event; a failing condition keeps no more than the fields", async () => {
    const seen: unknown[] = [];
    const { store } = createStore({
      fields: ["/title"],
      if: (event) => {
        seen.push(event.data);
        throw new Error("no");
      },
    });
    await expect(store.publish(IssueOpened.create(data))).rejects.toMatchObject({ code: "EVT_DISPATCH_FAILED" });
    expect(seen).toEqual([data]);
    const { letters } = await store.dead.list({});
    expect(letters.map(({ event }) => JSON.parse(event).data)).toEqual([{ issue_id: 1, title: "It rains in" }]);
  });

  test("ES-110 large data that goes to the blob store is the part, too, and leaves with its delivery", async () => {
    const folder = await mkdtemp(join(tmpdir(), "fields-"));
    folders.push(folder);
    const blobs = await createFileBlobs({ directory: folder });
    const handled: unknown[] = [];
    const { store, transport } = createStore({ fields: ["/text"] }, (received) => void handled.push(received), {
      blobs,
      limits: { maxInlineBytes: 2_048 },
    });
    const text = "x".repeat(4_096);
    await store.publish(IssueOpened.create({ ...data, text }));
    const [waiting] = await transport.peek({ subscriber: "notes.part" }, 1);
    const kept = JSON.parse(new TextDecoder().decode(await blobs.get(JSON.parse(waiting?.body ?? "").dataref)));
    expect(kept).toEqual({ issue_id: 1, text });
    await trackedSession(store, () => store.publish(IssueOpened.create({ ...data, text })));
    expect(handled).toEqual([kept, kept]);
    const keys: string[] = [];
    for await (const key of blobs.list("")) keys.push(key);
    expect(keys).toEqual([]);
    await store.stop();
    await blobs.close();
  });

  test("ES-110 the description of the store says who reads which fields", () => {
    const { store } = createStore({ fields: ["/title"] });
    expect(store.describe().subscriptions.map(({ subscriber, options }) => [subscriber, options.fields])).toEqual([
      ["notes.part", ["/title"]],
      ["notes.whole", null],
    ]);
  });

  test("ES-110 anything but JSON Pointers is refused", () => {
    for (const fields of ["/title", ["title"], [""], [1], ["/a~2b"]])
      expect(() => createStore({ fields: fields as string[] })).toThrow(
        expect.objectContaining({ code: "EVT_SUBSCRIPTION_INVALID", details: { option: "fields" } }),
      );
  });

  test("ES-110 pointers may name what the schema does not, and names with slashes; required parts stay at every depth", () => {
    const project = createProjection(["/extra", "/a~1b", "/deep/inner/x"], {
      allOf: [{ required: ["id"] }, { $ref: "#/$defs/more" }],
      properties: { deep: { properties: { inner: { required: ["y"] } }, required: ["z"] } },
      $defs: { more: { required: ["more"] } },
    });
    const full = {
      id: 1,
      more: { all: true },
      extra: 2,
      "a/b": 3,
      other: 4,
      deep: { z: 5, w: 6, inner: { x: 7, y: 8, v: 9 } },
    };
    expect(project(full)).toEqual({
      id: 1,
      more: { all: true },
      extra: 2,
      "a/b": 3,
      deep: { z: 5, inner: { x: 7, y: 8 } },
    });
    expect(project({})).toEqual({});
    expect(project({ id: 1, deep: null })).toEqual({ id: 1, deep: null });
  });
});
