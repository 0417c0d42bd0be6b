import { type ErrorCatalogue, type ErrorEntry, SignalboxError } from "@signalbox/kernel";
import { httpErrors } from "./errors.js";

/** One fault within a request. */
export interface ProblemItem {
  /** JSON pointer into the body; parameters are under `/query`, `/path` and `/headers`. */
  readonly pointer: string;
  readonly code: string;
  readonly message: string;
}

/** What a client receives: RFC 9457, as `application/problem+json`. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Path of the request that failed. */
  readonly instance: string;
  readonly correlation_id: string;
  readonly errors?: readonly ProblemItem[];
}

export interface HttpProblemOptions {
  /** What exactly is wrong, for the client's eyes. Default: the catalogue's message. */
  readonly detail?: string;
  readonly status?: number;
  readonly errors?: readonly ProblemItem[];
  /** Sent with the answer, e.g. `{ "retry-after": "5" }`. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * An error that is meant for the client: it becomes the answer, as it is.
 * Shared codes are named alone; a service passes its own catalogue first.
 */
export class HttpProblem extends SignalboxError {
  override readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly errors: readonly ProblemItem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: keyof typeof httpErrors.entries, options?: HttpProblemOptions);
  constructor(code: string, entry: ErrorEntry, options?: HttpProblemOptions);
  constructor(code: string, entryOrOptions: ErrorEntry | HttpProblemOptions = {}, more: HttpProblemOptions = {}) {
    const own = "message" in entryOrOptions;
    const entry: ErrorEntry = own ? entryOrOptions : sharedEntry(code);
    const options: HttpProblemOptions = own ? more : entryOrOptions;
    super(code, entry, {
      message: options.detail ?? entry.message,
      ...(options.cause === undefined ? {} : { cause: options.cause }),
      ...(options.retryable === undefined ? {} : { retryable: options.retryable }),
    });
    this.status = options.status ?? entry.status ?? 500;
    this.title = entry.message;
    this.detail = options.detail ?? entry.message;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}

function sharedEntry(code: string): ErrorEntry {
  const entries: ErrorCatalogue["entries"] = httpErrors.entries;
  return entries[code] ?? httpErrors.entries.internal_error;
}

/** The document of `problem` as the answer to one request. */
export function problemDocument(problem: HttpProblem, instance: string, correlationId: string): ProblemDocument {
  return {
    type: `urn:signalbox:error:${problem.code}`,
    title: problem.title,
    status: problem.status,
    code: problem.code,
    detail: problem.detail,
    instance,
    correlation_id: correlationId,
    ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
  };
}
