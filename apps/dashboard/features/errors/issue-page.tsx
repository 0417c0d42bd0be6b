import { Anchor, Badge, Breadcrumbs, Grid, Group, Paper, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link, useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { TimeBars } from "../../shared/bars.js";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { errorsQuery, type TimeRange, useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { Activity } from "./activity.js";
import { FeedbackList } from "./feedback-list.js";
import { bucketsOf, type Issue, type IssuePath, levelColors, placesOf } from "./issue.js";
import { IssueActions } from "./issue-actions.js";
import { IssueEvents } from "./issue-events.js";
import { Tags } from "./tags.js";

/** One issue: what happened, how often, to whom, and what is done about it. */
export function IssuePage() {
  const { project: projectText, issue: issueText } = useParams();
  const path = { id: Number(projectText), fingerprint: Number(issueText) };
  const range = useTimeRange();
  const rangeSearch = useRangeSearch();
  useLive({ "errors.issues": ["errors", path.id, "issue", path.fingerprint, "facts"] });
  const issue = useQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "facts", range.key],
    queryFn: () => {
      const { query_period: _, ...query } = { query_period: undefined, ...errorsQuery(range) };
      return dataOf(api.GET("/api/v1/projects/{id}/errors/{fingerprint}", { params: { path, query } }));
    },
    placeholderData: (previous) => previous,
  });
  return (
    <Stack gap="xs">
      <Breadcrumbs fz="sm">
        <Anchor component={Link} to={`/projects/${path.id}/errors${rangeSearch}`} size="sm">
          Issues
        </Anchor>
        <Text size="sm">{issue.data?.short_id ?? issueText}</Text>
      </Breadcrumbs>
      <Loaded query={issue}>{(data) => <IssueView issue={data} path={path} range={range} />}</Loaded>
    </Stack>
  );
}

function IssueView({
  issue,
  path,
  range,
}: {
  readonly issue: Issue;
  readonly path: IssuePath;
  readonly range: TimeRange;
}) {
  const buckets = bucketsOf(issue);
  const inRange = buckets.reduce((sum, { count }) => sum + count, 0);
  const said = `${formatCount(inRange)} ${inRange === 1 ? "event" : "events"} in ${range.within}`;
  return (
    <Page title={issue.name} subtitle={<Subtitle issue={issue} />} actions={<IssueActions issue={issue} path={path} />}>
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 8.6 }} style={{ minWidth: 0 }}>
          <IssueEvents path={path} />
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 3.4 }}>
          <Stack gap="md">
            <Card title={said}>
              <TimeBars points={buckets} label={said} color={barColor(issue)} />
            </Card>
            <Paper withBorder px="md" py={10}>
              <Fact label="Events in all">{formatCount(issue.event_count)}</Fact>
              <Fact label="Users affected">{formatCount(issue.approximated_user_count)}</Fact>
              <Fact label="Last seen">
                <Ago at={issue.last_seen_at} />
              </Fact>
              <Fact label="First seen">
                <Ago at={issue.first_seen_at} />
              </Fact>
              <Fact label="First release">{issue.first_release ?? "–"}</Fact>
              <Fact label="Last release">{issue.last_release ?? "–"}</Fact>
              <Fact label="Assigned to">{issue.assigned_to ?? "nobody"}</Fact>
            </Paper>
            <Tags path={path} />
            <FeedbackList path={path} />
            <Activity path={path} />
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  );
}

function barColor({ level }: Issue): string {
  return level === "fatal" || level === "error" ? "var(--app-bad)" : "var(--app-chart)";
}

function Subtitle({ issue }: { readonly issue: Issue }) {
  const resolvedIn = issue.resolution?.["release"];
  return (
    <Stack gap={6}>
      <Text size="sm" c="var(--mantine-color-text)" dir="auto" lineClamp={3} style={{ overflowWrap: "anywhere" }}>
        {issue.description}
      </Text>
      <Group gap={8}>
        <Badge size="sm" variant="light" color={levelColors[issue.level ?? "error"] ?? "gray"}>
          {issue.level}
        </Badge>
        <Badge size="sm" variant="outline" color={issue.status === "unresolved" ? "orange" : "gray"}>
          {issue.status}
          {typeof resolvedIn === "string" && ` in ${resolvedIn}`}
        </Badge>
        {issue.substatus && issue.status === "unresolved" && (
          <Badge size="sm" variant="light" color={issue.substatus === "ongoing" ? "gray" : "indigo"}>
            {issue.substatus}
          </Badge>
        )}
        {issue.unhandled && (
          <Badge size="sm" variant="outline" color="red">
            unhandled
          </Badge>
        )}
        {placesOf(issue).map((place) => (
          <Text key={place} size="xs" c="dimmed" ff="monospace" dir="auto" style={{ overflowWrap: "anywhere" }}>
            {place}
          </Text>
        ))}
      </Group>
    </Stack>
  );
}

function Fact({ label, children }: { readonly label: string; readonly children: ReactNode }) {
  return (
    <Group justify="space-between" gap="xs" wrap="nowrap" py={2}>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text size="sm" component="div" ta="right" style={{ overflowWrap: "anywhere" }}>
        {children}
      </Text>
    </Group>
  );
}
