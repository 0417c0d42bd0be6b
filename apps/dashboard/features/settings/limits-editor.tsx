import { ActionIcon, Button, Group, MultiSelect, NumberInput, Select, Stack, Text } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import type { paths } from "../../api/schema.js";

type Key = paths["/api/v1/projects/{id}/keys"]["get"]["responses"]["200"]["content"]["application/json"][number];
export type Limit = Key["quotas"][number];
type Category = Limit["categories"][number];

const categories: readonly Category[] = [
  ...(["default", "error", "transaction", "attachment", "session", "monitor", "feedback", "security"] as const),
  ...(["span", "log_item", "trace_metric", "metric_bucket", "profile", "profile_chunk", "replay"] as const),
];

const windows = [
  { value: "60", label: "a minute" },
  { value: "3600", label: "an hour" },
  { value: "86400", label: "a day" },
  { value: "2592000", label: "30 days" },
];

/** "1,000 items of error in a minute". */
export function describeLimit({ limit, window_s: windowS, categories: of }: Limit): string {
  const what = of.length === 0 ? "items" : `of ${of.join(", ")}`;
  return `${limit.toLocaleString("en")} ${what} in ${windowName(windowS)}`;
}

export function windowName(windowS: number): string {
  return windows.find(({ value }) => Number(value) === windowS)?.label ?? `${windowS} s`;
}

/** A few limits, each over some kinds of items and a window of time. */
export function LimitsEditor({
  limits,
  saving,
  onSave,
}: {
  readonly limits: readonly Limit[];
  readonly saving: boolean;
  readonly onSave: (limits: readonly Limit[]) => void;
}) {
  const [rows, setRows] = useState(limits.map((limit, key) => ({ key, limit })));
  const change = (key: number, part: Partial<Limit>): void =>
    setRows(rows.map((row) => (row.key === key ? { key, limit: { ...row.limit, ...part } } : row)));
  const add = (): void =>
    setRows([
      ...rows,
      { key: Math.max(-1, ...rows.map(({ key }) => key)) + 1, limit: { categories: [], limit: 1_000, window_s: 60 } },
    ]);
  return (
    <Stack>
      {rows.length === 0 && (
        <Text size="sm" c="dimmed">
          Without limits.
        </Text>
      )}
      {rows.map(({ key, limit }) => (
        <Group key={key} gap="xs" align="flex-end" role="group" aria-label={describeLimit(limit)}>
          <NumberInput
            label="At most"
            w={110}
            min={0}
            max={1_000_000_000_000}
            thousandSeparator=","
            value={limit.limit}
            onChange={(value) => change(key, { limit: Number(value) || 0 })}
          />
          <MultiSelect
            label="Of"
            style={{ flex: "1 1 140px" }}
            placeholder={limit.categories.length > 0 ? "" : "items of all kinds"}
            data={[...categories]}
            value={[...limit.categories]}
            onChange={(names) => change(key, { categories: categories.filter((name) => names.includes(name)) })}
          />
          <Select
            label="In"
            w={120}
            allowDeselect={false}
            data={
              windows.some(({ value }) => Number(value) === limit.window_s)
                ? windows
                : [...windows, { value: String(limit.window_s), label: `${limit.window_s} s` }]
            }
            value={String(limit.window_s)}
            onChange={(value) => change(key, { window_s: Number(value) })}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size={36}
            aria-label="Remove the limit"
            onClick={() => setRows(rows.filter((row) => row.key !== key))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      ))}
      <Group justify="space-between">
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlus size={14} />}
          disabled={rows.length >= 20}
          onClick={add}
        >
          Add a limit
        </Button>
        <Button size="xs" loading={saving} onClick={() => onSave(rows.map(({ limit }) => limit))}>
          Save
        </Button>
      </Group>
    </Stack>
  );
}
