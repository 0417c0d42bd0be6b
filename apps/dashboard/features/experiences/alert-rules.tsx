import { Anchor, Code, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, textOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Loaded } from "../../shared/states.js";

const wholeFiles = [
  ["Rules of Prometheus", "/api/v1/experience/rules/prometheus.yml"],
  ["Dashboard of Grafana", "/api/v1/experience/rules/grafana.json"],
  ["OpenSLO", "/api/v1/experience/rules/openslo.yml"],
] as const;

/** What the generated rules say of one experience, and where the whole files are. */
export function AlertRules({ experience }: { readonly experience: string }) {
  const rules = useQuery({
    queryKey: ["experience", "rules", experience],
    queryFn: () =>
      textOf(
        api.GET("/api/v1/experience/rules/prometheus.yml", { params: { query: { experience } }, parseAs: "text" }),
      ),
    placeholderData: (previous) => previous,
  });
  return (
    <Card
      title="Alert rules"
      actions={rules.data !== undefined && <Copy value={rules.data} label="Copy the alert rules" />}
    >
      <Stack gap="xs">
        <Group gap="sm">
          <Text size="sm" c="dimmed">
            Whole files, of all experiences:
          </Text>
          {wholeFiles.map(([name, path]) => (
            <Anchor key={path} href={path} target="_blank" rel="noreferrer" size="sm">
              {name}
            </Anchor>
          ))}
        </Group>
        <Loaded query={rules} skeleton={8}>
          {(text) => (
            <Code block tabIndex={0} mah={320} style={{ overflow: "auto" }} aria-label="The alert rules">
              {text}
            </Code>
          )}
        </Loaded>
      </Stack>
    </Card>
  );
}
