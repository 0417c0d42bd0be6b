import { currentContext, inContext, withContext } from "@signalbox/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openClient } from "./testing/open-client.js";

const correlationId = "01JZ3V2M5T8Q4X9C7B6A1D0E2F";
const startedAtMs = Date.UTC(2026, 0, 1);
const header = `checkout;c=${correlationId};r=1;t=${startedAtMs}`;

function injected(form: "headers" | "job"): Record<string, unknown> {
  const { client } = openClient();
  return withContext({ correlationId }, () =>
    client.withContext(() => {
      client.start("checkout");
      return client.inject<Record<string, unknown>>({}, form);
    }),
  );
}

describe("XP-111 outgoing", () => {
  test("XP-111 headers name each active experience and the correlation id", () => {
    expect(injected("headers")).toEqual({ "X-Covered-Experiences": header, "X-Correlation-ID": correlationId });
  });

  test("XP-111 job data hold a map by id", () => {
    expect(injected("job")).toEqual({
      correlation_id: correlationId,
      covered_experiences: {
        checkout: { start_time: "2026-01-01T00:00:00.000Z", correlation_id: correlationId, run: "1" },
      },
    });
  });

  test("XP-111 a correlation id that is there stays, in any spelling, also in Headers", () => {
    const { client } = openClient();
    client.withContext(() => {
      client.start("checkout");
      expect(client.inject({ "x-correlation-id": "mine" })).not.toHaveProperty("X-Correlation-ID");
      const headers = client.inject(new Headers({ "x-correlation-id": "mine" }));
      expect(headers.get("X-Correlation-ID")).toBe("mine");
      expect(headers.get("X-Covered-Experiences")).toMatch(/^checkout;c=/);
    });
  });

  test("XP-111 the header holds 16 entries and 2,048 bytes at most, the oldest left out", async () => {
    const definitions = Object.fromEntries(
      Array.from({ length: 40 }, (_, n) => [
        `journey_${String(n).padStart(2, "0")}_${"x".repeat(n < 20 ? 0 : 50)}`,
        { description: "A journey", feature_category: "test", urgency: "sync_fast" },
      ]),
    );
    const { client, clock } = openClient({ definitions, run: "r".repeat(64) });
    await client.withContext(async () => {
      for (const id of Object.keys(definitions).slice(0, 20)) {
        client.start(id);
        await clock.advanceBy(1);
      }
      const many = client.inject<{ "X-Covered-Experiences"?: string }>({})["X-Covered-Experiences"] ?? "";
      expect(many.split(",").map((entry) => entry.slice(0, 10))).toEqual(
        Array.from({ length: 16 }, (_, n) => `journey_${String(n + 4).padStart(2, "0")}`),
      );
      for (const id of Object.keys(definitions).slice(20)) {
        client.start(id);
        await clock.advanceBy(1);
      }
      const long = client.inject<{ "X-Covered-Experiences"?: string }>({})["X-Covered-Experiences"] ?? "";
      expect(long.length).toBeLessThanOrEqual(2_048);
      expect(long.split(",").length).toBeLessThan(16);
      expect(long.split(",").at(-1)).toMatch(/^journey_39/);
    });
  });

  test("XP-111 what was brought along and not resumed travels on, what has ended does not", () => {
    const { client } = openClient();
    client.withContext(
      () => {
        client.start("import_project").complete();
        expect(client.inject({})).toMatchObject({ "X-Covered-Experiences": header });
        client.resume("checkout").complete();
        expect(client.inject({})).not.toHaveProperty("X-Covered-Experiences");
      },
      { "x-covered-experiences": header },
    );
  });
});

