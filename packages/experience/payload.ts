import type { Urgency } from "./urgency.js";

// The wire format. No imports at run time: browsers load this file too.

export type CheckpointKind = "start" | "intermediate" | "end";

export const checkpointKinds: readonly CheckpointKind[] = ["start", "intermediate", "end"];

/** How a producer says that its journey ended. */
export type Outcome = "success" | "error" | "discarded";

export const outcomes: readonly Outcome[] = ["success", "error", "discarded"];

/** Body of `POST /api/v1/experience/checkpoints`. Times are RFC 3339 with a zone. */
export interface CheckpointPayload {
  /** A ULID in either case; a UUID or 32 hex digits stand for the ULID of the same 128 bits. */
  readonly correlation_id: string;
  readonly covered_experience_id: string;
  readonly checkpoint: CheckpointKind;
  readonly checkpoint_category?: string;
  /** Component that sends: `web`, `sidekiq`, `browser`, … */
  readonly type: string;
  readonly feature_category: string;
  readonly urgency: Urgency;
  readonly client_timestamp: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Makes repetitions of one checkpoint recognisable; without it the content does. */
  readonly event_id?: string;
  /** Only with `end`; default false. */
  readonly error?: boolean;
  /** Only with `end`. */
  readonly error_message?: string;
  /** Only with `end`; without it `error` decides. */
  readonly outcome?: Outcome;
  /** Only with outcome `discarded`; default `unspecified`. */
  readonly discard_reason?: string;
  /** Tells runs of one journey under one correlation id apart; default `1`. */
  readonly run?: string;
  /** Order among checkpoints of one type and time. */
  readonly sequence?: number;
  /** When it was sent; lets the server correct a wrong client clock. */
  readonly sent_timestamp?: string;
}

/** Where a run can stand. `open` and `orphan` still move, the others are final. */
export type RunStateName = "open" | "orphan" | "succeeded" | "failed" | "timed_out" | "discarded" | "orphaned";

/** Something that was ignored, cut or corrected. */
export interface PayloadWarning {
  readonly code: "unknown_field" | "ignored_field" | "meta_truncated" | "error_message_truncated";
  readonly field: string;
}

/** Answer to one checkpoint: its fields as stored, and what became of the run. */
export interface CheckpointReply {
  readonly correlation_id: string;
  readonly covered_experience_id: string;
  readonly checkpoint: CheckpointKind;
  readonly checkpoint_category?: string;
  readonly type: string;
  readonly feature_category: string;
  readonly urgency: Urgency | "unregistered";
  readonly client_timestamp: string;
  readonly server_timestamp: string;
  readonly meta?: Readonly<Record<string, string>>;
  readonly event_id: string;
  readonly error?: boolean;
  readonly error_message?: string;
  readonly outcome?: Outcome;
  readonly discard_reason?: string;
  readonly run: string;
  readonly sequence?: number;
  readonly sent_timestamp?: string;
  readonly state: RunStateName;
  /** Whether this checkpoint was known already; then everything else is the first answer. */
  readonly duplicate: boolean;
  /** While the run is open. */
  readonly deadline?: string;
  /** After a verdict, when it is known. */
  readonly elapsed_s?: number;
  readonly apdex_success?: boolean;
  readonly anomalies: readonly string[];
  readonly warnings: readonly PayloadWarning[];
}

/** Body of `POST /api/v1/experience/checkpoints/batch`; a bare array of checkpoints is taken too. */
export interface BatchPayload {
  readonly checkpoints: readonly CheckpointPayload[];
}

export type BatchResult =
  | ({ readonly index: number; readonly status: 200 | 201; readonly retryable: false } & CheckpointReply)
  | {
      readonly index: number;
      readonly status: number;
      readonly retryable: boolean;
      readonly error: {
        readonly code: string;
        readonly detail: string;
        readonly errors?: readonly { readonly pointer: string; readonly code: string; readonly message: string }[];
      };
    };

/** Answer to a batch: one result for each checkpoint, in the order sent. */
export interface BatchReply {
  readonly accepted: number;
  readonly rejected: number;
  readonly results: readonly BatchResult[];
}

export const batchLimits = /* @__PURE__ */ Object.freeze({
  maxItems: 500,
  maxItemBytes: 65_536,
  maxBodyBytes: 1_048_576,
  maxDecodedBytes: 4_194_304,
});

/** Names that extras and `meta` may not take: they would hide a real value in logs. */
export const reservedNames: ReadonlySet<string> = new Set([
  "checkpoint",
  "checkpoint_category",
  "checkpoint_action",
  "covered_experience_id",
  "user_experience_id",
  "correlation_id",
  "feature_category",
  "urgency",
  "type",
  "start_time",
  "checkpoint_time",
  "end_time",
  "elapsed_time_s",
  "urgency_threshold_s",
  "error",
  "error_message",
  "success",
  "failure_reason",
  "server_timestamp",
  "client_timestamp",
]);
