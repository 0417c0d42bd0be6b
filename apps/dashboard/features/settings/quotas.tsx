import { Group, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago, formatSeconds } from "../../shared/time.js";

const scopes = { key: "of a key", project: "of the project", organization: "of the server" } as const;

/** How many items may come in, and how many have. */
export function Quotas({ project }: { readonly project: number }) {
  const quotas = useQuery({
    queryKey: ["projects", project, "quotas"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/quotas", { params: { path: { id: project } } })),
    refetchInterval: 15_000,
  });
  return (
    <Card title="Quotas">
      <Loaded query={quotas} skeleton={3}>
        {(rows) =>
          rows.length === 0 ? (
            <Text size="sm" c="dimmed">
              Nothing limits what this project sends. The API sets quotas for keys, projects and the whole server.
            </Text>
          ) : (
            <Stack gap="sm">
              {rows.map(({ scope, categories = [], limit, window_s: windowS, used, resets_at: resetsAt }) => {
                const what = categories.length === 0 ? "items of all kinds" : categories.join(", ");
                const share = limit === 0 ? 100 : (used / limit) * 100;
                return (
                  <div key={`${scope}.${what}.${windowS}`}>
                    <Group justify="space-between" gap="xs">
                      <Text size="sm">
                        {what}{" "}
                        <Text span c="dimmed" size="sm">
                          {scopes[scope]}, in {formatSeconds(windowS)}
                        </Text>
                      </Text>
                      <Text size="sm" className="figure">
                        {formatCount(used)} of {formatCount(limit)}
                      </Text>
                    </Group>
                    <Progress
                      value={share}
                      size="sm"
                      color={share >= 100 ? "red" : share > 80 ? "yellow" : "indigo"}
                      aria-label={`${used} of ${limit} ${what}`}
                    />
                    <Text size="xs" c="dimmed" component="div">
                      begins anew <Ago at={resetsAt} size="xs" />
                    </Text>
                  </div>
                );
              })}
            </Stack>
          )
        }
      </Loaded>
    </Card>
  );
}
