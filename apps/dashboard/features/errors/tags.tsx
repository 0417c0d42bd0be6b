import { Paper, Progress, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { formatCount, formatShare } from "../../shared/numbers.js";

/** The most frequent values of each tag of an issue. */
export function Tags({ path }: { readonly path: { readonly id: number; readonly fingerprint: number } }) {
  const tags = useQuery({
    queryKey: ["errors", path.id, "issue", path.fingerprint, "tags"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/{fingerprint}/tags", { params: { path } })),
    staleTime: 60_000,
  });
  if (tags.data === undefined || tags.data.length === 0) return null;
  return (
    <Paper withBorder p="sm" component="section" aria-label="Tags">
      <Stack gap="sm">
        {tags.data.slice(0, 12).map(({ key, total, values }) => {
          const [first] = values;
          if (first === undefined) return null;
          const share = first.events / Math.max(1, total);
          return (
            <div key={key}>
              <Text size="xs" c="dimmed">
                {key}
              </Text>
              <Text size="sm" lineClamp={1} dir="auto" title={`${formatCount(first.events)} of ${formatCount(total)}`}>
                {first.value} · {formatShare(share)}
              </Text>
              <Progress value={share * 100} size="xs" aria-label={`${key} ${first.value}`} />
            </div>
          );
        })}
      </Stack>
    </Paper>
  );
}
