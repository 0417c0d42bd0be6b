import { describe, expect, test } from "vitest";
import { defineEvent } from "../index.js";
import { createTestStore, eventMatchers, notPublished, published } from "../testing.js";
import "./vitest.js";

const PipelineCreated = defineEvent("ci.pipeline_created", {
  schema: {
    type: "object",
    properties: {
      pipeline_id: { type: "integer" },
      ref: { type: "string" },
      author: {
        type: "object",
        properties: { id: { type: "integer" }, name: { type: "string" } },
        required: ["id"],
      },
      jobs: {
        type: "array",
        items: { type: "object", properties: { id: { type: "integer" }, name: { type: "string" } } },
      },
      tags: { type: "array", items: { type: "string" } },
    },
    required: ["pipeline_id"],
  },
});
const JobQueued = defineEvent("ci.job_queued", { schema: { type: "object" } });

const { store } = createTestStore({
  configure: (registry) => {
    registry.register(PipelineCreated);
    registry.register(JobQueued);
  },
});
const data = {
  pipeline_id: 1,
  ref: "main",
  author: { id: 7, name: "Ada" },
  jobs: [
    { id: 1, name: "lint" },
    { id: 2, name: "test" },
  ],
  tags: ["fast", "web"],
};
const publish = () => store.publish(PipelineCreated.create(data));
const publishNothing = () => {};

