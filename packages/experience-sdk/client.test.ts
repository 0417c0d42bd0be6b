import { inContext, isUlid, withContext } from "@signalbox/kernel";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createClient } from "./create-client.js";
import { ExperienceSdkError } from "./errors.js";
import { definitions, type OpenClient, openClient } from "./testing/open-client.js";

/** What the tracker has got once everything is sent. */
async function sentBy({ client, clock, transport }: OpenClient) {
  const flushed = client.flush();
  await clock.advanceBy(10);
  await flushed;
  return transport.accepted;
}

describe("XP-040 the options", () => {
  test("XP-040 an unknown one is refused by name when the client is made", () => {
    const options = { type: "web", definitions, mode: "local", endpiont: "http://127.0.0.1" } as const;
    expect(() => createClient(options)).toThrow(expect.objectContaining({ code: "EXPERIENCE_OPTIONS_INVALID" }));
    expect(() => createClient(options)).toThrow(/`endpiont`/);
  });

  test("XP-040 a mistyped one is told its nearest, and none at all are refused alike", () => {
    // @ts-expect-error: what JavaScript lets through
    expect(() => createClient({ type: "web", definitions, mode: "local", tokne: "t" })).toThrow(/`tokne`.*`token`/);
    // @ts-expect-error: what JavaScript lets through
    expect(() => createClient()).toThrow(expect.objectContaining({ code: "EXPERIENCE_OPTIONS_INVALID" }));
  });

  test("XP-700 a client without a token says so when it is made", () => {
    const told = (change: object): boolean => {
      const { lines } = openClient({ transport: undefined, endpoint: "http://127.0.0.1:1", ...change });
      return lines.some(({ message }) => message.includes("neither `token` nor `tokenProvider`"));
    };
    expect(told({})).toBe(true);
    expect(told({ token: "t" })).toBe(false);
    expect(told({ tokenProvider: () => "t" })).toBe(false);
  });

  test.each([
    ["type", { type: "Web!" }],
    ["mode", { mode: "remote" }],
    ["endpoint", { endpoint: "127.0.0.1:8787", transport: undefined }],
    ["maxQueueEvents", { maxQueueEvents: 0 }],
    ["maxInFlight", { maxInFlight: 5 }],
    ["run", { run: "a b" }],
    ["tokenProvider", { token: "t", tokenProvider: () => "t" }],
    ["correlationFormat", { correlationFormat: "uuid" }],
    ["definitions.checkout", { definitions: { checkout: { description: "x", urgency: "sync_fast" } } }],
  ])("XP-040 a bad %s is refused by name", (name, change) => {
    // @ts-expect-error: what JavaScript lets through
    expect(() => openClient(change)).toThrow(new RegExp(name.replace(".", "\\.")));
  });

  test("XP-040 `enabled` decides about starts alone, and what was not started does not travel", async () => {
    const opened = openClient({ enabled: (id) => id !== "checkout" });
    const headers = opened.client.withContext(() => {
      const off = opened.client.start("checkout");
      expect(off.state).toBe("unstarted");
      off.checkpoint("paid").complete();
      opened.client.start("import_project").complete();
      return opened.client.inject({});
    });
    expect(headers).not.toHaveProperty("X-Covered-Experiences");
    expect((await sentBy(opened)).map((sent) => sent.covered_experience_id)).toEqual([
      "import_project",
      "import_project",
    ]);
    expect(opened.lines).toEqual([]);
  });
});

