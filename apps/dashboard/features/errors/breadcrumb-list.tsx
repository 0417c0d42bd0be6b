import { Badge, Chip, Code, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { Empty } from "../../shared/states.js";
import { TimeWithDate } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { asText, type Breadcrumb } from "./event-payload.js";
import { levelColors } from "./issue.js";

/** What the program did before, the newest first. */
export function BreadcrumbList({ breadcrumbs }: { readonly breadcrumbs: readonly Breadcrumb[] }) {
  const url = useUrlState();
  const filter = url.get("crumbs");
  const category = url.get("category") || null;
  const setFilter = (text: string): void => url.set({ crumbs: text }, { replace: true });
  const setCategory = (name: string | null): void => url.set({ category: name }, { replace: true });
  if (breadcrumbs.length === 0)
    return (
      <Empty title="The event has no breadcrumbs">SDKs record what a program did before, unless told not to.</Empty>
    );
  const categories = [...new Set(breadcrumbs.map(categoryOf))].sort();
  const shown = breadcrumbs.filter(
    (breadcrumb) =>
      (category === null || categoryOf(breadcrumb) === category) &&
      `${categoryOf(breadcrumb)} ${breadcrumb.message ?? ""} ${breadcrumb.level ?? ""} ${JSON.stringify(breadcrumb.data ?? "")}`
        .toLowerCase()
        .includes(filter.toLowerCase()),
  );
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <TextInput
          aria-label="Filter breadcrumbs"
          placeholder="Filter"
          size="xs"
          leftSection={<IconSearch size={14} />}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
        {categories.length > 1 && (
          <Chip.Group value={category} onChange={(value) => setCategory(typeof value === "string" ? value : null)}>
            <Group gap={6}>
              {categories.slice(0, 10).map((name) => (
                <Chip
                  key={name}
                  value={name}
                  size="xs"
                  variant="light"
                  onClick={(event) => event.currentTarget.value === category && setCategory(null)}
                >
                  {name}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
        )}
      </Group>
      <Paper withBorder>
        {[...shown].reverse().map((breadcrumb, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: breadcrumbs have no ids.
          <div key={index} className="breadcrumb">
            <TimeWithDate at={breadcrumb.timestamp} />
            <Group gap={6} style={{ minWidth: 0 }}>
              <Code style={{ minWidth: 0 }}>{categoryOf(breadcrumb)}</Code>
              {breadcrumb.level && breadcrumb.level !== "info" && (
                <Badge size="xs" variant="light" color={levelColors[breadcrumb.level] ?? "gray"}>
                  {breadcrumb.level}
                </Badge>
              )}
            </Group>
            <Text size="sm" component="div" dir="auto" style={{ minWidth: 0, overflowWrap: "anywhere" }}>
              {breadcrumb.message}
              {breadcrumb.data && (
                <Code block mt={breadcrumb.message ? 4 : 0} fz={12} p={8} style={{ whiteSpace: "pre-wrap" }}>
                  {asText(breadcrumb.data)}
                </Code>
              )}
            </Text>
          </div>
        ))}
        {shown.length === 0 && (
          <Text size="sm" c="dimmed" p="md">
            None matches.
          </Text>
        )}
      </Paper>
    </Stack>
  );
}

function categoryOf({ category, type }: Breadcrumb): string {
  return category ?? type ?? "default";
}
