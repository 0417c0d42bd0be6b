import type { Generated } from "kysely";

/** The SQL tables of this service as Kysely sees them. Times are milliseconds since the epoch. */
export interface IssueTables {
  error_counters: { project_id: number; next_short_number: number; change_seq: number };
  error_issues: IssuesTable;
  error_issue_positions: IssuePositionsTable;
  error_hashes: HashesTable;
  error_hash_hours: { project_id: number; hash: string; hour: number; events: number };
  error_hash_minutes: { project_id: number; hash: string; minute: number; events: number };
  error_event_ids: EventIdsTable;
  error_ledger: LedgerTable;
  error_activity: ActivityTable;
  error_discarded_hashes: {
    project_id: number;
    hash: string;
    title: string;
    actor: string;
    at_ms: number;
    until_ms: number | null;
  };
  error_releases: ReleasesTable;
  error_comments: CommentsTable;
  error_deletions: DeletionsTable;
  error_item_messages: {
    project_id: number;
    message_id: string;
    received_at_ms: number;
    /** Receipt of the last copy that was counted as a duplicate. */
    repeated_at_ms: number | null;
  };
  error_attachments: AttachmentsTable;
  error_pins: PinsTable;
  error_feedback: FeedbackTable;
  error_monitors: MonitorsTable;
  error_check_ins: CheckInsTable;
  error_issue_firsts: { project_id: number; issue_id: number; kind: "release" | "environment"; value: string };
  error_sdks: { project_id: number; name: string; version: string; last_seen_ms: number; error_codes: string };
  error_sdk_days: SdkDaysTable;
  error_client_discards: {
    project_id: number;
    key_id: number;
    category: string;
    reason: string;
    hour: number;
    quantity: number;
  };
}

export const issueStatuses = ["unresolved", "resolved", "ignored"] as const;
export type IssueStatus = (typeof issueStatuses)[number];

export type IssueSubstatus = "new" | "ongoing" | "regressed" | "escalating";

interface IssuesTable {
  id: Generated<number>;
  project_id: number;
  /** Counted per project without gaps: the `17` of `SHOP-17`. */
  short_number: number;
  title: string;
  name: string;
  description: string;
  culprit: string;
  /** File and function of the event that made it; empty when it had no stack. */
  place_file: string;
  place_function: string;
  /** 1: the program did not catch one of its events. */
  unhandled: number;
  level: string;
  platform: string;
  status: IssueStatus;
  substatus: IssueSubstatus;
  status_changed_at_ms: number;
  /** Smallest and largest corrected time of its events. */
  first_seen_ms: number;
  last_seen_ms: number;
  /** Releases by order of receipt, with the receipt that decided. */
  first_release: string | null;
  first_release_at_ms: number | null;
  last_release: string | null;
  last_release_at_ms: number | null;
  /** Exact, sampled events included. */
  event_count: number;
  user_count: number;
  /** Number of the project's last change that moved the issue in a list. */
  change_seq: number;
  /** Number of the change that made it. */
  created_seq: number;
  created_at_ms: number;
  /** JSON; see `Resolution`. Set while the issue is resolved. */
  resolution: string | null;
  /** JSON; see `IgnoreConditions`. Set while the issue is ignored until something happens. */
  ignore_conditions: string | null;
  /** Who works on it: the subject of a token. */
  assignee: string | null;
  /** The issue in the forge that was made for it. */
  link_url: string | null;
  /** The issue that took its hashes; this one only redirects then. */
  merged_into: number | null;
}

/** Where an issue stood before a change, so that a list that is being walked stays the list it was. */
interface IssuePositionsTable {
  project_id: number;
  issue_id: number;
  /** The change that ended this position. */
  change_seq: number;
  first_seen_ms: number;
  last_seen_ms: number;
  event_count: number;
  recorded_at_ms: number;
}

interface HashesTable {
  project_id: number;
  hash: string;
  issue_id: number;
  version: number;
  strategy: string;
  variant: string;
  /** JSON; see `explanationText`. */
  explanation: string;
  /** Events whose primary hash it is. */
  event_count: number;
  created_at_ms: number;
  /** The issue that owned it before a merge. */
  former_issue_id: number | null;
}