describe("XP-041 a start", () => {
  test("XP-041 records the checkpoint with category and urgency of the definition", async () => {
    const opened = openClient();
    const experience = opened.client.start("checkout", { basket: 7 });
    expect(experience).toMatchObject({ id: "checkout", state: "active", run: "1", hasError: false });
    expect(await sentBy(opened)).toEqual([
      {
        correlation_id: experience.correlationId,
        covered_experience_id: "checkout",
        type: "web",
        feature_category: "shop",
        urgency: "sync_fast",
        run: "1",
        checkpoint: "start",
        client_timestamp: "2026-01-01T00:00:00.000Z",
        event_id: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{26}$/),
        sequence: 0,
        meta: { basket: 7 },
        sent_timestamp: "2026-01-01T00:00:00.000Z",
      },
    ]);
  });

  test("XP-041 with a function it returns the function's value and completes", async () => {
    const opened = openClient();
    expect(opened.client.start("checkout", {}, () => 42)).toBe(42);
    expect(await opened.client.start("checkout", {}, async () => "later")).toBe("later");
    expect((await sentBy(opened)).map(({ checkpoint, error }) => [checkpoint, error])).toEqual([
      ["start", undefined],
      ["end", false],
      ["start", undefined],
      ["end", false],
    ]);
  });

  test("XP-041 what the function throws or rejects with is marked and comes out as the same object", async () => {
    const opened = openClient();
    const failure = new TypeError("no basket");
    const fail = (): never => {
      throw failure;
    };
    expect(() => opened.client.start("checkout", {}, fail)).toThrow(failure);
    await expect(opened.client.start("checkout", {}, async () => fail())).rejects.toBe(failure);
    const ends = (await sentBy(opened)).filter(({ checkpoint }) => checkpoint === "end");
    expect(ends).toEqual([
      expect.objectContaining({ error: true, error_message: "TypeError: no basket" }),
      expect.objectContaining({ error: true, error_message: "TypeError: no basket" }),
    ]);
  });

  test("XP-041 a journey that the function ended itself is not ended again", async () => {
    const opened = openClient();
    opened.client.start("checkout", {}, (experience) => void experience.discard("cancelled"));
    expect((await sentBy(opened)).map(({ outcome }) => outcome)).toEqual([undefined, "discarded"]);
    expect(opened.lines).toEqual([]);
  });

  test("XP-041 get finds the active one of the context, current lists all", () => {
    const { client } = openClient();
    client.withContext(() => {
      const checkout = client.start("checkout");
      expect(client.get("checkout")).toBe(checkout);
      const imported = client.start("import_project");
      expect(client.current()).toEqual([checkout, imported]);
      checkout.complete();
      expect(client.current()).toEqual([imported]);
      expect(client.get("checkout").state).toBe("unstarted");
    });
    expect(client.current()).toEqual([]);
    expect(client.get("checkout").state).toBe("unstarted");
  });
});

describe("XP-043 an unknown id", () => {
  test.each(["development", "test"])("XP-043 throws in %s", (environment) => {
    const { client } = openClient({ environment });
    for (const call of [
      () => client.start("nobody"),
      () => client.get("nobody"),
      () => client.resume("nobody"),
      () => client.observed("nobody", { startTime: 0 }),
    ])
      expect(call).toThrow(expect.objectContaining({ code: "EXPERIENCE_UNKNOWN" }));
  });

  test("XP-043 elsewhere runs the function, sends nothing and warns once", async () => {
    const opened = openClient();
    expect(opened.client.start("nobody", {}, (experience) => experience.checkpoint().error("x").complete().id)).toBe(
      "nobody",
    );
    opened.client.start("nobody").complete();
    expect(await sentBy(opened)).toEqual([]);
    expect(opened.lines.map(({ message }) => message)).toEqual(["there is no definition of this experience"]);
  });
});

describe("without a logger", () => {
  test("XP-043 XP-047 warnings go to the console, each once", async () => {
    const written: unknown[] = [];
    const warn = vi.spyOn(console, "warn").mockImplementation((...line) => void written.push(line));
    onTestFinished(() => warn.mockRestore());
    const client = createClient({
      endpoint: "http://127.0.0.1:9",
      token: "t",
      type: "web",
      environment: "production",
      definitions: { checkout: { description: "x", feature_category: "shop", urgency: "sync_fast" } },
    });
    for (const id of ["nonsense", "nonsense"]) client.start(id).complete();
    client.get("checkout").complete();
    await client.shutdown(0);
    expect(written).toEqual([
      ["[experience-sdk] there is no definition of this experience", { covered_experience_id: "nonsense" }],
      [expect.stringContaining("[experience-sdk] an experience is used"), expect.anything()],
    ]);
  });
});

