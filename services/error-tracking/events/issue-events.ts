import { defineEvent } from "@signalbox/event-store";

const issue = {
  project_id: { type: "integer", minimum: 1 },
  issue_id: { type: "integer", minimum: 1 },
} as const;

/** What clients wrote: readable for subscribers, but not in logs. */
const fromClients = ["/title", "/environment", "/release"] as const;

/** A kind of error was seen for the first time. Published in the transaction that makes the issue. */
export const issueCreated = defineEvent("error_tracking.issue_created", {
  description: "An error that belongs to no known issue made a new one",
  owner: "error-tracking",
  category: "observability",
  subject: (data) => `projects/${data.project_id}/errors/${data.issue_id}`,
  sensitive: [...fromClients, "/culprit"],
  schema: {
    type: "object",
    required: ["project_id", "issue_id", "short_number", "event_id", "title", "culprit", "level", "platform"],
    properties: {
      ...issue,
      short_number: { type: "integer", minimum: 1 },
      event_id: { type: "string", pattern: "^[0-9a-f]{32}$", description: "The event that made the issue" },
      title: { type: "string" },
      culprit: { type: "string" },
      level: { enum: ["fatal", "error", "warning", "info", "debug"] },
      platform: { type: "string" },
      environment: { type: "string" },
      release: { type: "string" },
    },
  },
});

const byEvent = {
  ...issue,
  short_number: { type: "integer", minimum: 1 },
  event_id: { type: "string", pattern: "^[0-9a-f]{32}$", description: "The event that did it" },
  title: { type: "string" },
  level: { enum: ["fatal", "error", "warning", "info", "debug"] },
  environment: { type: "string" },
  release: { type: "string" },
} as const;

/** A resolved issue is back. Published in the transaction that reopens it, once each time that it is reopened. */
export const issueRegressed = defineEvent("error_tracking.issue_regressed", {
  description: "An issue that was resolved came back",
  owner: "error-tracking",
  category: "observability",
  subject: (data) => `projects/${data.project_id}/errors/${data.issue_id}`,
  sensitive: [...fromClients, "/resolved_in"],
  schema: {
    type: "object",
    required: ["project_id", "issue_id", "short_number", "event_id", "title", "level"],
    properties: {
      ...byEvent,
      resolved_in: { type: "string", description: "The release in which it was said to be resolved" },
    },
  },
});

/** What an issue was ignored until has happened. `event_id` is absent when it was only time that passed. */
export const issueUnmuted = defineEvent("error_tracking.issue_unmuted", {
  description: "An issue is not ignored any more, because the condition was met",
  owner: "error-tracking",
  category: "observability",
  subject: (data) => `projects/${data.project_id}/errors/${data.issue_id}`,
  sensitive: fromClients,
  schema: {
    type: "object",
    required: ["project_id", "issue_id", "short_number", "title"],
    properties: byEvent,
  },
});

/** Several issues are one from now on. */
export const issueMerged = defineEvent("error_tracking.issue_merged", {
  description: "Issues were merged into one",
  owner: "error-tracking",
  category: "observability",
  subject: (data) => `projects/${data.project_id}/errors/${data.issue_id}`,
  schema: {
    type: "object",
    required: ["project_id", "issue_id", "merged_issue_ids", "actor"],
    properties: {
      ...issue,
      merged_issue_ids: {
        type: "array",
        items: { type: "integer", minimum: 1 },
        description: "Issues that it took in",
      },
      actor: { type: "string", description: "Who did it: the subject of the token" },
    },
  },
});

const statusChange = {
  type: "object",
  required: ["project_id", "issue_id", "actor"],
  properties: {
    ...issue,
    actor: { type: "string", description: "Who did it: the subject of the token" },
  },
} as const;

/** Somebody says that the error will not come again. */
export const issueResolved = defineEvent("error_tracking.issue_resolved", {
  description: "An issue was marked as resolved",
  owner: "error-tracking",
  category: "observability",
  subject: (data) => `projects/${data.project_id}/errors/${data.issue_id}`,
  schema: statusChange,
});

/** Somebody does not want to hear of the error. */
export const issueIgnored = defineEvent("error_tracking.issue_ignored", {
  description: "An issue was marked as ignored",
  owner: "error-tracking",
  category: "observability",
  subject: (data) => `projects/${data.project_id}/errors/${data.issue_id}`,
  schema: statusChange,
});

/** All of them, to be registered before anything is published. */
export const issueEvents = [
  issueCreated,
  issueRegressed,
  issueUnmuted,
  issueResolved,
  issueIgnored,
  issueMerged,
] as const;
