import { Badge, Code, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { Loaded } from "../../shared/states.js";
import { type Difference, differencesOf } from "./schema-difference.js";

const colors: Readonly<Record<Difference["kind"], string>> = { added: "green", removed: "red", changed: "yellow" };

/** What each version of an event changed in its schema, the newest first. */
export function Versions({ type, versions }: { readonly type: string; readonly versions: readonly number[] }) {
  const schemas = useQuery({
    queryKey: ["events", "schemas", type, versions],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => Promise.all(versions.map(async (version) => ({ version, schema: await readSchema(type, version) }))),
  });
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        Versions
      </Text>
      <Loaded query={schemas} skeleton={2}>
        {(known) => (
          <Stack gap="xs">
            {known
              .slice(1)
              .map(({ version, schema }, index) => ({
                version,
                before: known[index]?.version ?? 0,
                differences: differencesOf(known[index]?.schema, schema),
              }))
              .reverse()
              .map((step) => (
                <Changes key={step.version} {...step} />
              ))}
          </Stack>
        )}
      </Loaded>
    </div>
  );
}

async function readSchema(type: string, version: number): Promise<unknown> {
  return dataOf(
    api.GET("/api/v1/events/schemas/{type}/v{version}", { params: { path: { type, version } }, parseAs: "json" }),
  );
}

function Changes({
  version,
  before,
  differences,
}: {
  readonly version: number;
  readonly before: number;
  readonly differences: readonly Difference[];
}) {
  if (differences.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Version {version} has the fields of version {before}.
      </Text>
    );
  return (
    <Table fz="sm" withTableBorder aria-label={`From version ${before} to version ${version}`}>
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={190}>
            Version {before} to {version}
          </Table.Th>
          <Table.Th w={96} aria-label="What happened" />
          <Table.Th>Was</Table.Th>
          <Table.Th>Is</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {differences.map(({ pointer, kind, before: was, after }) => (
          <Table.Tr key={pointer}>
            <Table.Td>
              <Code>{pointer}</Code>
            </Table.Td>
            <Table.Td>
              <Badge size="xs" variant="light" color={colors[kind]}>
                {kind}
              </Badge>
            </Table.Td>
            <Table.Td>{was ?? "–"}</Table.Td>
            <Table.Td>{after ?? "–"}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
