import { ulid } from "@signalbox/kernel";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTracker, type TrackerUnderTest } from "./testing/start-tracker.js";

let tracker: TrackerUnderTest;
beforeAll(async () => {
  tracker = await startTracker({ withHistory: true, environment: { SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0" } });
  await tracker.define("quick", {
    description: "A journey that is over soon",
    feature_category: "testing",
    urgency: "custom",
    apdex_threshold_s: 0.1,
    timeout_s: 0.4,
  });
  await tracker.tracker.definitions.reload();
});
afterAll(() => tracker.close());

const quick = { covered_experience_id: "quick", feature_category: "testing", urgency: "custom" };

interface Listed {
  readonly correlation_id: string;
  readonly state: string;
  readonly covered_experience_id: string;
}

async function walk(query: string): Promise<Listed[]> {
  const runs: Listed[] = [];
  let cursor = "";
  do {
    const { status, body, headers } = await tracker.get(`/runs?${query}${cursor ? `&cursor=${cursor}` : ""}`);
    expect(status).toBe(200);
    runs.push(...body.runs);
    cursor = body.next_cursor ?? "";
    expect(headers.get("link") ?? "").toContain(cursor === "" ? "" : 'rel="next"');
  } while (cursor !== "");
  return runs;
}

const written = async (correlationId: string) =>
  (await tracker.tracker.history.journeys("default", correlationId)).runs;

describe("verdicts", () => {
  test("XP-540 XP-541 XP-542 checkpoints and verdicts are rows, and a late end comes into the row of its verdict", async () => {
    const correlation_id = ulid();
    await tracker.send({ ...quick, correlation_id, checkpoint_category: "begin", meta: { user: "alice" } });
    await expect.poll(async () => (await written(correlation_id))[0]?.state).toBe("timed_out");
    await tracker.send({ ...quick, correlation_id, checkpoint: "end", error: true, error_message: "too late" });
    await expect.poll(async () => (await written(correlation_id))[0]?.lateEnd?.outcome).toBe("error");
    const { runs, checkpoints } = await tracker.tracker.history.journeys("default", correlation_id);
    expect(runs).toHaveLength(1);
    expect(runs[0]).toMatchObject({
      experienceId: "quick",
      urgency: "custom",
      thresholdS: 0.1,
      timeoutS: 0.4,
      verdict: { reason: "timeout", elapsedS: 0.4, apdexSuccess: undefined },
      checkpointCount: 2,
      anomalies: ["late_end"],
      inMeasurementGap: false,
    });
    expect(checkpoints).toMatchObject([
      { checkpoint: "start", category: "begin", applied: true, meta: { user: "alice" } },
      { checkpoint: "end", outcome: "error", errorMessage: "too late", applied: false, anomalies: ["late_end"] },
    ]);
  });

  test("XP-561 XP-562 finished runs come newest first, page by page, each once; a verdict is there at once", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) {
      const correlation_id = ulid();
      ids.push(correlation_id);
      await tracker.send({ correlation_id });
      const outcome = ["success", "error", "discarded"][index % 3];
      await tracker.send({ correlation_id, checkpoint: "end", outcome });
      const [latest] = (await tracker.get("/runs?state=finished&limit=1")).body.runs;
      expect(latest).toMatchObject({ correlation_id });
    }
    for (const id of ids) await expect.poll(async () => (await written(id)).length).toBe(1);
    const listed = await walk("state=finished&experience=create_merge_request&limit=3");
    expect(listed.map(({ correlation_id }) => correlation_id)).toEqual([...ids].reverse());
    const failed = await walk("state=failed,discarded&experience=create_merge_request&limit=2");
    expect(failed.map(({ state }) => state).sort()).toEqual(["discarded", "discarded", "failed", "failed"]);
  });

  test("XP-162 XP-560 filters narrow both halves of the list", async () => {
    const correlation_id = ulid();
    await tracker.send({ correlation_id, type: "sidekiq" });
    const open = (query: string) => walk(`state=open,finished&${query}`);
    expect((await open("type=sidekiq")).map((run) => run.correlation_id)).toEqual([correlation_id]);
    expect(await open("type=sidekiq&urgency=async_slow")).toEqual([]);
    expect(await open("type=sidekiq&since=2999-01-01T00:00:00Z")).toEqual([]);
    expect((await open("anomaly=late_end")).map((run) => run.covered_experience_id)).toEqual(["quick"]);
    expect((await open("feature_category=testing,none")).map((run) => run.covered_experience_id)).toEqual(["quick"]);
  });

  test("XP-560 XP-562 what is unknown is refused by name, and a cursor belongs to its filter", async () => {
    for (const [query, pointer] of [
      ["state=nowhere", "/query/state"],
      ["urgency=fast", "/query/urgency"],
      ["anomaly=odd", "/query/anomaly"],
      ["since=yesterday", "/query/since"],
      ["limit=501", "/query/limit"],
      ["colour=red", "/query/colour"],
    ]) {
      const answer = await tracker.get(`/runs?${query}`);
      expect(answer).toMatchObject({ status: 400, body: { code: "invalid_parameter" } });
      expect(answer.body.errors[0].pointer).toBe(pointer);
    }
    const { body } = await tracker.get("/runs?state=finished&limit=1");
    expect(body.next_cursor).toBeDefined();
    for (const query of [`state=failed&cursor=${body.next_cursor}`, "cursor=abc"])
      expect(await tracker.get(`/runs?${query}`)).toMatchObject({ status: 400, body: { code: "invalid_cursor" } });
  });

  test("XP-561 stale runs are open ones older than their threshold, with deadline and overdue", async () => {
    await tracker.define("slow", {
      description: "x",
      feature_category: "y",
      urgency: "custom",
      apdex_threshold_s: 0.2,
      timeout_s: 600,
    });
    await tracker.tracker.definitions.reload();
    const correlation_id = ulid();
    const { body } = await tracker.send({
      covered_experience_id: "slow",
      feature_category: "y",
      urgency: "custom",
      correlation_id,
    });
    await expect.poll(async () => (await walk("state=stale&experience=slow")).length).toBe(1);
    const [run] = (await tracker.get("/runs?state=stale&experience=slow")).body.runs;
    expect(run).toMatchObject({ correlation_id, overdue: false, deadline: body.deadline, state: "open" });
  });
});

describe("one run", () => {
  test("XP-163 XP-563 the timeline is in the order of what happened, with gaps and skew", async () => {
    const correlation_id = ulid();
    const nowMs = Date.now();
    const at = (offsetMs: number) => new Date(nowMs + offsetMs).toISOString();
    await tracker.send({ correlation_id, client_timestamp: at(-1_500), run: "job:1" });
    await tracker.send({
      correlation_id,
      checkpoint: "intermediate",
      client_timestamp: at(-500),
      run: "job:1",
      checkpoint_category: "late",
    });
    await tracker.send({
      correlation_id,
      checkpoint: "intermediate",
      client_timestamp: at(-1_000),
      run: "job:1",
      checkpoint_category: "early",
    });
    const { status, body } = await tracker.get(`/runs/create_merge_request/${correlation_id}/job:1`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      state: "open",
      started_at: at(-1_500),
      deadline: at(28_500),
      definition: { threshold_s: 2, timeout_s: 30, feature_category: "code_review_workflow" },
      last_seen: { category: "late", type: "web", at: at(-500) },
    });
    expect(
      body.timeline.map((entry: { checkpoint_category?: string; gap_s?: number }) => [
        entry.checkpoint_category,
        entry.gap_s,
      ]),
    ).toEqual([
      [undefined, undefined],
      ["early", 0.5],
      ["late", 0.5],
    ]);
    expect((await tracker.get(`/runs/create_merge_request/${correlation_id}`)).status).toBe(404);
  });

  test("XP-563 XP-544 after its retention it is answered from history in the same shape, under any spelling of its id", async () => {
    const uuid = "01938e0f-9a4b-7c3d-8e2f-0123456789ac";
    const { body: sent } = await tracker.send({ correlation_id: uuid, meta: { user: "bob" } });
    await tracker.send({ correlation_id: uuid, checkpoint: "end" });
    const path = `/runs/create_merge_request/${uuid}`;
    const before = await tracker.get(path, "experience:admin");
    await expect.poll(async () => (await written(sent.correlation_id)).length).toBe(1);
    await tracker.database.run("delete from experience_run_events where correlation_id = ?", [sent.correlation_id]);
    await tracker.database.run("delete from experience_runs where correlation_id = ?", [sent.correlation_id]);
    await expect.poll(async () => (await tracker.get(path, "experience:admin")).body.timeline?.length).toBe(2);
    const after = await tracker.get(path, "experience:admin");
    expect(after.body.timeline).toEqual(before.body.timeline);
    expect(after.body).toMatchObject({
      state: "succeeded",
      correlation_id: sent.correlation_id,
      elapsed_s: before.body.elapsed_s,
    });
    expect(await tracker.get(`/runs/create_merge_request/${ulid()}`)).toMatchObject({
      status: 404,
      body: { code: "run_not_found" },
    });
  });

  test("XP-564 meta needs its own scope", async () => {
    const correlation_id = ulid();
    await tracker.send({ correlation_id, meta: { user: "carol" } });
    const path = `/runs/create_merge_request/${correlation_id}`;
    const plain = (await tracker.get(path)).body;
    expect(plain.redacted).toBe(true);
    expect(JSON.stringify(plain)).not.toContain("carol");
    const full = (await tracker.get(path, "experience:read", "experience:read_meta")).body;
    expect(full.redacted).toBeUndefined();
    expect(full.timeline[0].meta).toEqual({ user: "carol" });
  });
});

