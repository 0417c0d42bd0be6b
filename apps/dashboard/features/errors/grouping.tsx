import { Alert, Badge, Button, Checkbox, Code, Group, Paper, Stack, Table, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { type Component, readComponent } from "./grouping-component.js";
import type { IssuePath } from "./issue.js";

/** Why an event belongs to its issue: what was compared, what was left out, and what came together by hand. */
export function Grouping({ path, event }: { readonly path: IssuePath; readonly event: string }) {
  const grouping = useQuery({
    queryKey: ["errors", path.id, "grouping", event],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/events/{event}/grouping", { params: { path: { id: path.id, event } } }),
      ),
  });
  return (
    <Stack gap="md">
      <Loaded query={grouping}>
        {({ version, strategy, hashes }) => (
          <Stack gap="sm">
            <Text size="sm">
              Events belong together when {strategies[strategy] ?? strategy.replaceAll("_", " ")} are the same. Rules
              version {version}.
            </Text>
            {hashes.map(({ hash, variant, explanation }) => {
              const component = readComponent(explanation);
              return (
                <Paper key={hash} withBorder style={{ overflow: "hidden" }}>
                  <Group gap="xs" px="md" py={10}>
                    <Badge size="sm" variant="light">
                      {variants[variant] ?? variant}
                    </Badge>
                    <Code>{hash}</Code>
                  </Group>
                  {component && <Tree component={component} />}
                </Paper>
              );
            })}
          </Stack>
        )}
      </Loaded>
      <Hashes path={path} />
    </Stack>
  );
}

const strategies: Readonly<Record<string, string>> = {
  exception: "the types and frames of their exceptions",
  message: "their messages, without numbers, ids and times,",
  fingerprint: "the fingerprints that the program gave them",
  stacktrace: "their frames",
};

const variants: Readonly<Record<string, string>> = {
  app: "by own code",
  system: "by all frames",
  default: "by content",
};

function Tree({ component }: { readonly component: Component }) {
  return (
    <Table fz="sm" verticalSpacing={4} aria-label="What was compared">
      <Table.Tbody>
        {rowsOf(component, 0).map(({ part, depth }, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: parts of one kind have one name.
          <Table.Tr key={index} style={part.contributes ? undefined : { opacity: 0.72 }}>
            <Table.Td w={200} style={{ paddingLeft: 16 + depth * 16 }}>
              <Text size="xs" fw={part.contributes ? 600 : 400} td={part.contributes ? undefined : "line-through"}>
                {part.name.replaceAll("_", " ")}
              </Text>
            </Table.Td>
            <Table.Td>
              <Token part={part} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** What was compared; where it differs from what was sent, that stands beside it. */
function Token({ part }: { readonly part: Component }) {
  const { token, original, hint } = part;
  return (
    <Group gap={8}>
      {token !== undefined && <Code style={{ whiteSpace: "pre-wrap" }}>{token}</Code>}
      {original !== undefined && original.trim() !== token && (
        <Text size="xs" c="dimmed" dir="auto">
          was {original.trim()}
        </Text>
      )}
      {hint !== undefined && (
        <Text size="xs" c="dimmed">
          {hint}
        </Text>
      )}
    </Group>
  );
}

function rowsOf(part: Component, depth: number): readonly { readonly part: Component; readonly depth: number }[] {
  return [{ part, depth }, ...part.parts.flatMap((child) => rowsOf(child, depth + 1))];
}

/** The hashes that the issue owns. Those that were merged into it can be taken out again. */
function Hashes({ path }: { readonly path: IssuePath }) {
  const queries = useQueryClient();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const hashes = useQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "hashes"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/{fingerprint}/hashes", { params: { path } })),
  });
  const unmerge = useMutation({
    mutationFn: (to: "former" | "new") =>
      dataOf(
        api.POST("/api/v1/projects/{id}/errors/{fingerprint}/unmerge", {
          params: { path },
          body: { hashes: [...selected], to },
        }),
      ),
    onSuccess: (issues) => {
      setSelected(new Set());
      notifications.show({
        message: `Their events belong to ${issues.map(({ short_id: id, fingerprint }) => id ?? fingerprint).join(", ")} now.`,
      });
    },
    onError: (error) => notifications.show({ color: "red", title: "Nothing was taken apart", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["errors", path.id] }),
  });
  return (
    <Loaded query={hashes} skeleton={2}>
      {(rows) => {
        const isMerged = rows.some(({ former_fingerprint: former }) => former !== null && former !== undefined);
        return (
          <Stack gap="xs">
            <Group justify="space-between">
              <Text fw={650} size="sm">
                {rows.length === 1 ? "The issue has one hash" : `The issue has ${rows.length} hashes`}
              </Text>
              {selected.size > 0 && (
                <Group gap="xs">
                  {isMerged && (
                    <Button size="xs" loading={unmerge.isPending} onClick={() => unmerge.mutate("former")}>
                      Give back to the former issues
                    </Button>
                  )}
                  <Button
                    size="xs"
                    variant="default"
                    disabled={selected.size === rows.length}
                    loading={unmerge.isPending}
                    onClick={() => unmerge.mutate("new")}
                  >
                    Make a new issue
                  </Button>
                </Group>
              )}
            </Group>
            {selected.size > 0 && selected.size === rows.length && (
              <Alert color="yellow" variant="light">
                One hash has to stay with a new issue apart.
              </Alert>
            )}
            <Paper withBorder>
              <Table fz="sm">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={40} aria-label="Selected" />
                    <Table.Th>Hash</Table.Th>
                    <Table.Th ta="right" w={90}>
                      Events
                    </Table.Th>
                    <Table.Th w={120}>Since</Table.Th>
                    <Table.Th w={120}>Merged from</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {rows.map(({ hash, event_count: count, created_at: at, former_fingerprint: former }) => (
                    <Table.Tr key={hash}>
                      <Table.Td>
                        <Checkbox
                          size="xs"
                          aria-label={`Select hash ${hash}`}
                          disabled={rows.length < 2}
                          checked={selected.has(hash)}
                          onChange={(event) => {
                            const next = new Set(selected);
                            if (event.currentTarget.checked) next.add(hash);
                            else next.delete(hash);
                            setSelected(next);
                          }}
                        />
                      </Table.Td>
                      <Table.Td>
                        <Code>{hash}</Code>
                      </Table.Td>
                      <Table.Td ta="right">{formatCount(count)}</Table.Td>
                      <Table.Td>
                        <Ago at={at} />
                      </Table.Td>
                      <Table.Td>{former ?? "–"}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Paper>
          </Stack>
        );
      }}
    </Loaded>
  );
}