describe("XP-112 incoming", () => {
  test.each([
    ["headers", { "x-covered-experiences": header }],
    ["headers in another spelling", { "X-Covered-Experiences": header }],
    ["Headers", new Headers({ "X-Covered-Experiences": header })],
    ["job data", injected("job")],
    [
      "LabKit's job data",
      {
        labkit_covered_experiences: { checkout: { start_time: "2026-01-01T00:00:00.000Z" } },
        correlation_id: correlationId.toLowerCase(),
      },
    ],
    [
      "LabKit's newer job data",
      {
        labkit_user_experiences: { checkout: { start_time: "2026-01-01T01:00:00.000+01:00" } },
        correlation_id: correlationId,
      },
    ],
  ])("XP-112 %s are read", (_form, carrier) => {
    const { client } = openClient();
    expect(client.extract(carrier)).toEqual({
      correlationId,
      experiences: new Map([["checkout", { id: "checkout", correlationId, run: "1", startedAtMs }]]),
    });
  });

  test("XP-112 what cannot be believed is passed over entry by entry", () => {
    const { client } = openClient();
    const bad = [
      "",
      ";;;",
      "checkout",
      `checkout;c=${correlationId};r=1;t=soon`,
      `checkout;c=a b;r=1;t=1`,
      `nobody;c=${correlationId};r=1;t=1`,
      `import_project;c=${correlationId};r=1;t=${startedAtMs + 61_000}`,
      `__proto__;c=${correlationId};r=1;t=1`,
    ];
    const { experiences } = client.extract({ "x-covered-experiences": [...bad, header].join(",") });
    expect([...experiences.keys()]).toEqual(["checkout"]);
    expect(client.stats().ignoredContexts).toEqual({ malformed: 6, unknown_experience: 1, future: 1 });
  });

  test("XP-112 an entry up to 60 s ahead is believed: clocks differ", () => {
    const { client } = openClient();
    const entry = `checkout;c=${correlationId};r=1;t=${startedAtMs + 60_000}`;
    expect(client.extract({ "x-covered-experiences": entry }).experiences.size).toBe(1);
  });

  test("XP-112 no carrier makes it throw", () => {
    const { client } = openClient();
    const throwing = {
      get "x-covered-experiences"(): string {
        throw new Error("no");
      },
    };
    for (const carrier of [throwing, [], { covered_experiences: [1, 2] }, { covered_experiences: { checkout: null } }])
      expect(client.extract(carrier).experiences.size).toBe(0);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.object({
            key: fc.constantFrom(
              "covered_experiences",
              "correlation_id",
              "x-covered-experiences",
              "checkout",
              "start_time",
            ),
          }),
          fc.record({ "x-covered-experiences": fc.string({ maxLength: 5_000 }) }),
          fc.record({ covered_experiences: fc.dictionary(fc.string(), fc.anything()) }),
        ),
        (carrier) => {
          const { experiences } = client.extract(carrier);
          expect(experiences.size).toBeLessThanOrEqual(16);
          for (const id of experiences.keys()) expect(["checkout", "import_project"]).toContain(id);
        },
      ),
    );
  });

  test("XP-111 XP-112 what is written is what is read, whatever the runs", () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9_.:-]{1,64}$/),
        fc.constantFrom<"headers" | "job">("headers", "job"),
        (run, form) => {
          const { client } = openClient({ run });
          client.withContext(() => {
            const started = client.start("checkout");
            const { experiences } = client.extract(client.inject({}, form));
            expect(experiences.get("checkout")).toEqual({
              id: "checkout",
              correlationId: started.correlationId,
              run,
              startedAtMs,
            });
          });
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("XP-113 resume", () => {
  test("XP-113 goes on with the run: an intermediate `resume`, no start, an end", async () => {
    const { client, transport, clock } = openClient({ type: "sidekiq" });
    const result = client.resume("checkout", { "x-covered-experiences": header }, { shard: 3 }, (experience) => {
      expect(experience).toMatchObject({ correlationId, run: "1", state: "active" });
      expect(client.get("checkout")).toBe(experience);
      expect(currentContext().correlationId).toBe(correlationId);
      return "done";
    });
    expect(result).toBe("done");
    const flushed = client.flush();
    await clock.advanceBy(10);
    await flushed;
    expect(
      transport.accepted.map(({ checkpoint, checkpoint_category, type, meta }) => [
        checkpoint,
        checkpoint_category,
        type,
        meta,
      ]),
    ).toEqual([
      ["intermediate", "resume", "sidekiq", { shard: 3 }],
      ["end", undefined, "sidekiq", undefined],
    ]);
  });

  test("XP-113 without context runs the function and is silent", async () => {
    const opened = openClient();
    expect(opened.client.resume("checkout", {}, {}, (experience) => experience.checkpoint().complete().state)).toBe(
      "unstarted",
    );
    expect(opened.client.resume("checkout").checkpoint().complete().state).toBe("unstarted");
    expect(opened.lines).toEqual([]);
    expect(opened.client.stats().queued).toBe(0);
  });

  test("XP-113 marks what the function throws", async () => {
    const { client, transport, clock } = openClient();
    const failure = new Error("no disk");
    const fail = async (): Promise<never> => Promise.reject(failure);
    await expect(client.resume("checkout", { "x-covered-experiences": header }, {}, fail)).rejects.toBe(failure);
    const flushed = client.flush();
    await clock.advanceBy(10);
    await flushed;
    expect(transport.accepted.at(-1)).toMatchObject({ checkpoint: "end", error_message: "Error: no disk" });
  });

  test("XP-049 sequence and time go on when a run is resumed in the process that started it", async () => {
    const { client, transport, clock } = openClient();
    const data = client.withContext(() => {
      client.start("checkout");
      return client.inject({}, "job");
    });
    await clock.advanceBy(50);
    client.resume("checkout", data, {}, () => {});
    const flushed = client.flush();
    await clock.advanceBy(10);
    await flushed;
    expect(transport.accepted.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
  });
});

describe("XP-114 signed entries", () => {
  const signingKeys = { k1: "first secret", k0: "older secret" };
  const signer = openClient({ signingKeys: { k0: "older secret" } }).client;
  const carriers = signer.withContext(() => {
    signer.start("checkout");
    return [signer.inject<Record<string, unknown>>({}), signer.inject<Record<string, unknown>>({}, "job")];
  });

  test("XP-114 are believed, also with an older key, in both forms", () => {
    const { client } = openClient({ signingKeys, requireSigned: true });
    for (const carrier of carriers) expect(client.extract(carrier).experiences.size).toBe(1);
    expect(String(carriers[0]?.["X-Covered-Experiences"])).toMatch(/;k=k0;s=[A-Za-z0-9_-]{43}$/);
  });

  test("XP-114 that are missing, changed, or made with an unknown key are ignored and counted", () => {
    const { client } = openClient({ signingKeys, requireSigned: true });
    const signed = String(carriers[0]?.["X-Covered-Experiences"]);
    const forgeries = [
      header,
      signed.replace("r=1", "r=2"),
      signed.replace("k=k0", "k=k1"),
      signed.replace("k=k0", "k=nobody"),
      `${signed.slice(0, -1)}${signed.endsWith("A") ? "B" : "A"}`,
    ];
    for (const forgery of forgeries)
      expect(client.extract({ "x-covered-experiences": forgery }).experiences.size, forgery).toBe(0);
    expect(client.stats().ignoredContexts).toEqual({ forged_context: 5 });
  });
});

describe("XP-110 contexts", () => {
  test("XP-110 a thousand at once never see each other", async () => {
    const { client } = openClient();
    const seen = await Promise.all(
      Array.from({ length: 1_000 }, (_, n) =>
        client.withContext(async () => {
          const mine = client.start("checkout", { n });
          await new Promise((resolve) => setImmediate(resolve));
          if (n % 2 === 0) await Promise.resolve();
          const found = client.get("checkout");
          expect(client.current()).toEqual([mine]);
          mine.complete();
          return found === mine;
        }),
      ),
    );
    expect(seen.every(Boolean)).toBe(true);
    expect(client.current()).toEqual([]);
  });

  test("XP-110 are fresh inside each other, and cleared after", async () => {
    const { client } = openClient();
    let later: Promise<unknown> | undefined;
    await client.withContext(
      async () => {
        client.start("checkout");
        client.withContext(() => expect(client.current()).toEqual([]));
        expect(client.current()).toHaveLength(1);
        // Work that goes on behind the end of its request.
        later = new Promise((resolve) => setTimeout(resolve, 5)).then(() => [
          client.current().length,
          client.resume("import_project").state,
        ]);
      },
      { "x-covered-experiences": `import_project;c=${correlationId};r=1;t=${startedAtMs}` },
    );
    expect(await later).toEqual([0, "unstarted"]);
  });

  test("XP-110 hold several ids; starting one again replaces it", () => {
    const { client } = openClient();
    client.withContext(() => {
      const first = client.start("checkout");
      client.start("import_project");
      const second = client.start("checkout");
      expect(client.get("checkout")).toBe(second);
      expect(client.current()).toHaveLength(2);
      expect(first.state).toBe("active");
    });
  });

  test("XP-110 take the correlation id that the carrier brings, else the one that is there, else a new one", () => {
    const { client } = openClient();
    const ids = [
      client.withContext(() => currentContext().correlationId, { correlation_id: correlationId.toLowerCase() }),
      client.withContext(() => currentContext().correlationId, { "x-covered-experiences": header }),
      inContext({ correlationId: "here" }, () => client.withContext(() => currentContext().correlationId)),
      client.withContext(() => currentContext().correlationId),
    ];
    expect(ids).toEqual([correlationId, correlationId, "here", expect.stringMatching(/^[0-9A-Z]{26}$/)]);
  });
});
