import { type Clock, createFailureLog, errorCode, type FailureLog, type Logger } from "@signalbox/kernel";
import { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { problemDocument } from "./problems.js";
import { toProblem } from "./to-problem.js";

/** Answers with the problem document of any error. */
export type SendProblem = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

/**
 * Logs the errors that someone has to look at. While something is away every request says so: that is one line when it begins
 * and one a minute, with the number of requests.
 */
export function createProblemSender(logger: Logger, clock: Clock): SendProblem {
  const awayLogs = new Map<string, FailureLog>();
  const logAway = (cause: unknown): void => {
    // One for each reason: of the codes there are a few.
    const code = errorCode(cause) ?? "";
    let log = awayLogs.get(code);
    if (!log) {
      log = createFailureLog({ logger, clock, message: "request needs what is away" });
      awayLogs.set(code, log);
    }
    log.failed({ error: cause });
  };
  return (error, request, reply) => {
    const problem = toProblem(error);
    if (problem.code === "internal_error") logger.error("request failed", { error: problem.cause ?? problem });
    else if (problem.code === "unavailable") logAway(problem.cause ?? problem);
    // The query may hold what nobody else should see.
    const [path = "/"] = request.originalUrl.split("?", 1);
    reply
      .code(problem.status)
      .headers(problem.headers)
      .type("application/problem+json; charset=utf-8")
      .send(JSON.stringify(problemDocument(problem, path, request.correlationId)));
  };
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