describe("log lines", () => {
  test("XP-510 XP-512 one line for each applied checkpoint and verdict, without personal data", async () => {
    const correlation_id = ulid();
    await tracker.send({ correlation_id, meta: { user: "dora", project: "forge", checkpoint: "lie" } });
    await tracker.send({ correlation_id, checkpoint: "intermediate", checkpoint_category: "authorize" });
    await tracker.send({ correlation_id, checkpoint: "end", error: true, error_message: "it broke" });
    const lines = () =>
      tracker.lines.filter(
        ({ message, fields }) => message.startsWith("experience ") && fields?.["correlation_id"] === correlation_id,
      );
    await expect.poll(() => lines().length).toBe(3);
    expect(lines().map(({ level, message }) => [level, message])).toEqual([
      ["info", "experience start"],
      ["info", "experience intermediate"],
      ["warn", "experience failure"],
    ]);
    expect(lines()[0]?.fields).toMatchObject({ checkpoint: "start", "meta.project": "forge", urgency_threshold_s: 2 });
    expect(lines()[0]?.fields).not.toHaveProperty("meta.user");
    expect(lines()[1]?.fields).toMatchObject({ checkpoint_category: "authorize" });
    expect(lines()[2]?.fields).toMatchObject({ failure_reason: "error", error_message: "it broke", success: false });
    expect(lines()[2]?.fields?.["error"]).toMatchObject({ name: "error", message: "it broke" });
  });
});