/** The text of a failure. */
async function failureOf(assertion: () => unknown): Promise<string> {
  try {
    await assertion();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error("The assertion held");
}

describe("toPublishEvent", () => {
  test("ES-311 matches by type alone when no data is given", async () => {
    await expect(publish).toPublishEvent(PipelineCreated);
    await expect(async () => publish()).toPublishEvent(PipelineCreated);
    expect(await failureOf(() => expect(publishNothing).toPublishEvent(PipelineCreated))).toBe(
      "expected ci.pipeline_created\nno events were published",
    );
  });

  test("ES-311 .not fails when an event of the type was published, whatever its data", async () => {
    await expect(publishNothing).not.toPublishEvent(PipelineCreated);
    await expect(publish).not.toPublishEvent(JobQueued);
    expect(await failureOf(() => expect(publish).not.toPublishEvent(PipelineCreated))).toMatch(
      /^expected no ci\.pipeline_created\npublished were:\n {2}1\. ci\.pipeline_created \{/,
    );
  });

  test("ES-311 wrong use throws at once, so that it shows even when nobody awaits it", () => {
    for (const subject of [publish(), undefined, {}, "publish"]) {
      expect(() => expect(subject).toPublishEvent(PipelineCreated)).toThrow("toPublishEvent needs a function");
      expect(() => expect(subject).not.toPublishEvent(PipelineCreated)).toThrow("toPublishEvent needs a function");
      expect(() => expect(subject).toPublishEvents(PipelineCreated)).toThrow("toPublishEvents needs a function");
    }
    expect(() => expect(publish).not.toPublishEvent(PipelineCreated, { pipeline_id: 1 })).toThrow(
      /takes the definition alone/,
    );
    expect(() => expect(publish).not.toPublishEvent(PipelineCreated, undefined, { strict: true })).toThrow(
      /takes the definition alone/,
    );
    expect(() => expect(publish).not.toPublishEvents(PipelineCreated)).toThrow(/ambiguous/);
    expect(() => expect(publish).toPublishEvents()).toThrow("needs at least one expectation");
    // @ts-expect-error not a definition
    expect(() => expect(publish).toPublishEvent("ci.pipeline_created")).toThrow("needs an event definition");
    // @ts-expect-error a misspelt option
    expect(() => expect(publish).toPublishEvent(PipelineCreated, {}, { stict: true })).toThrow("no option `stict`");
  });

  test("ES-311 errors of the function come through, also with .not", async () => {
    const broken = async () => {
      await publish();
      throw new RangeError("broken");
    };
    await expect((async () => expect(broken).toPublishEvent(PipelineCreated))()).rejects.toThrow(RangeError);
    await expect((async () => expect(broken).not.toPublishEvent(JobQueued))()).rejects.toThrow(RangeError);
    await expect((async () => expect(broken).toPublishEvents(PipelineCreated))()).rejects.toThrow(RangeError);
  });
});

describe("data", () => {
  test("ES-313 matches partially at every object level; the order of keys never matters", async () => {
    await expect(publish).toPublishEvent(PipelineCreated, { pipeline_id: 1 });
    await expect(publish).toPublishEvent(PipelineCreated, { author: { name: "Ada" }, pipeline_id: 1 });
    await expect(publish).toPublishEvent(PipelineCreated, {});
    for (const wrong of [{ pipeline_id: 2 }, { author: { name: "Bob" } }, { author: null }, { ref: undefined }])
      await failureOf(() => expect(publish).toPublishEvent(PipelineCreated, wrong as object));
  });

  test("ES-313 arrays have the same length and order", async () => {
    await expect(publish).toPublishEvent(PipelineCreated, { tags: ["fast", "web"] });
    await expect(publish).toPublishEvent(PipelineCreated, { jobs: [{ id: 1 }, { id: 2 }] });
    for (const tags of [["fast"], ["web", "fast"], ["fast", "web", "x"], []])
      await failureOf(() => expect(publish).toPublishEvent(PipelineCreated, { tags }));
  });

  test("ES-313 asymmetric matchers work at any depth", async () => {
    await expect(publish).toPublishEvent(PipelineCreated, {
      pipeline_id: expect.any(Number),
      author: { name: expect.stringMatching(/^A/) },
      jobs: [{ id: 1 }, expect.objectContaining({ name: "test" })],
      tags: expect.arrayContaining(["web"]),
    });
    await expect(publish).toPublishEvent(PipelineCreated, expect.objectContaining({ ref: "main" }));
    for (const wrong of [
      { pipeline_id: expect.any(String) },
      { author: { name: expect.stringMatching(/^B/) } },
      { jobs: [expect.anything(), { name: expect.any(Number) }] },
    ])
      await failureOf(() => expect(publish).toPublishEvent(PipelineCreated, wrong));
  });

  test("ES-313 strict demands equality, in any order of keys", async () => {
    const { tags, ...rest } = data;
    await expect(publish).toPublishEvent(PipelineCreated, { tags, ...rest }, { strict: true });
    await expect(publish).toPublishEvent(PipelineCreated, { ...data, author: expect.anything() }, { strict: true });
    await failureOf(() => expect(publish).toPublishEvent(PipelineCreated, rest, { strict: true }));
    await failureOf(() =>
      expect(publish).toPublishEvent(PipelineCreated, { ...data, author: { id: 7 } }, { strict: true }),
    );
  });

  test("ES-313 a failure shows the expectation and every recorded event with its data", async () => {
    const both = async () => {
      await store.publish(PipelineCreated.create({ pipeline_id: 5 }));
      await store.publish(JobQueued.create({}));
    };
    expect(await failureOf(() => expect(both).toPublishEvent(PipelineCreated, { pipeline_id: 6 }))).toBe(
      [
        "expected ci.pipeline_created with { pipeline_id: 6 }",
        "published were:",
        "  1. ci.pipeline_created { pipeline_id: 5 }",
        "  2. ci.job_queued {}",
      ].join("\n"),
    );
    expect(await failureOf(() => expect(publishNothing).toPublishEvent(PipelineCreated, { pipeline_id: 6 }))).toMatch(
      /\nno events were published$/,
    );
  });
});

describe("toPublishEvents", () => {
  test("ES-314 checks everything at once", async () => {
    const both = async () => {
      await publish();
      await store.publish(JobQueued.create({}));
    };
    await expect(both).toPublishEvents(
      published(JobQueued).once(),
      published(PipelineCreated).with({ ref: "main" }).withMeta({ source: "/test" }),
    );
    await expect(both).toPublishEvents(PipelineCreated, JobQueued, { inOrder: true });
    const failure = await failureOf(() =>
      expect(both).toPublishEvents(published(PipelineCreated).with({ ref: "other" }), notPublished(JobQueued)),
    );
    expect(failure).toContain("expected ci.pipeline_created with { ref: 'other' }");
    expect(failure).toContain("expected no ci.job_queued, but there was one");
    await failureOf(() => expect(both).toPublishEvents(JobQueued, PipelineCreated, { inOrder: true }));
  });
});

test("ES-311 expected data is typed", () => {
  const typed = () => [
    // @ts-expect-error no such field
    expect(publish).toPublishEvent(PipelineCreated, { pipeline_idd: 1 }),
    // @ts-expect-error another type
    published(PipelineCreated).with({ pipeline_id: "1" }),
    published(PipelineCreated).with({ pipeline_id: expect.any(Number) }),
  ];
  expect(typed).toBeTypeOf("function");
  expect(Object.keys(eventMatchers)).toEqual(["toPublishEvent", "toPublishEvents"]);
});
