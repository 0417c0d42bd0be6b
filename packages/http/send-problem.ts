import type { Logger } from "@signalbox/kernel";
import { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { problemDocument } from "./problems.js";
import { toProblem } from "./to-problem.js";

/** Answers with the problem document of any error, and logs the ones that someone has to look at. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): void {
  const problem = toProblem(error);
  if (problem.code === "internal_error") logger.error("request failed", { error: problem.cause ?? problem });
  else if (problem.code === "unavailable") logger.warn("request needs what is away", { error: problem.cause });
  // The query may hold what nobody else should see.
  const [path = "/"] = request.originalUrl.split("?", 1);
  reply
    .code(problem.status)
    .headers(problem.headers)
    .type("application/problem+json; charset=utf-8")
    .send(JSON.stringify(problemDocument(problem, path, request.correlationId)));
}

/** Fastify's own log is off; what breaks after the headers are out would otherwise go unseen. */
export class StreamErrorLog extends LogController {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    super({ disableRequestLogging: true });
    this.#logger = logger;
  }

  override streamError(error: Error): void {
    if ("code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
    this.#logger.warn("answer broke off", { error });
  }
}