/** `counted`: in every counter; `written`: its row is in the analytics store, too. */
export type EventState = "counted" | "written";

interface EventIdsTable {
  project_id: number;
  event_id: string;
  received_at_ms: number;
  primary_hash: string;
  timestamp_ms: number;
  state: EventState;
  body_digest: string;
  /** Events that its row stands for; 0: it has none, because it was sampled, dropped or deleted. */
  sample_weight: number;
  /** Receipt of the last copy that was counted as a duplicate. */
  repeated_at_ms: number | null;
}

interface LedgerTable {
  project_id: number;
  key_id: number;
  category: string;
  hour: number;
  /** `received`, or how an item ended. */
  outcome: string;
  reason: string;
  quantity: number;
}

interface ActivityTable {
  id: Generated<number>;
  project_id: number;
  issue_id: number;
  at_ms: number;
  actor: string;
  kind: string;
  /** JSON: before and after. */
  detail: string;
}

interface ReleasesTable {
  id: Generated<number>;
  project_id: number;
  version: string;
  created_at_ms: number;
  released_at_ms: number | null;
  url: string | null;
  /** Issues whose first event came from it. */
  new_issues: number;
  first_event_ms: number | null;
  last_event_ms: number | null;
  /** JSON list. */
  commits: string;
  /** JSON list. */
  deploys: string;
}

interface CommentsTable {
  id: Generated<number>;
  project_id: number;
  issue_id: number;
  at_ms: number;
  author: string;
  text: string;
}

interface DeletionsTable {
  id: Generated<number>;
  project_id: number;
  kind: "event" | "issue" | "project" | "user";
  /** JSON: what exactly is to go. */
  subject: string;
  actor: string;
  state: "pending" | "done";
  /** JSON: how much went. */
  counts: string;
  requested_at_ms: number;
  /** Null once everything is gone. */
  next_run_at_ms: number | null;
  runs: number;
}

interface SdkDaysTable {
  project_id: number;
  name: string;
  version: string;
  day: number;
  kind: "accepted" | "not_stored" | "malformed";
  /** The item type, where it tells something. */
  detail: string;
  quantity: number;
}

interface AttachmentsTable {
  id: Generated<number>;
  project_id: number;
  event_id: string;
  /** Key in the blob store. */
  blob: string;
  name: string;
  content_type: string | null;
  attachment_type: string | null;
  bytes: number;
  sha256: string;
  received_at_ms: number;
}

interface PinsTable {
  project_id: number;
  event_id: string;
  primary_hash: string;
  kind: "first" | "regression";
  timestamp_ms: number;
  received_at_ms: number;
  /** Key in the blob store; null until the event was copied. */
  blob: string | null;
  bytes: number;
}

interface FeedbackTable {
  id: Generated<number>;
  project_id: number;
  feedback_id: string;
  /** The event that it is about. */
  event_id: string | null;
  /** Of that event, once it is known. */
  primary_hash: string | null;
  name: string | null;
  email: string | null;
  message: string;
  url: string | null;
  replay_id: string | null;
  release: string | null;
  environment: string | null;
  received_at_ms: number;
}

interface MonitorsTable {
  id: Generated<number>;
  project_id: number;
  slug: string;
  /** JSON; see `MonitorConfig`. Null until somebody says when it runs. */
  config: string | null;
  created_at_ms: number;
  config_at_ms: number | null;
  last_check_in_at_ms: number | null;
  last_status: string | null;
}

export const checkInStatuses = ["in_progress", "ok", "error", "missed", "timeout"] as const;
export type CheckInStatus = (typeof checkInStatuses)[number];

interface CheckInsTable {
  id: Generated<number>;
  project_id: number;
  monitor_id: number;
  check_in_id: string;
  environment: string;
  status: CheckInStatus;
  started_at_ms: number;
  ended_at_ms: number | null;
  duration_ms: number | null;
  trace_id: string | null;
}
