import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ExperienceError } from "@signalbox/experience";
import { createAuthenticator, createTokenKey, mintToken } from "@signalbox/http";
import { createTestTokens } from "@signalbox/http/testing";
import { createVirtualClock } from "@signalbox/kernel";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { createSqlStore } from "../store/sql-store.js";
import {
  type Answer,
  answerOf,
  payload,
  startTracker,
  type TrackerOptions,
  type TrackerUnderTest,
} from "../testing/start-tracker.js";

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly scopes?: readonly ("experience:write" | "experience:read" | "experience:admin")[];
}

let tracker: TrackerUnderTest;
beforeAll(async () => {
  tracker = await startTracker({ environment: { SIGNALBOX_EXPERIENCE_SKEW: "reject" }, withHistory: true });
});
afterAll(() => tracker.close());

async function start(options: TrackerOptions): Promise<TrackerUnderTest> {
  const started = await startTracker(options);
  onTestFinished(() => started.close());
  return started;
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "error-codes-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function ask(sent: Sent, of = tracker): Promise<Answer> {
  const { method = "POST", path = "/checkpoints", body, scopes = ["experience:write"] } = sent;
  const response = await fetch(`${of.url}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(await of.headers(...scopes)),
      ...sent.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
  return answerOf(response);
}

function expectProblem(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.body.code]).toEqual([status, code]);
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({
    type: expect.stringContaining(code),
    title: expect.any(String),
    status,
    correlation_id: expect.any(String),
  });
}

const reading = { method: "GET", scopes: ["experience:read"] } as const;
const json = (value: unknown): string => JSON.stringify(value);

test.each<[code: string, sent: Sent]>([
  ["empty_body", { body: "" }],
  ["malformed_json", { body: "{" }],
  ["invalid_parameter", { ...reading, path: "/runs?state=sideways" }],
  ["invalid_cursor", { ...reading, path: "/runs?cursor=nonsense" }],
])("XP-830 400 %s", async (code, sent) => {
  expectProblem(await ask(sent), 400, code);
});

describe("who may not", () => {
  const post = async (of: TrackerUnderTest, headers: Readonly<Record<string, string>>): Promise<Answer> =>
    answerOf(await fetch(`${of.url}/checkpoints`, { method: "POST", body: json(payload()), headers: { ...headers } }));

  test("XP-831 401 missing_token, invalid_token and token_expired, each with the scheme that is wanted", async () => {
    const directory = temporaryDirectory();
    const key = await createTokenKey(directory);
    const own = await start({ authenticator: createAuthenticator({ key, isRevoked: () => false }) });
    const request = { subject: "ci", scopes: ["experience:write"], lifetimeMs: 60_000 } as const;
    const { token } = await mintToken(key, request, createVirtualClock());
    const foreign = await (await createTestTokens()).bearer(["experience:write"]);
    const answers = [
      ["missing_token", await post(own, {})],
      ["invalid_token", await post(own, foreign)],
      ["token_expired", await post(own, { authorization: `Bearer ${token}` })],
    ] as const;
    for (const [code, answer] of answers) {
      expectProblem(answer, 401, code);
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
  });

  test("XP-831 403 insufficient_scope, producer_not_allowed, type_not_allowed and experience_not_allowed", async () => {
    expectProblem(await ask({ body: json(payload()), scopes: ["experience:read"] }), 403, "insufficient_scope");
    const file = join(temporaryDirectory(), "producers.yml");
    const listed = async (entry: string): Promise<TrackerUnderTest> => {
      writeFileSync(file, entry);
      return start({ environment: { SIGNALBOX_EXPERIENCE_PRODUCERS: file } });
    };
    const nobody = await listed("- {name: other, sub: other}\n");
    expectProblem(await ask({ body: json(payload()) }, nobody), 403, "producer_not_allowed");
    const narrow = await listed("- {name: rails, iss: signalbox, sub: te*, types: [api], experiences: ['other_*']}\n");
    expectProblem(await ask({ body: json(payload()) }, narrow), 403, "type_not_allowed");
    expectProblem(await ask({ body: json(payload({ type: "api" })) }, narrow), 403, "experience_not_allowed");
  });
});

test.each<[status: number, code: string, sent: Sent]>([
  [404, "not_found", { ...reading, path: "/nothing" }],
  [404, "run_not_found", { ...reading, path: "/runs/create_merge_request/01JP0EM7HB39WSJNR4662MYZ6V" }],
  [404, "definition_not_found", { ...reading, path: "/definitions/nothing" }],
  [405, "method_not_allowed", { method: "DELETE" }],
  [413, "body_too_large", { body: json(payload({ meta: { user: "x".repeat(70_000) } })) }],
  [413, "too_many_items", { path: "/checkpoints/batch", body: json(Array.from({ length: 501 }, () => 1)) }],
  [415, "unsupported_media_type", { body: "<xml/>", headers: { "content-type": "application/xml" } }],
  [415, "unsupported_encoding", { body: json(payload()), headers: { "content-encoding": "br" } }],
])("XP-833 %i %s", async (status, code, sent) => {
  expectProblem(await ask(sent), status, code);
});

test.each<[code: string, field: string | undefined, sent: Sent]>([
  ["invalid_checkpoint", "required", { body: json({ ...payload(), type: undefined }) }],
  ["invalid_checkpoint", "wrong_type", { body: json(payload({ type: 5 })) }],
  ["invalid_checkpoint", "invalid_format", { body: json(payload({ correlation_id: "not one" })) }],
  ["invalid_checkpoint", "not_in_enum", { body: json(payload({ checkpoint: "middle" })) }],
  ["invalid_checkpoint", "too_long", { body: json(payload({ event_id: "x".repeat(65) })) }],
  ["invalid_checkpoint", "invalid_timestamp", { body: json(payload({ client_timestamp: "yesterday" })) }],
  ["unknown_experience", undefined, { body: json(payload({ covered_experience_id: "unheard_of" })) }],
  ["contradictory_outcome", undefined, { body: json(payload({ checkpoint: "end", error: true, outcome: "success" })) }],
  [
    "idempotency_key_conflict",
    undefined,
    { body: json(payload({ event_id: "a" })), headers: { "idempotency-key": "b" } },
  ],
  ["timestamp_out_of_range", undefined, { body: json(payload({ client_timestamp: "2001-01-01T00:00:00Z" })) }],
])("XP-834 422 %s %s", async (code, field, sent) => {
  const answer = await ask(sent);
  expectProblem(answer, 422, code);
  if (field !== undefined)
    expect(answer.body.errors).toContainEqual(
      expect.objectContaining({ pointer: expect.any(String), code: field, message: expect.any(String) }),
    );
});

test("XP-835 429 rate_limited, 503 state_store_unavailable and backlog_full say when to come again", async () => {
  const narrow = await start({ environment: { SIGNALBOX_EXPERIENCE_RATE: "1", SIGNALBOX_EXPERIENCE_BURST: "1" } });
  // More than the rate allows in a minute, however slow the machine is.
  await ask({ path: "/checkpoints/batch", body: json(Array.from({ length: 100 }, () => payload())) }, narrow);
  const limited = await ask({ body: json(payload()) }, narrow);
  expectProblem(limited, 429, "rate_limited");
  const failing = await start({
    openStore: (request, database) => ({
      ...createSqlStore({ database, ...request }),
      apply: async () => {
        throw new ExperienceError("state_store_unavailable");
      },
    }),
  });
  const away = await ask({ body: json(payload()) }, failing);
  expectProblem(away, 503, "state_store_unavailable");
  const full = await start({
    openStore: (request, database) => ({
      ...createSqlStore({ database, ...request }),
      apply: async () => {
        throw new ExperienceError("backlog_full");
      },
    }),
  });
  const refused = await ask({ body: json(payload()) }, full);
  expectProblem(refused, 503, "backlog_full");
  for (const { headers } of [limited, away, refused]) expect(headers.get("retry-after")).toMatch(/^[1-9][0-9]*$/);
});
