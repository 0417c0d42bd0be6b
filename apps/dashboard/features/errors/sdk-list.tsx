import { Anchor, Badge, Code, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { type Column, DataTable } from "../../shared/data-table.js";
import { formatCount } from "../../shared/numbers.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

type Sdk = paths["/api/v1/projects/{id}/errors/sdks"]["get"]["responses"]["200"]["content"]["application/json"][number];

const columns: readonly Column<Sdk>[] = [
  {
    id: "sdk",
    header: "SDK",
    value: ({ name, version }) => `${name} ${version}`,
    cell: ({ name, version, malformed, accepted, not_stored: byType, last_error_codes: codes }) => (
      <Stack gap={2}>
        <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
          {name}
        </Text>
        <Group gap={6}>
          <Text size="xs" c="dimmed">
            {version}
          </Text>
          {malformed > 0 && (
            <Badge size="xs" variant="light" color={accepted === 0 ? "red" : "yellow"}>
              {accepted === 0 ? "nothing readable" : "partly unreadable"}
            </Badge>
          )}
        </Group>
        <Stack gap={2} align="flex-start" hiddenFrom="sm">
          {malformed > 0 && (
            <>
              <Text size="xs">{formatCount(malformed)} malformed</Text>
              <Codes codes={codes} />
            </>
          )}
          {sumOf(byType) > 0 && (
            <>
              <Text size="xs">{formatCount(sumOf(byType))} not stored</Text>
              <ByType quantities={byType} />
            </>
          )}
        </Stack>
      </Stack>
    ),
  },
  {
    id: "sdk_last_seen",
    header: "Last seen",
    width: 110,
    value: ({ last_seen_at: at }) => at,
    cell: ({ last_seen_at: at }) => <Ago at={at} />,
  },
  {
    id: "sdk_accepted",
    header: "Accepted",
    width: 92,
    align: "right",
    value: ({ accepted }) => accepted,
    cell: ({ accepted }) => formatCount(accepted),
  },
  {
    id: "sdk_not_stored",
    header: "Not stored",
    width: 180,
    wideOnly: true,
    align: "right",
    value: ({ not_stored: byType }) => sumOf(byType),
    cell: ({ not_stored: byType }) => (
      <Stack gap={0} align="flex-end">
        <Text size="sm">{formatCount(sumOf(byType))}</Text>
        <ByType quantities={byType} />
      </Stack>
    ),
  },
  {
    id: "sdk_malformed",
    header: "Malformed",
    width: 210,
    wideOnly: true,
    align: "right",
    value: ({ malformed }) => malformed,
    cell: ({ malformed, last_error_codes: codes }) => (
      <Stack gap={2} align="flex-end">
        <Text size="sm" {...(malformed > 0 ? { c: "var(--app-bad)", fw: 600 } : {})}>
          {formatCount(malformed)}
        </Text>
        <Codes codes={codes} />
      </Stack>
    ),
  },
];

/** Whether each SDK is set up as it should be, by what its requests of the last 30 days came to. */
export function SdkList({ project }: { readonly project: number }) {
  const sdks = useQuery({
    queryKey: ["errors", project, "sdks"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/sdks", { params: { path: { id: project } } })),
    refetchInterval: 30_000,
  });
  return (
    <Card title="SDKs of the last 30 days">
      <Text size="xs" c="dimmed" pb={8}>
        Requests that were accepted or could not be read, and items of kinds that are not kept here.
      </Text>
      <Loaded query={sdks} skeleton={4}>
        {(rows) => (
          <DataTable
            label="SDKs"
            bare
            rows={rows}
            rowKey={({ name, version }) => `${name} ${version}`}
            columns={columns}
            empty={
              <Empty title="No SDK has sent anything">
                How one is told where to send to is written in the{" "}
                <Anchor component={Link} to={`/projects/${project}/settings`} size="sm" underline="always">
                  project's settings
                </Anchor>
                .
              </Empty>
            }
          />
        )}
      </Loaded>
    </Card>
  );
}

function ByType({ quantities }: { readonly quantities: Readonly<Record<string, number>> }) {
  return Object.entries(quantities)
    .sort(([, left], [, right]) => right - left)
    .map(([type, quantity]) => (
      <Text key={type} size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        {type} {formatCount(quantity)}
      </Text>
    ));
}

/** Of the last requests that were malformed, each once. */
function Codes({ codes }: { readonly codes: readonly string[] }) {
  return [...new Set(codes)].map((code) => (
    <Code key={code} fz={11} style={{ overflowWrap: "anywhere" }}>
      {code}
    </Code>
  ));
}

function sumOf(quantities: Readonly<Record<string, number>>): number {
  return Object.values(quantities).reduce((sum, quantity) => sum + quantity, 0);
}
