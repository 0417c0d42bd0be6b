/** A run of an experience as the API describes it. The document has one shape for open and ended runs. */
export interface Run {
  readonly covered_experience_id: string;
  readonly correlation_id: string;
  readonly run: string;
  readonly state: string;
  readonly feature_category: string;
  readonly urgency: string;
  readonly type: string;
  readonly started_at?: string;
  readonly deadline?: string;
  readonly overdue?: boolean;
  readonly elapsed_s?: number;
  readonly checkpoint_count: number;
  readonly anomalies: readonly string[];
  readonly verdict?: Verdict;
  readonly late_end?: LateEnd;
}

interface Verdict {
  readonly outcome: string;
  readonly reason?: string;
  readonly verdict_at: string;
  readonly decided_at: string;
  readonly apdex_success?: boolean;
}

/** How it ended after it had been given up. */
interface LateEnd {
  readonly at: string;
  readonly outcome: string;
  readonly lateness_s: number;
}

export interface RunDetail extends Run {
  readonly definition?: { readonly version: string; readonly threshold_s: number; readonly timeout_s: number };
  readonly last_seen?: { readonly category?: string; readonly type?: string; readonly at: string };
  readonly redacted?: boolean;
  readonly timeline: readonly RunCheckpoint[];
}

export interface RunCheckpoint {
  readonly event_id: string;
  readonly checkpoint: string;
  readonly checkpoint_category?: string;
  readonly type?: string;
  readonly client_timestamp?: string;
  readonly server_timestamp: string;
  readonly occurred_at: string;
  readonly gap_s?: number;
  readonly skew_s?: number;
  readonly applied: boolean;
  readonly outcome?: string;
  readonly error_message?: string;
  readonly anomalies: readonly string[];
  readonly producer?: string;
  readonly meta?: Readonly<Record<string, unknown>>;
}

export const stateColors: Readonly<Record<string, string>> = {
  open: "blue",
  succeeded: "green",
  success: "green",
  failed: "red",
  timed_out: "red",
  discarded: "gray",
  orphan: "yellow",
};

/** Where a run may be odd; what the list can be filtered by. */
export const anomalies = [
  ...["late_end", "duplicate_start", "duplicate_end", "conflicting_end", "missing_start", "start_after_terminal"],
  ...["checkpoint_after_end", "checkpoint_after_timeout", "checkpoint_after_discard", "event_id_reused"],
  ...["timeline_full", "clock_skew", "clock_corrected", "definition_mismatch", "unknown_type", "unknown_experience"],
  ...["ulid_time_mismatch", "path_violation"],
] as const;

export function runPath({ covered_experience_id: id, correlation_id: correlation, run }: Run): string {
  return `/experiences/runs/${encodeURIComponent(id)}/${encodeURIComponent(correlation)}/${encodeURIComponent(run)}`;
}
