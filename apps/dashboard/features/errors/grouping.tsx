import { Badge, Code, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { Loaded } from "../../shared/states.js";

/** Why an event belongs to its issue: what was compared, and what was left out. */
export function Grouping({ path }: { readonly path: { readonly id: number; readonly event: string } }) {
  const grouping = useQuery({
    queryKey: ["errors", path.id, "grouping", path.event],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/events/{event}/grouping", { params: { path } })),
  });
  return (
    <Loaded query={grouping}>
      {({ version, strategy, hashes }) => (
        <Stack gap="sm">
          <Group gap="xs">
            <Text size="sm">Grouped by</Text>
            <Badge variant="light">{strategy.replaceAll("_", " ")}</Badge>
            <Text size="xs" c="dimmed">
              rules version {version}
            </Text>
          </Group>
          {hashes.map(({ hash, variant, explanation }) => (
            <div key={hash}>
              <Group gap="xs" mb={4}>
                <Badge size="xs" variant="outline">
                  {variant}
                </Badge>
                <Code>{hash}</Code>
              </Group>
              <Code block tabIndex={0} style={{ maxHeight: 360, overflow: "auto" }}>
                {JSON.stringify(explanation, null, 2)}
              </Code>
            </div>
          ))}
        </Stack>
      )}
    </Loaded>
  );
}
