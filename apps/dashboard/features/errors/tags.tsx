import { Anchor, Box, Group, Stack, Text, Tooltip } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import type { IssuePath } from "./issue.js";

const maxTags = 14;
/** Shades of the parts of a bar, the most frequent value first. */
const shades = ["var(--app-chart)", "var(--mantine-color-indigo-3)", "var(--mantine-color-indigo-2)"];

type Tag =
  paths["/api/v1/projects/{id}/errors/{fingerprint}/tags"]["get"]["responses"]["200"]["content"]["application/json"][number];

/** An id says nothing by how it is spread: no value of it has more than some of many events. */
function isId({ total, values }: Tag): boolean {
  const [first] = values;
  return total > 20 && first !== undefined && first.events / total < 0.1;
}

/** How the events of an issue are spread over the values of each tag. */
export function Tags({ path }: { readonly path: IssuePath }) {
  const tags = useQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "tags"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/{fingerprint}/tags", { params: { path } })),
    staleTime: 60_000,
  });
  if (tags.data === undefined || tags.data.length === 0) return null;
  return (
    <Card title="Tags">
      <Stack gap={10}>
        {[...tags.data]
          .sort((left, right) => Number(isId(left)) - Number(isId(right)))
          .slice(0, maxTags)
          .map((tag) => {
            const { key, total, values, other } = tag;
            const [first] = values;
            if (first === undefined) return null;
            const parts = values.slice(0, shades.length);
            const text = values
              .slice(0, 8)
              .map(({ value, events }) => `${value}: ${formatShare(events / total)}`)
              .concat(other > 0 ? [`others: ${formatShare(other / total)}`] : [])
              .join("\n");
            return (
              <div key={key}>
                <Group justify="space-between" gap={8} wrap="nowrap">
                  <Text size="xs" c="dimmed">
                    {key}
                  </Text>
                  {!isId(tag) && (
                    <Text size="xs" c="dimmed" className="figure">
                      {formatShare(first.events / Math.max(1, total))}
                    </Text>
                  )}
                </Group>
                {isId(tag) ? (
                  <Text size="sm">different from event to event</Text>
                ) : (
                  <>
                    <Anchor
                      component={Link}
                      to={`/projects/${path.id}/errors?query=${encodeURIComponent(`${key}:"${first.value}"`)}`}
                      size="sm"
                      c="inherit"
                      truncate
                      display="block"
                      dir="auto"
                      title={`Issues with ${key} ${first.value}`}
                    >
                      {first.value}
                    </Anchor>
                    <Tooltip label={<span style={{ whiteSpace: "pre-line" }}>{text}</span>}>
                      <Box
                        role="img"
                        aria-label={`${key}: ${text.replaceAll("\n", ", ")}; ${formatCount(total)} events`}
                        style={{
                          display: "flex",
                          gap: 1,
                          height: 5,
                          borderRadius: 3,
                          overflow: "hidden",
                          marginTop: 3,
                          background: "var(--app-quiet)",
                        }}
                      >
                        {parts.map(({ value, events }, index) => (
                          <Box key={value} style={{ width: `${(events / total) * 100}%`, background: shades[index] }} />
                        ))}
                      </Box>
                    </Tooltip>
                  </>
                )}
              </div>
            );
          })}
      </Stack>
    </Card>
  );
}
