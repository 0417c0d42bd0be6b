import { type DomainEvent, defineSubscriber, type Subscriber } from "@signalbox/event-store";
import { inContext, type LogFields, type Logger } from "@signalbox/kernel";
import type { CheckpointData, VerdictData } from "./event-data.js";
import { checkpointRecorded, verdictEvents } from "./events.js";
import { canaryId } from "./list-runs.js";

export interface LogLinesOptions {
  readonly logger: Logger;
  /** Name of the field with the experience's id. */
  readonly idLabel: string;
  /** Whether `meta.user` and `meta.remote_ip` are written. */
  readonly logPii: boolean;
}

const personal: ReadonlySet<string> = new Set(["user", "remote_ip"]);
const remembered = 10_000;

/** One line for each applied checkpoint and each verdict. Ids of lines already written are remembered for a while. */
export function createLogLines(options: LogLinesOptions): Subscriber<CheckpointData | VerdictData> {
  const written = new Set<string>();
  const isNew = (id: string): boolean => {
    if (written.has(id)) return false;
    written.add(id);
    if (written.size > remembered) for (const oldest of written) if (written.delete(oldest)) break;
    return true;
  };

  return defineSubscriber<CheckpointData | VerdictData>("experience.log", {
    urgency: "low",
    batch: { maxSize: 500, maxWaitMs: 200, joinGroups: true },
    async handleBatch(events) {
      // Of an earlier version there may be others too.
      for (const event of events.filter(hasLine)) {
        const line = isCheckpoint(event) ? checkpointLine(event.data) : verdictLine(event.data as VerdictData);
        if (line && isNew(event.id)) write(line, options);
      }
    },
  });
}

/** Whether the event has a line. An end has none of its own: its verdict has; nor has what moved nothing. */
export function hasLine(event: DomainEvent<CheckpointData | VerdictData>): boolean {
  if (!isCheckpoint(event)) return event.type !== verdictEvents.orphaned.type;
  return event.data.applied && event.data.checkpoint !== "end";
}

interface Line {
  readonly message: string;
  readonly isFailure: boolean;
  readonly experienceId: string;
  readonly fields: LogFields;
  readonly meta: Readonly<Record<string, string>> | undefined;
}

function write({ message, isFailure, experienceId, fields, meta }: Line, options: LogLinesOptions): void {
  const { logger, idLabel, logPii } = options;
  const kept = Object.entries(meta ?? {}).filter(([key]) => logPii || !personal.has(key));
  const line = {
    [idLabel]: experienceId,
    ...Object.fromEntries(kept.map(([key, value]) => [`meta.${key}`, value])),
    ...Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== "")),
  };
  // The tracker's own journeys tell the tracker, by metrics; to people their lines would be noise.
  const level = experienceId === canaryId ? "debug" : isFailure ? "warn" : "info";
  // The line is about the journey, not about who handles the event.
  inContext({}, () => logger[level](message, line));
}

function checkpointLine(data: CheckpointData): Line {
  return {
    message: `experience ${data.checkpoint}`,
    isFailure: false,
    experienceId: data.covered_experience_id,
    meta: data.meta,
    fields: {
      checkpoint: data.checkpoint,
      run: data.run,
      feature_category: data.feature_category,
      urgency: data.urgency,
      type: data.type,
      checkpoint_category: data.checkpoint_category,
      correlation_id: data.correlation_id,
      start_time: data.started_at,
      checkpoint_time: data.occurred_at,
      elapsed_time_s: elapsedSince(data.started_at, data.occurred_at),
      urgency_threshold_s: data.threshold_s,
      anomalies: listOf(data.anomalies),
      server_timestamp: data.server_timestamp,
      event_id: data.event_id,
    },
  };
}

const verdictMessages: Readonly<Record<string, string>> = {
  succeeded: "experience success",
  failed: "experience failure",
  timed_out: "experience failure",
  discarded: "experience discarded",
};

function verdictLine(data: VerdictData): Line | undefined {
  const message = verdictMessages[data.state];
  if (message === undefined) return undefined;
  const isFailure = data.error;
  return {
    message,
    isFailure,
    experienceId: data.covered_experience_id,
    meta: data.meta,
    fields: {
      checkpoint: "end",
      run: data.run,
      feature_category: data.feature_category,
      urgency: data.urgency,
      type: data.type,
      correlation_id: data.correlation_id,
      start_time: data.started_at,
      end_time: data.ended_at ?? data.verdict_at,
      elapsed_time_s: data.elapsed_s,
      urgency_threshold_s: data.threshold_s,
      success: data.state === "discarded" ? undefined : !isFailure,
      error: isFailure ? failureOf(data) : undefined,
      error_message: isFailure ? data.error_message : undefined,
      failure_reason: isFailure ? data.reason : undefined,
      discard_reason: data.discard_reason,
      last_checkpoint_category: data.last_category,
      late_by_s: data.lateness_s,
      anomalies: listOf(data.anomalies),
      server_timestamp: data.decided_at,
      event_id: data.event_id,
    },
  };
}

/** Lines have an error in the form of all errors: what kind of failure it was stands where others have a class. */
function failureOf({ reason = "error", error_message: message = reason }: VerdictData): Error {
  const failure = new Error(message);
  failure.name = reason;
  // It happened in another program.
  delete failure.stack;
  return failure;
}

function elapsedSince(start: string | undefined, end: string): number | undefined {
  return start === undefined ? undefined : Math.max(0, Date.parse(end) - Date.parse(start)) / 1000;
}

function listOf(values: readonly string[]): readonly string[] | undefined {
  return values.length === 0 ? undefined : values;
}

function isCheckpoint(event: DomainEvent<CheckpointData | VerdictData>): event is DomainEvent<CheckpointData> {
  return checkpointRecorded.is(event);
}
