import { Button, Group, Menu, Stack, Text, TextInput } from "@mantine/core";
import { IconCalendarTime, IconCheck, IconChevronDown } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";
import { presets, useTimeRange } from "./time-range.js";
import { useUrlState } from "./url-state.js";

/** The time that all pages speak of. */
export function TimeRangePicker() {
  const url = useUrlState();
  const range = useTimeRange();
  const [opened, setOpened] = useState(false);
  const choose = (value: string): void => {
    url.set({ range: value === "24h" ? null : value, from: null, to: null });
    setOpened(false);
  };
  const shortLabel = range.key.includes("/") ? "custom" : range.key;
  return (
    <Menu opened={opened} onChange={setOpened} position="bottom-end" width={290} trapFocus>
      <Menu.Target>
        <Button
          variant="default"
          size="xs"
          style={{ flex: "none" }}
          aria-label={`Time range: ${shortLabel}, ${range.label}`}
          leftSection={<IconCalendarTime size={15} />}
          rightSection={<IconChevronDown size={13} />}
        >
          <Text span size="xs" fw={550} visibleFrom="md">
            {range.label}
          </Text>
          <Text span size="xs" fw={550} hiddenFrom="md">
            {shortLabel}
          </Text>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {presets.map(({ value, label }) => (
          <Menu.Item
            key={value}
            onClick={() => choose(value)}
            rightSection={range.key === value ? <IconCheck size={14} aria-label="chosen" /> : undefined}
          >
            {label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Custom
          onChoose={(from, to) => {
            url.set({ range: null, from, to });
            setOpened(false);
          }}
        />
      </Menu.Dropdown>
    </Menu>
  );
}

function Custom({ onChoose }: { readonly onChoose: (from: string, to: string | null) => void }) {
  const url = useUrlState();
  const [from, setFrom] = useState(local(url.get("from")));
  const [to, setTo] = useState(local(url.get("to")));
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onChoose(new Date(from).toISOString(), to === "" ? null : new Date(to).toISOString());
  };
  const backwards = to !== "" && to <= from;
  return (
    <form onSubmit={submit}>
      <Stack gap={6} p={8}>
        <TextInput
          type="datetime-local"
          size="xs"
          label="From"
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          type="datetime-local"
          size="xs"
          label="Until (empty: now)"
          value={to}
          error={backwards ? "Before the beginning" : undefined}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Group justify="flex-end">
          <Button type="submit" size="compact-sm" variant="light" disabled={from === "" || backwards}>
            Apply
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** As the browser's field for a local time reads it. */
function local(iso: string): string {
  const timeMs = Date.parse(iso);
  if (!Number.isFinite(timeMs)) return "";
  return new Date(timeMs - new Date(timeMs).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
