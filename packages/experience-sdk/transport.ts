/** One request to the tracker. */
export interface BatchRequest {
  /** JSON texts of the checkpoints, in order. */
  readonly checkpoints: readonly string[];
  /** Without it the request has no credentials. */
  readonly token: string | undefined;
  /** Value of `X-Experience-Dropped`. */
  readonly dropped: string | undefined;
  /** Aborted when the request took too long, and at the end of a shutdown. */
  readonly signal: AbortSignal;
}

/** What came back, whatever its status. */
export interface BatchAnswer {
  readonly status: number;
  /** As the header says: seconds or an HTTP date. */
  readonly retryAfter?: string | undefined;
  /** Parsed JSON; absent when the answer is none, or longer than is read. */
  readonly body?: unknown;
}

/**
 * Takes batches to the tracker. Resolves with the answer, rejects when there is none. Called at most once at a time for
 * each lane; a checkpoint may be given again after a failure.
 */
export interface CheckpointTransport {
  send(request: BatchRequest): Promise<BatchAnswer>;
}