describe("XP-044 a journey", () => {
  test("XP-044 records intermediates and its end with the marked error", async () => {
    const opened = openClient();
    const experience = opened.client.start("checkout").checkpoint("cart.viewed", { items: 2 });
    expect(experience.error(new Error("card refused")).hasError).toBe(true);
    experience.error("a later one").complete({ step: 3 });
    const [, intermediate, end] = await sentBy(opened);
    expect(intermediate).toMatchObject({
      checkpoint: "intermediate",
      checkpoint_category: "cart.viewed",
      meta: { items: 2 },
    });
    expect(end).toMatchObject({
      checkpoint: "end",
      error: true,
      error_message: "Error: card refused",
      meta: { step: 3 },
    });
  });

  test("XP-044 can be discarded, which is neither success nor error", async () => {
    const opened = openClient();
    opened.client.start("checkout").discard("user_error");
    opened.client.start("checkout").discard();
    const ends = (await sentBy(opened)).filter(({ checkpoint }) => checkpoint === "end");
    expect(ends.map(({ outcome, discard_reason, error }) => [outcome, discard_reason, error])).toEqual([
      ["discarded", "user_error", undefined],
      ["discarded", "unspecified", undefined],
    ]);
  });

  test("XP-044 category and reason that the tracker would refuse are left out with a warning, not the checkpoint", async () => {
    const opened = openClient();
    opened.client.start("checkout").checkpoint("not valid").discard("Not Valid");
    const [, intermediate, end] = await sentBy(opened);
    expect(intermediate).not.toHaveProperty("checkpoint_category");
    expect(end).toMatchObject({ outcome: "discarded", discard_reason: "unspecified" });
    expect(opened.lines).toHaveLength(2);
  });
});

test("XP-046 something that is over is sent as start and end, and is never active", async () => {
  const opened = openClient();
  opened.client.withContext(() => {
    opened.client.observed("checkout", {
      startTime: new Date("2025-12-31T23:00:00Z"),
      endTime: Date.parse("2025-12-31T23:00:03.250Z"),
      error: new Error("late"),
      extra: { source: "log" },
    });
    expect(opened.client.current()).toEqual([]);
  });
  expect(await sentBy(opened)).toEqual([
    expect.objectContaining({ checkpoint: "start", client_timestamp: "2025-12-31T23:00:00.000Z", sequence: 0 }),
    expect.objectContaining({
      checkpoint: "end",
      client_timestamp: "2025-12-31T23:00:03.250Z",
      error_message: "Error: late",
      meta: { source: "log" },
      sequence: 1,
    }),
  ]);
});

describe("XP-047 misuse does nothing and warns once for each id and kind", () => {
  test.each(["production", "test"])("XP-047 in %s", async (environment) => {
    const opened = openClient({ environment });
    const absent = opened.client.get("checkout");
    for (let time = 0; time < 2; time++) expect(absent.checkpoint().complete()).toBe(absent);
    const ended = opened.client.start("checkout").complete();
    for (let time = 0; time < 2; time++) expect(ended.checkpoint("x").error("e").discard().complete()).toBe(ended);
    opened.client.get("import_project").complete();
    expect(opened.lines.map(({ fields }) => [fields["covered_experience_id"], fields["misuse"]])).toEqual([
      ["checkout", "checkpoint before the start"],
      ["checkout", "complete before the start"],
      ["checkout", "checkpoint after the end"],
      ["checkout", "error after the end"],
      ["checkout", "discard after the end"],
      ["checkout", "complete after the end"],
      ["import_project", "complete before the start"],
    ]);
    expect((await sentBy(opened)).map(({ checkpoint }) => checkpoint)).toEqual(["start", "end"]);
  });
});

