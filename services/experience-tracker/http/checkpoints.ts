import { batchLimits, ExperienceError } from "@signalbox/experience";
import { HttpProblem, principalOf } from "@signalbox/http";
import { currentContext, enterContext } from "@signalbox/kernel";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { storeProblem, trackerErrors, trackerProblem } from "../errors.js";
import type { Sender, TakeOutcome } from "../intake.js";
import { allowPages } from "./allow-pages.js";
import { type RouteDependencies, tenantOf } from "./dependencies.js";
import { addCheckpointParser, BatchText, isBatch, parseCheckpointJson } from "./read-json.js";
import { replyOf } from "./reply.js";
import {
  batchReplySchema,
  checkpointExample,
  checkpointReplySchema,
  checkpointSchema,
  replyExample,
} from "./schemas.js";
import { createTurns } from "./turns.js";

const writeErrors = [
  "invalid_checkpoint",
  "unknown_experience",
  "contradictory_outcome",
  "idempotency_key_conflict",
  "timestamp_out_of_range",
  "producer_not_allowed",
  "type_not_allowed",
  "experience_not_allowed",
  "state_store_unavailable",
  "backlog_full",
] as const;

/**
 * Batches are parsed and applied up to this much JSON at a time, some thousand checkpoints: enough for the store's next
 * transactions, and little enough to be done with before the garbage collector moves it about. The text waits outside
 * of its heap.
 */
const batchBytes = { room: 262_144, maxWaiting: 67_108_864 } as const;

/**
 * Bodies that are not small are decompressed four at a time, as many as there are threads for it: each counts as the
 * largest that it may become, since what it will become cannot be known. While they wait they are no larger than they were sent.
 */
const inflatedBytes = { room: 4 * batchLimits.maxDecodedBytes, maxWaiting: batchBytes.maxWaiting } as const;

/** Where producers send to. */
export function registerCheckpointRoutes(app: FastifyInstance, dependencies: RouteDependencies): void {
  const inflating = createTurns(inflatedBytes);
  addCheckpointParser(app, (sentBytes, inflate) =>
    inStoresWords(() => inflating.take(batchLimits.maxDecodedBytes, inflate, sentBytes)),
  );
  const turns = createTurns(batchBytes);

  app.post("/checkpoints", {
    config: {
      access: { scope: "experience:write" },
      rateLimit: "own",
      body: { maxBytes: batchLimits.maxItemBytes, maxInflatedBytes: batchLimits.maxItemBytes },
      errors: writeErrors,
    },
    schema: {
      summary: "Take one checkpoint",
      tags: ["experiences"],
      body: { ...checkpointSchema, examples: [checkpointExample] },
      response: {
        200: { description: "The run was known.", ...checkpointReplySchema, examples: [replyExample] },
        201: { description: "The checkpoint opened the run.", ...checkpointReplySchema, examples: [replyExample] },
      },
    },
    async handler(request, reply) {
      const sender = senderOf(request, dependencies, 1);
      const [outcome] = await inStoresWords(() => dependencies.intake.take([request.body], sender));
      if (!outcome) throw new TypeError("An outcome is missing");
      if (outcome.kind === "refused") throw refusalOf(outcome, dependencies);
      if (outcome.kind === "unwritten") throw storeProblem(outcome.error.code, outcome.error);
      noteJourney(outcome.run.identity.correlationId);
      return sendJson(reply, statusOf(outcome), replyOf(outcome));
    },
  });

  app.post("/checkpoints/batch", {
    config: {
      access: { scope: "experience:write" },
      rateLimit: "own",
      body: { maxBytes: batchLimits.maxBodyBytes, maxInflatedBytes: batchLimits.maxDecodedBytes },
      errors: [...writeErrors, "too_many_items"],
    },
    schema: {
      summary: "Take many checkpoints, one result for each",
      tags: ["experiences"],
      body: {
        description: "An object with `checkpoints`, or the bare list.",
        examples: [{ checkpoints: [checkpointExample] }],
      },
      response: { 200: batchReplySchema },
    },
    async handler(request, reply) {
      const { body } = request;
      if (!(body instanceof BatchText)) throw new TypeError("The parser of checkpoints is not registered");
      const answer = await inStoresWords(() =>
        turns.take(body.bytes.length, () => takeBatch(body.bytes, request, dependencies)),
      );
      return sendJson(reply, 200, answer);
    },
  });

  allowPages(app, dependencies.corsOrigins, ["/checkpoints", "/checkpoints/batch"]);
}

