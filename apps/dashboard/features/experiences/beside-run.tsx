import { Anchor, Badge, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { Explanation, nameOfCause } from "../../shared/explanation.js";
import { pageOfLink } from "../../shared/page-of-link.js";
import { Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import type { Run } from "./run.js";

type Answer = Exclude<
  paths["/api/v1/timeline/{correlation_id}"]["get"]["responses"]["200"]["content"]["application/json"],
  string
>;
type Entry = Answer["entries"][number];

const colors: Readonly<Record<Entry["outcome"], string>> = {
  ok: "green",
  failed: "red",
  open: "blue",
  neutral: "gray",
};

/** Everything that carried the correlation id of a run. */
function useTimeline(correlation: string) {
  return useQuery({
    queryKey: ["timeline", correlation],
    queryFn: async () => {
      const answer = await dataOf(
        api.GET("/api/v1/timeline/{correlation_id}", { params: { path: { correlation_id: correlation } } }),
      );
      // Markdown comes only to those who ask for it.
      if (typeof answer === "string") throw new Error("The server answered with text.");
      return answer;
    },
    refetchInterval: 15_000,
  });
}

/** Why a run failed, in one sentence; nothing while that is not known. */
export function WhyItFailed({ run }: { readonly run: Run }) {
  const { covered_experience_id: experience, correlation_id: correlation, run: number } = run;
  const entries = useTimeline(correlation).data?.entries ?? [];
  const { explanation } = entries.find(({ id }) => id === `journey:${experience}/${correlation}/${number}`) ?? {};
  if (explanation === undefined) return null;
  const cause = entries.find(({ id }) => id === explanation.cause);
  return (
    <Explanation
      text={explanation.text}
      page={cause?.link && pageOfLink(cause.link)}
      leadsTo={nameOfCause(cause?.kind)}
    />
  );
}

/** Errors and events that carried the correlation id of a run. */
export function BesideRun({ correlation, failed }: { readonly correlation: string; readonly failed: boolean }) {
  const timeline = useTimeline(correlation);
  return (
    <Loaded query={timeline} skeleton={4}>
      {({ entries }) => (
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="md" style={{ alignItems: "start" }}>
          <Entries
            title="Errors of the same correlation id"
            entries={entries.filter(({ kind }) => kind === "error" || kind === "alert")}
            none={failed ? "No error was reported. The events may tell why." : "No error was reported."}
          />
          <Entries
            title="Events of the same correlation id"
            entries={entries.filter(({ kind }) => kind === "event" || kind === "attempt" || kind === "relay_event")}
            none="No event was published."
          />
        </SimpleGrid>
      )}
    </Loaded>
  );
}

function Entries({
  title,
  entries,
  none,
}: {
  readonly title: string;
  readonly entries: readonly Entry[];
  readonly none: string;
}) {
  if (entries.length === 0)
    return (
      <Card title={title}>
        <Text size="sm" c="dimmed">
          {none}
        </Text>
      </Card>
    );
  return (
    <Card title={title} flush>
      <Table fz="sm" verticalSpacing={6} aria-label={title}>
        <Table.Tbody>
          {gathered(entries).map(({ entry, times }) => (
            <Table.Tr key={entry.id}>
              <Table.Td dir="auto">
                <Stack gap={1}>
                  <EntryLink entry={entry} />
                  {typeof entry.details?.["error"] === "string" && (
                    <Text size="xs" c="dimmed">
                      {entry.details["error"]}
                    </Text>
                  )}
                </Stack>
              </Table.Td>
              <Table.Td w={168}>
                <Group gap={6} justify="flex-end" wrap="nowrap">
                  {times > 1 && (
                    <Text size="xs" c="dimmed">
                      {times} ×
                    </Text>
                  )}
                  {entry.duration_s !== undefined && (
                    <Text size="xs" c="dimmed">
                      {formatSeconds(entry.duration_s)}
                    </Text>
                  )}
                  <Badge size="xs" variant="light" color={colors[entry.outcome]}>
                    {entry.status.replaceAll("_", " ")}
                  </Badge>
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}

function EntryLink({ entry }: { readonly entry: Entry }) {
  const page = entry.link === undefined ? undefined : pageOfLink(entry.link);
  if (page === undefined) return <Text size="sm">{entry.title}</Text>;
  return (
    <Anchor component={Link} to={page} size="sm" fw={entry.kind === "attempt" ? 400 : 600}>
      {entry.title}
    </Anchor>
  );
}

/** What happened again and again stands once, as it was the last time. */
function gathered(entries: readonly Entry[]): readonly { readonly entry: Entry; readonly times: number }[] {
  const found = new Map<string, { entry: Entry; times: number }>();
  for (const entry of entries) {
    const key = `${entry.kind} ${entry.title} ${entry.kind === "event" ? entry.id : ""}`;
    found.set(key, { entry, times: (found.get(key)?.times ?? 0) + 1 });
  }
  return [...found.values()];
}