describe("XP-048 extras", () => {
  const reserved = [
    ...["checkpoint", "checkpoint_category", "checkpoint_action", "covered_experience_id", "user_experience_id"],
    ...["correlation_id", "feature_category", "urgency", "type", "start_time", "checkpoint_time", "end_time"],
    ...["elapsed_time_s", "urgency_threshold_s", "error", "error_message", "success", "failure_reason"],
    ...["server_timestamp", "client_timestamp"],
  ];

  test.each(reserved)(
    "XP-048 with the reserved name %s throw in test, and are dropped with one warning elsewhere",
    async (name) => {
      const strict = openClient({ environment: "test" });
      const failure = expect.objectContaining({ code: "EXPERIENCE_RESERVED_KEY", details: { key: name } });
      expect(() => strict.client.start("checkout", { [name]: "x" })).toThrow(failure);
      const started = strict.client.start("checkout");
      expect(() => started.complete({ [name]: "x" })).toThrow(ExperienceSdkError);

      const opened = openClient();
      opened.client.start("checkout", { [name]: "x", kept: 1 }).complete({ [name]: "x" });
      const [start] = await sentBy(opened);
      expect(start).toMatchObject({ covered_experience_id: "checkout", checkpoint: "start", meta: { kept: 1 } });
      expect(start?.meta).not.toHaveProperty(name);
      expect(opened.lines).toHaveLength(1);
    },
  );

  test("XP-048 are copied when the checkpoint happens", async () => {
    const opened = openClient();
    const basket = { items: 1 };
    opened.client.start("checkout", { basket });
    basket.items = 2;
    expect((await sentBy(opened))[0]?.meta).toEqual({ basket: { items: 1 } });
  });

  test("XP-040 of any kind never throw into the application", async () => {
    const opened = openClient();
    const circular: Record<string, unknown> = {};
    circular["self"] = circular;
    const hostile = {
      circular,
      big: 1n,
      thrower: {
        toJSON() {
          throw new Error("no");
        },
      },
      nothing: undefined,
      nul: "a\0b",
      long: "x".repeat(100_000),
      kept: "ü",
    };
    opened.client.start("checkout", hostile);
    opened.client.start("checkout", new Proxy({}, { ownKeys: () => [][1] as never }));
    const [start] = await sentBy(opened);
    expect(start?.meta).toEqual({ nul: "a b", long: "x".repeat(1024), kept: "ü" });
  });

  test("XP-048 do not hide the metadata of the log context, nor does it hide them", async () => {
    const opened = openClient();
    inContext({ meta: { project: "box", user: "u" }, rootCaller: "POST /pay" }, () =>
      opened.client.start("checkout", { user: "mine" }),
    );
    expect((await sentBy(opened))[0]?.meta).toEqual({ project: "box", user: "mine", root_caller_id: "POST /pay" });
  });
});

describe("XP-049 times", () => {
  test("XP-049 within a run never go back, although the wall clock does", async () => {
    const opened = openClient();
    const { clock } = opened;
    let skewMs = 0;
    const skewed = { ...clock, nowMs: () => clock.nowMs() + skewMs };
    const { client, transport } = openClient({ clock: skewed });
    const experience = client.start("checkout");
    await clock.advanceBy(40);
    experience.checkpoint("a");
    skewMs = -3_600_000;
    await clock.advanceBy(2);
    experience.checkpoint("b");
    await clock.advanceBy(1);
    experience.complete();
    const flushed = client.flush();
    await clock.advanceBy(10);
    await flushed;
    expect(transport.accepted.map(({ client_timestamp }) => client_timestamp)).toEqual([
      "2026-01-01T00:00:00.000Z",
      "2026-01-01T00:00:00.040Z",
      "2026-01-01T00:00:00.042Z",
      "2026-01-01T00:00:00.043Z",
    ]);
    expect(transport.accepted.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 3]);
  });

  test("XP-049 event ids rise, and they, times and sequence stay the same over retries", async () => {
    const opened = openClient();
    opened.transport.script = () => new Error("no route");
    opened.client.start("checkout").checkpoint("a").complete();
    await opened.clock.advanceBy(1_000);
    opened.transport.script = () => ({ status: 200 });
    await opened.clock.advanceBy(10_000);
    const [first, ...others] = opened.transport.requests;
    expect(others.length).toBeGreaterThan(0);
    const stable = (checkpoints: readonly object[]) =>
      checkpoints.map((checkpoint) => ({ ...checkpoint, sent_timestamp: "" }));
    for (const { checkpoints } of others) expect(stable(checkpoints)).toEqual(stable(first?.checkpoints ?? []));
    const ids = opened.transport.accepted.map(({ event_id }) => event_id ?? "");
    expect(ids).toEqual([...ids].sort());
    expect(new Set(ids).size).toBe(3);
  });

  test("XP-090 the time of sending is that of the attempt", async () => {
    const opened = openClient();
    opened.transport.script = () => ({ status: 503 });
    opened.client.start("checkout");
    await opened.clock.advanceBy(1_000);
    opened.transport.script = () => ({ status: 200 });
    await opened.clock.advanceBy(5_000);
    const [first, second] = opened.transport.requests.map(({ checkpoints }) => checkpoints[0]?.sent_timestamp ?? "");
    expect(first).toBe("2026-01-01T00:00:01.000Z");
    expect((second ?? "") > (first ?? "")).toBe(true);
  });
});

