import type { TransactionHandle } from "@signalbox/database";
import type { TransactionalPublisher } from "../digest/digest.js";
import type { DigestedEvent } from "../digest/digested-event.js";
import { issueCreated, issueRegressed, issueUnmuted } from "../events/issue-events.js";
import type { CreatedIssue } from "../store/assign-issues.js";
import type { MovedIssue } from "../store/move-issues.js";

/** Tells of a new issue, inside the transaction that made it. */
export async function announceCreated(
  publisher: TransactionalPublisher,
  { cause, projectId, issueId, shortNumber }: CreatedIssue,
  transaction: TransactionHandle,
): Promise<void> {
  const data = {
    ...factsOf(cause),
    project_id: projectId,
    issue_id: issueId,
    short_number: shortNumber,
    culprit: cause.culprit,
    platform: cause.platform,
  };
  await publisher.publish(issueCreated.create(data, { correlationId: cause.correlationId }), { transaction });
}

/** Tells of an issue that an event moved, inside the transaction that moved it. */
export async function announceMoved(
  publisher: TransactionalPublisher,
  { kind, cause, projectId, issueId, shortNumber, resolution }: MovedIssue,
  transaction: TransactionHandle,
): Promise<void> {
  if (kind === "escalating") return;
  const data = { ...factsOf(cause), project_id: projectId, issue_id: issueId, short_number: shortNumber };
  const options = { correlationId: cause.correlationId };
  const resolvedIn = resolution?.kind === "release" ? { resolved_in: resolution.release } : {};
  const event =
    kind === "regressed"
      ? issueRegressed.create({ ...data, ...resolvedIn }, options)
      : issueUnmuted.create(data, options);
  await publisher.publish(event, { transaction });
}

function factsOf({ eventId, title, level, environment, release }: DigestedEvent) {
  return {
    event_id: eventId,
    title: title.title,
    level,
    environment,
    ...(release === undefined ? {} : { release }),
  };
}