async function takeBatch(bytes: Uint8Array, request: FastifyRequest, dependencies: RouteDependencies): Promise<object> {
  const items = itemsOf(parseCheckpointJson(bytes));
  const sender = senderOf(request, dependencies, items.length);
  const tooLarge = tooLargeItems(items, bytes.length);
  const outcomes = await dependencies.intake.take(
    tooLarge.size === 0 ? items : items.filter((_, index) => !tooLarge.has(index)),
    sender,
  );
  let next = 0;
  let accepted = 0;
  const results = items.map((_, index) => {
    const outcome = tooLarge.has(index) ? undefined : outcomes[next++];
    if (outcome?.kind === "taken") accepted++;
    return outcome ? resultOf(index, outcome, dependencies) : { index, ...tooLargeResult };
  });
  return { accepted, rejected: results.length - accepted, results };
}

async function inStoresWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ExperienceError) throw storeProblem(error.code, error);
    throw error;
  }
}

/** Who sends, and whether this much of it may come now. */
function senderOf(request: FastifyRequest, dependencies: RouteDependencies, checkpoints: number): Sender {
  const principal = principalOf(request);
  const producer = dependencies.producers.admit(principal);
  if (producer.kind === "refused") throw trackerProblem(producer.code);
  const waitMs = producer.take(checkpoints);
  if (waitMs > 0)
    throw new HttpProblem("rate_limited", {
      headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) },
    });
  const dropped = request.headers["x-experience-dropped"];
  if (typeof dropped === "string") dependencies.metrics.sdkDropped(dropped);
  const idempotencyKey = request.headers["idempotency-key"];
  return {
    tenant: producer.tenant ?? tenantOf(principal, dependencies.tenantClaim),
    producer,
    ...(typeof idempotencyKey === "string" && !isBatch(request) ? { idempotencyKey } : {}),
  };
}

/** Log lines of this request name the journey that it is about. */
function noteJourney(correlationId: string): void {
  const context = currentContext();
  const meta = Object.freeze({ ...context.meta, experience_correlation_id: correlationId });
  enterContext(Object.freeze({ ...context, meta }));
}

function refusalOf(outcome: Extract<TakeOutcome, { kind: "refused" }>, { metrics }: RouteDependencies): HttpProblem {
  if (trackerErrors.entries[outcome.code].status === 403) metrics.refusedToken(outcome.code);
  return trackerProblem(outcome.code, { errors: outcome.faults });
}

function statusOf({ answer, duplicate }: Extract<TakeOutcome, { kind: "taken" }>): 200 | 201 {
  return answer.reply.opened && !duplicate ? 201 : 200;
}

/** @throws {HttpProblem} for a body that is no batch, or too long a one */
function itemsOf(body: unknown): readonly unknown[] {
  const items: unknown = typeof body === "object" && body !== null && "checkpoints" in body ? body.checkpoints : body;
  if (!Array.isArray(items))
    throw trackerProblem("invalid_checkpoint", {
      detail: "A batch is a list of checkpoints, or an object with such a list as `checkpoints`.",
      errors: [{ pointer: "/checkpoints", code: "wrong_type", message: "must be a list" }],
    });
  if (items.length > batchLimits.maxItems)
    throw trackerProblem("too_many_items", { detail: `A batch holds at most ${batchLimits.maxItems} checkpoints.` });
  return items;
}

/** Places of items that are too large alone; a body that is not larger than an item may be holds none. */
function tooLargeItems(items: readonly unknown[], bytes: number): ReadonlySet<number> {
  if (bytes <= batchLimits.maxItemBytes) return new Set();
  const places = new Set<number>();
  for (const [index, item] of items.entries())
    if (Buffer.byteLength(JSON.stringify(item) ?? "") > batchLimits.maxItemBytes) places.add(index);
  return places;
}

const tooLargeResult = {
  status: 413,
  retryable: false,
  error: { code: "body_too_large", detail: `A checkpoint may have at most ${batchLimits.maxItemBytes} bytes.` },
};

function resultOf(index: number, outcome: TakeOutcome, { metrics }: RouteDependencies) {
  if (outcome.kind === "taken") return { index, status: statusOf(outcome), retryable: false, ...replyOf(outcome) };
  if (outcome.kind === "unwritten") {
    const { code, message } = outcome.error;
    return { index, status: 503, retryable: true, error: { code, detail: message } };
  }
  const { status = 422, message } = trackerErrors.entries[outcome.code];
  if (status === 403) metrics.refusedToken(outcome.code);
  const errors = outcome.faults.length > 0 ? { errors: outcome.faults } : {};
  return { index, status, retryable: false, error: { code: outcome.code, detail: message, ...errors } };
}

/** As text: the answer was made by us field by field, and looking at each again would cost as much as making it. */
function sendJson(reply: FastifyReply, status: number, body: object): FastifyReply {
  return reply.code(status).type("application/json; charset=utf-8").send(JSON.stringify(body));
}