describe("XP-050 the correlation id", () => {
  const ulid = "01JZ3V2M5T8Q4X9C7B6A1D0E2F";

  test.each([
    ["a ULID in lower case", ulid.toLowerCase(), ulid],
    ["a UUID", "019fc7b1-50ba-45c9-d4b0-eb32941681cf", undefined],
    ["32 hex digits", "019fc7b150ba45c9d4b0eb32941681cf", undefined],
  ])("XP-050 of the context is sent as the ULID of the same bits when it is %s", (_form, ambient, expected) => {
    const { client } = openClient();
    const { correlationId = "" } = withContext({ correlationId: ambient }, () => client.start("checkout"));
    expect(isUlid(correlationId)).toBe(true);
    if (expected) expect(correlationId).toBe(expected);
    const again = withContext({ correlationId: correlationId.toLowerCase() }, () => client.start("checkout"));
    expect(again.correlationId).toBe(correlationId);
  });

  test("XP-050 a UUID and its hex digits give one ULID", () => {
    const { client } = openClient();
    const ids = ["019fc7b1-50ba-45c9-d4b0-eb32941681cf", "019FC7B150BA45C9D4B0EB32941681CF"].map(
      (correlationId) => withContext({ correlationId }, () => client.start("checkout")).correlationId,
    );
    expect(ids[0]).toBe(ids[1]);
  });

  test("XP-050 without one in the context is a new ULID, greater than the one before", () => {
    const { client } = openClient();
    const [first = "", second = ""] = [client.start("checkout").correlationId, client.start("checkout").correlationId];
    expect([isUlid(first), isUlid(second), first < second]).toEqual([true, true, true]);
  });

  test("XP-050 of another form is replaced by one ULID for the whole context, and travels beside it", async () => {
    const opened = openClient();
    const ids = withContext({ correlationId: "request-4711" }, () =>
      opened.client.withContext(() => [
        opened.client.start("checkout").correlationId,
        opened.client.start("import_project").correlationId,
      ]),
    );
    expect(isUlid(ids[0] ?? "")).toBe(true);
    expect(ids[1]).toBe(ids[0]);
    const sent = await sentBy(opened);
    expect(sent.map(({ meta }) => meta?.["ambient_correlation_id"])).toEqual(["request-4711", "request-4711"]);
  });

  test("XP-050 of another form is sent as it is when the format is relaxed", async () => {
    const opened = openClient({ correlationFormat: "relaxed" });
    withContext({ correlationId: "request-4711" }, () => opened.client.start("checkout"));
    const [start] = await sentBy(opened);
    expect(start?.correlation_id).toBe("request-4711");
    expect(start).not.toHaveProperty("meta");
  });

  test("XP-050 is the context's while the function of a start runs, so that errors and events share it", () => {
    const { client } = openClient();
    client.start("checkout", {}, (experience) => {
      expect(client.start("import_project").correlationId).toBe(experience.correlationId);
    });
  });
});
