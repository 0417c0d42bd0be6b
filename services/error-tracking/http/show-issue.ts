import { type Bucket, issueFrequencies, type StatsPeriod, type StatsWindow } from "../issues/issue-frequencies.js";
import type { Issue } from "../issues/list-issues.js";
import { newIssueLink } from "../issues/source-links.js";
import { readSettings } from "../projects/project-settings.js";
import type { Project } from "../projects/projects.js";
import type { ApiDependencies } from "./api-dependencies.js";

/** Issues in GitLab's shape of an error, with their frequencies over a period. */
export async function showIssues(
  { database, clock, serverUrl }: ApiDependencies,
  project: Project,
  issues: readonly Issue[],
  shown: StatsPeriod | StatsWindow,
) {
  const ids = issues.map(({ id }) => id);
  const frequencies = await issueFrequencies(database, project.id, ids, shown, clock.nowMs());
  const { issueTemplate } = await readSettings(database, project.id);
  return issues.map((issue) => ({
    ...showIssue(project, issue, shown, frequencies.get(issue.id) ?? []),
    new_issue_url:
      newIssueLink(issueTemplate, {
        title: issue.title,
        description: `${shortId(project, issue)}: ${issue.culprit}`,
        url: `${serverUrl()}/projects/${project.id}/errors/${issue.id}`,
      }) ?? null,
  }));
}

function showIssue(project: Project, issue: Issue, shown: StatsPeriod | StatsWindow, frequency: readonly Bucket[]) {
  return {
    fingerprint: issue.id,
    project_id: issue.project_id,
    name: issue.name,
    description: issue.description,
    actor: issue.culprit,
    file: issue.place_file,
    function: issue.place_function,
    unhandled: issue.unhandled === 1,
    event_count: issue.event_count,
    approximated_user_count: issue.user_count,
    last_seen_at: new Date(issue.last_seen_ms).toISOString(),
    first_seen_at: new Date(issue.first_seen_ms).toISOString(),
    status: issue.status,
    stats: { frequency: { [typeof shown === "string" ? shown : "window"]: frequency } },
    title: issue.title,
    short_id: shortId(project, issue),
    level: issue.level,
    platform: issue.platform,
    first_release: issue.first_release,
    last_release: issue.last_release,
    substatus: issue.status === "unresolved" ? issue.substatus : null,
    resolution: issue.resolution === null ? null : JSON.parse(issue.resolution),
    assigned_to: issue.assignee,
    link_url: issue.link_url,
  };
}

export function shortId(project: Project, issue: Issue): string {
  return `${project.slug.toUpperCase()}-${issue.short_number}`;
}
