import { parseDuration, systemClock } from "@signalbox/kernel";
import { type Command, InvalidArgumentError } from "commander";

/** Options that choose dead letters. */
export interface SelectionOptions {
  readonly subscription?: string;
  readonly type?: string;
  readonly group?: string;
  readonly correlationId?: string;
  readonly since?: string;
  readonly until?: string;
  readonly text?: string;
}

export function addSelectionOptions(command: Command): Command {
  return command
    .option("--subscription <id>", "only letters of this subscription, as ci.worker/ci.pipeline_created")
    .option("--type <event>", "only events of this type")
    .option("--group <fingerprint>", "only failures that look so, as `events dead --groups` names them")
    .option("--correlation-id <id>", "only what belongs to this journey")
    .option("--since <time>", "given up at or after this time: RFC 3339, or a duration such as 2h ago", parseTime)
    .option("--until <time>", "given up before this time", parseTime)
    .option("--text <words>", "part of the message");
}

/** The filter as the API takes it, without what was not given. */
export function filterOf(options: SelectionOptions, more: Readonly<Record<string, string | undefined>> = {}) {
  const { subscription, type, group, correlationId, since, until, text } = options;
  const filter = {
    subscription,
    event_type: type,
    fingerprint: group,
    correlation_id: correlationId,
    since,
    until,
    text,
    ...more,
  };
  return Object.fromEntries(
    Object.entries(filter).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function parseTime(value: string): string {
  const agoMs = parseDuration(value);
  const timeMs = agoMs === undefined ? Date.parse(value) : systemClock.nowMs() - agoMs;
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError("Expected a time such as 2026-03-01T09:30:00Z, or 2h.");
  return new Date(timeMs).toISOString();
}
