import { once } from "node:events";
import { request } from "node:http";
import { gzipSync } from "node:zlib";
import { ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { answerOf, payload, startTracker, type TrackerUnderTest } from "../testing/start-tracker.js";

let tracker: TrackerUnderTest;
let writing: Record<string, string>;
beforeAll(async () => {
  tracker = await startTracker();
  writing = await tracker.headers("experience:write");
});
afterAll(() => tracker.close());

async function post(path: string, body: string | Uint8Array, headers: Record<string, string> = {}) {
  return answerOf(
    await fetch(`${tracker.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...writing, ...headers },
      body: typeof body === "string" ? body : Buffer.from(body),
    }),
  );
}

const codesOf = (answer: { body: { errors: { code: string; pointer: string }[] } }): string[] =>
  answer.body.errors.map(({ pointer, code }) => `${pointer} ${code}`);

describe("one checkpoint", () => {
  test("XP-160 XP-177 XP-208 the first of a run is created, the next is found, and both echo what is stored", async () => {
    const correlation_id = ulid();
    const sent = payload({
      correlation_id: correlation_id.toLowerCase(),
      checkpoint_category: "authorize",
      meta: { "meta.user": "alice", count: 3, flag: true, list: [1], nothing: null },
      server_timestamp: "1999-01-01T00:00:00Z",
      sequence: 4,
    });
    const first = await tracker.send(sent);
    expect(first.status).toBe(201);
    expect(first.body).toMatchObject({
      correlation_id,
      covered_experience_id: "create_merge_request",
      checkpoint: "start",
      checkpoint_category: "authorize",
      type: "web",
      feature_category: "code_review_workflow",
      urgency: "sync_fast",
      client_timestamp: sent["client_timestamp"],
      meta: { user: "alice", count: "3", flag: "true", list: "[1]" },
      sequence: 4,
      run: "1",
      state: "open",
      duplicate: false,
      anomalies: [],
      warnings: [],
    });
    expect(Math.abs(Date.parse(first.body.server_timestamp) - Date.now())).toBeLessThan(60_000);
    expect(Date.parse(first.body.deadline) - Date.parse(first.body.client_timestamp)).toBe(30_000);
    const end = await tracker.send({ correlation_id, checkpoint: "end" });
    expect(end).toMatchObject({ status: 200, body: { state: "succeeded", apdex_success: true, outcome: "success" } });
    expect(end.body.elapsed_s).toBeGreaterThanOrEqual(0);
    expect(end.body.deadline).toBeUndefined();
  });

  test("XP-209 GitLab's logging context comes along as meta, and is shown to those who may see it", async () => {
    const meta = {
      user: "alice",
      project: "gitlab-org/gitlab",
      root_namespace: "gitlab-org",
      client_id: "user/1",
      caller_id: "POST /api/:version/projects/:id/merge_requests",
      remote_ip: "192.0.2.7",
      job_id: "17",
      pipeline_id: "18",
      related_class: "MergeRequest",
      feature_category: "code_review_workflow",
      root_caller_id: "MergeRequestsController#create",
    };
    const prefixed = Object.fromEntries(Object.entries(meta).map(([key, value]) => [`meta.${key}`, value]));
    for (const sent of [meta, prefixed]) {
      const { status, body } = await tracker.send({ meta: sent });
      expect(status).toBe(201);
      expect(body).toMatchObject({ meta, feature_category: "code_review_workflow", warnings: [], anomalies: [] });
      const path = `/runs/create_merge_request/${body.correlation_id}`;
      const shown = await tracker.get(path, "experience:read", "experience:read_meta");
      expect(shown.body.timeline[0].meta).toEqual(meta);
      expect((await tracker.get(path)).body.timeline[0].meta).toBeUndefined();
    }
    expect((await tracker.send({ meta: undefined })).body.meta).toBeUndefined();
  });

  test("XP-177 the answer's correlation header is the request's, not the journey's", async () => {
    const { headers, body } = await tracker.send({}, { "x-correlation-id": "my-request-1" });
    expect(headers.get("x-correlation-id")).toBe("my-request-1");
    expect(body.correlation_id).not.toBe("my-request-1");
  });

  test("XP-200 a UUID and 32 hex digits stand for the ULID of the same bits", async () => {
    const uuid = "01938e0f-9a4b-7c3d-8e2f-0123456789ab";
    const [one, two] = [
      await tracker.send({ correlation_id: uuid }),
      await tracker.send({ correlation_id: uuid.replaceAll("-", "").toUpperCase(), checkpoint: "end" }),
    ];
    expect(one.status).toBe(201);
    expect(two).toMatchObject({ status: 200, body: { correlation_id: one.body.correlation_id, state: "succeeded" } });
  });

  test("XP-201 the alias of the id is taken, two different ones are not", async () => {
    const alias = payload({ user_experience_id: "create_merge_request" });
    delete alias["covered_experience_id"];
    expect((await post("/checkpoints", JSON.stringify(alias))).status).toBe(201);
    const both = await tracker.send({ user_experience_id: "something_else" });
    expect(both).toMatchObject({ status: 422, body: { code: "invalid_checkpoint" } });
    expect(codesOf(both)).toEqual(["/user_experience_id invalid_format"]);
  });

  test("XP-201 an experience without a definition is refused", async () => {
    const answer = await tracker.send({ covered_experience_id: "nobody_knows" });
    expect(answer).toMatchObject({ status: 422, body: { code: "unknown_experience" } });
  });

  test("XP-205 XP-206 the registry wins over the producer's category and urgency", async () => {
    const { status, body } = await tracker.send({ feature_category: "billing", urgency: "async_slow" });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      feature_category: "code_review_workflow",
      urgency: "sync_fast",
      anomalies: ["definition_mismatch"],
    });
  });

  test("XP-204 a type that is not configured is taken and is an anomaly", async () => {
    expect((await tracker.send({ type: "toaster" })).body).toMatchObject({
      type: "toaster",
      anomalies: ["unknown_type"],
    });
  });

  test("XP-230 all faults are told together, in the order of the fields", async () => {
    const answer = await post(
      "/checkpoints",
      JSON.stringify({
        checkpoint: "END",
        urgency: 3,
        run: "a b",
        sequence: -1,
        client_timestamp: "2026-02-30T00:00:00Z",
      }),
    );
    expect(answer).toMatchObject({ status: 422, body: { code: "invalid_checkpoint", status: 422 } });
    expect(answer.headers.get("content-type")).toContain("application/problem+json");
    expect(codesOf(answer)).toEqual([
      "/correlation_id required",
      "/covered_experience_id required",
      "/checkpoint not_in_enum",
      "/type required",
      "/feature_category required",
      "/urgency wrong_type",
      "/client_timestamp invalid_timestamp",
      "/run invalid_format",
      "/sequence invalid_format",
    ]);
  });

  test("XP-210 Idempotency-Key is the event id; both and different conflict", async () => {
    const correlation_id = ulid();
    const first = await tracker.send({ correlation_id }, { "idempotency-key": "k1" });
    expect(first.body).toMatchObject({ event_id: "k1", duplicate: false });
    const second = await tracker.send({ correlation_id, event_id: "k1" });
    expect(second).toMatchObject({ status: 200, body: { duplicate: true, event_id: "k1" } });
    const clash = await tracker.send({ event_id: "k2" }, { "idempotency-key": "k3" });
    expect(clash).toMatchObject({ status: 422, body: { code: "idempotency_key_conflict" } });
  });

  test("XP-213 outcome and error that contradict each other are refused", async () => {
    for (const fields of [
      { outcome: "success", error: true },
      { outcome: "error", error: false },
      { outcome: "discarded", error: true },
    ]) {
      const answer = await tracker.send({ checkpoint: "end", ...fields });
      expect(answer).toMatchObject({ status: 422, body: { code: "contradictory_outcome" } });
    }
  });

  test("XP-211 XP-213 what only an end says is ignored elsewhere, and said to be", async () => {
    const { status, body } = await tracker.send({ error: true, error_message: "x", outcome: 7, discard_reason: "y" });
    expect(status).toBe(201);
    expect(body.warnings).toEqual(
      ["error", "error_message", "outcome", "discard_reason"].map((field) => ({ code: "ignored_field", field })),
    );
  });

  test("XP-230 unknown fields are ignored and named, ten at most", async () => {
    const extra = Object.fromEntries(Array.from({ length: 15 }, (_, index) => [`x${index}`, index]));
    const { status, body } = await tracker.send(extra);
    expect(status).toBe(201);
    expect(body.warnings).toHaveLength(10);
    expect(body).not.toHaveProperty("x0");
  });

  test("XP-235 the same payload ten times at once counts once", async () => {
    const body = JSON.stringify(payload());
    const answers = await Promise.all(Array.from({ length: 10 }, () => post("/checkpoints", body)));
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 201]);
    const [first, ...rest] = answers.sort((a, b) => b.status - a.status);
    for (const other of rest) expect(other.body).toEqual({ ...first?.body, duplicate: true });
  });
});

describe("bodies", () => {
  test("XP-232 XP-233 what cannot be read is refused with its code", async () => {
    const good = JSON.stringify(payload());
    const cases: [string, string | Uint8Array, Record<string, string>, number, string][] = [
      ["nothing", "", {}, 400, "empty_body"],
      ["spaces", "  ", {}, 400, "empty_body"],
      ["broken", "{", {}, 400, "malformed_json"],
      ["trailing text", `${good} x`, {}, 400, "malformed_json"],
      ["no UTF-8", Uint8Array.from([0x7b, 0xff, 0x7d]), {}, 400, "malformed_json"],
      ["too deep", `${"[".repeat(17)}${"]".repeat(17)}`, {}, 400, "malformed_json"],
      ["a form", good, { "content-type": "application/x-www-form-urlencoded" }, 415, "unsupported_media_type"],
      ["another charset", good, { "content-type": "application/json; charset=latin1" }, 415, "unsupported_media_type"],
      ["brotli", good, { "content-encoding": "br" }, 415, "unsupported_encoding"],
      ["too large", JSON.stringify(payload({ meta: { a: "x".repeat(70_000) } })), {}, 413, "body_too_large"],
      ["a bomb", gzipSync(Buffer.alloc(5_000_000, 0x20)), { "content-encoding": "gzip" }, 413, "body_too_large"],
      ["a list", "[]", {}, 422, "invalid_checkpoint"],
      ["a number", "7", {}, 422, "invalid_checkpoint"],
    ];
    for (const [name, body, headers, status, code] of cases)
      expect({ name, ...(await post("/checkpoints", body, headers)) }).toMatchObject({ name, status, body: { code } });
  });

  test("XP-232 XP-233 gzip, a byte-order mark, a charset and a repeated key are fine", async () => {
    const text = JSON.stringify(payload());
    expect((await post("/checkpoints", gzipSync(text), { "content-encoding": "gzip" })).status).toBe(201);
    expect((await post("/checkpoints", `\ufeff${JSON.stringify(payload())}`)).status).toBe(201);
    const utf8 = { "content-type": 'application/json; charset="UTF-8"' };
    expect((await post("/checkpoints", JSON.stringify(payload()), utf8)).status).toBe(201);
    const repeated = `{"type":"x y",${JSON.stringify(payload()).slice(1)}`;
    expect((await post("/checkpoints", repeated)).status).toBe(201);
  });

  test("XP-231 XP-233 names that reach into objects are left out of meta; U+0000 is refused anywhere", async () => {
    const text = JSON.stringify(payload({ meta: { ok: "1", type: "no", "9bad": "x" } })).replace(
      '"ok"',
      '"__proto__":"x","constructor":{"prototype":1},"ok"',
    );
    const { status, body } = await post("/checkpoints", text);
    expect(status).toBe(201);
    expect(body.meta).toEqual({ ok: "1" });
    for (const fields of [{ meta: { a: "x\u0000y" } }, { meta: { deep: { er: ["\u0000"] } } }, { other: "\u0000" }])
      expect((await tracker.send(fields)).status).toBe(422);
  });
});

describe("batches", () => {
  test("XP-232 producers that send slowly keep nobody from being decompressed", async () => {
    const items = JSON.stringify(
      Array.from({ length: 400 }, () => payload({ meta: { noise: ulid() + ulid() + ulid() } })),
    );
    const sent = gzipSync(items);
    const headers = { ...writing, "content-type": "application/json", "content-encoding": "gzip" };
    const slow = Array.from({ length: 8 }, () => {
      const asking = request(`${tracker.url}/checkpoints/batch`, {
        method: "POST",
        agent: false,
        headers: { ...headers, "content-length": sent.length },
      });
      onTestFinished(() => void asking.destroy());
      return { asking, status: once(asking, "response").then(([answer]) => answer.statusCode) };
    });
    await Promise.all(
      slow.map(
        ({ asking }) => new Promise<void>((resolve) => void asking.write(sent.subarray(0, -1), () => resolve())),
      ),
    );
    const quick = await post("/checkpoints/batch", sent, { "content-encoding": "gzip" });
    expect(quick).toMatchObject({ status: 200, body: { accepted: 400 } });
    for (const { asking } of slow) asking.end(sent.subarray(-1));
    expect(await Promise.all(slow.map(({ status }) => status))).toEqual(new Array(8).fill(200));
  });

  const batch = (body: unknown, headers: Record<string, string> = {}) =>
    post("/checkpoints/batch", JSON.stringify(body), headers);

  test("XP-161 XP-240 one result for each item, in order; a bad one does not affect the others", async () => {
    const correlation_id = ulid();
    const items = [
      payload({ correlation_id }),
      { nonsense: true },
      payload({ correlation_id, checkpoint: "intermediate" }),
      payload({ covered_experience_id: "nobody_knows" }),
      payload({ correlation_id, checkpoint: "end" }),
    ];
    const { status, body } = await batch({ checkpoints: items });
    expect(status).toBe(200);
    expect(body).toMatchObject({ accepted: 3, rejected: 2 });
    expect(body.results.map((result: { index: number; status: number }) => [result.index, result.status])).toEqual([
      [0, 201],
      [1, 422],
      [2, 200],
      [3, 422],
      [4, 200],
    ]);
    expect(body.results[1]).toMatchObject({ retryable: false, error: { code: "invalid_checkpoint" } });
    expect(body.results[3]).toMatchObject({ error: { code: "unknown_experience" } });
    expect(body.results[4]).toMatchObject({ state: "succeeded" });
  });

  test("XP-240 a bare list is a batch, and an empty one is fine", async () => {
    expect((await batch([payload()])).body).toMatchObject({ accepted: 1, rejected: 0 });
    expect(await batch([])).toMatchObject({ status: 200, body: { accepted: 0, rejected: 0, results: [] } });
    expect(await batch({ checkpoints: 1 })).toMatchObject({ status: 422, body: { code: "invalid_checkpoint" } });
  });

  test("XP-232 more than 500 items are refused whole, an item that is too large alone", async () => {
    expect(await batch(Array(501).fill({}))).toMatchObject({ status: 413, body: { code: "too_many_items" } });
    const large = payload({ meta: { a: "x".repeat(70_000) } });
    const { body } = await batch([large, payload()]);
    expect(body).toMatchObject({ accepted: 1, rejected: 1 });
    expect(body.results[0]).toMatchObject({ status: 413, error: { code: "body_too_large" } });
    const most = await batch(Array.from({ length: 500 }, () => payload()));
    expect(most.body).toMatchObject({ accepted: 500 });
  });

  test("XP-240 the same checkpoint twice in one batch counts once", async () => {
    const item = payload();
    const { body } = await batch([item, item]);
    expect(body.results.map((result: { duplicate: boolean }) => result.duplicate)).toEqual([false, true]);
  });
});

describe("around the routes", () => {
  test("XP-175 a trailing slash changes nothing, a wrong method is told the right one", async () => {
    expect((await post("/checkpoints/", JSON.stringify(payload()))).status).toBe(201);
    const wrong = await fetch(`${tracker.url}/checkpoints`, { headers: writing });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get("allow")).toContain("POST");
    const options = await fetch(`${tracker.url}/checkpoints`, { method: "OPTIONS" });
    expect(options.status).toBe(204);
    expect(options.headers.get("allow")).toContain("POST");
    expect(options.headers.get("access-control-allow-origin")).toBeNull();
    const head = await fetch(`${tracker.url}/definitions`, { method: "HEAD", headers: writing });
    expect(head.status).toBe(200);
  });
});
