import { Button, Group, Menu, Modal, NumberInput, Select, Stack } from "@mantine/core";
import { IconChevronDown } from "@tabler/icons-react";
import { type ReactNode, useState } from "react";
import type { IssueChange } from "./issue.js";

const hour = 3_600_000;
const times = [
  { label: "For an hour", ms: hour },
  { label: "For a day", ms: 24 * hour },
  { label: "For a week", ms: 7 * 24 * hour },
] as const;

/** Ways to ignore: for good, for a time, or until it becomes worse. */
export function IgnoreMenu({
  opened,
  onOpenedChange,
  onIgnore,
  children,
}: {
  readonly opened?: boolean;
  readonly onOpenedChange?: (opened: boolean) => void;
  readonly onIgnore: (change: IssueChange) => void;
  readonly children?: ReactNode;
}) {
  const [asking, setAsking] = useState(false);
  const ignore = (until?: IssueChange["ignore_until"]): void =>
    onIgnore({ status: "ignored", ...(until ? { ignore_until: until } : {}) });
  return (
    <>
      <Menu
        position="bottom-end"
        {...(opened === undefined ? {} : { opened })}
        {...(onOpenedChange ? { onChange: onOpenedChange } : {})}
      >
        <Menu.Target>
          {children ?? (
            <Button size="xs" variant="default" rightSection={<IconChevronDown size={13} />}>
              Ignore
            </Button>
          )}
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => ignore({ escalating: true })}>Until it escalates</Menu.Item>
          <Menu.Divider />
          {times.map(({ label, ms }) => (
            <Menu.Item key={label} onClick={() => ignore({ time: new Date(Date.now() + ms).toISOString() })}>
              {label}
            </Menu.Item>
          ))}
          <Menu.Item onClick={() => setAsking(true)}>Until it happens more often …</Menu.Item>
          <Menu.Divider />
          <Menu.Item onClick={() => ignore()}>For good</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={asking} onClose={() => setAsking(false)} title="Ignore until it happens more often">
        <UntilCount
          onIgnore={(until) => {
            setAsking(false);
            ignore(until);
          }}
        />
      </Modal>
    </>
  );
}

const windows = [
  { value: "", label: "in all" },
  { value: "3600", label: "within an hour" },
  { value: "86400", label: "within a day" },
  { value: "604800", label: "within a week" },
];

function UntilCount({ onIgnore }: { readonly onIgnore: (until: NonNullable<IssueChange["ignore_until"]>) => void }) {
  const [count, setCount] = useState(100);
  const [of, setOf] = useState<"events" | "users">("events");
  const [window, setWindow] = useState("");
  return (
    <Stack>
      <Group align="flex-end" grow>
        <NumberInput label="More than" min={1} value={count} onChange={(value) => setCount(Number(value) || 1)} />
        <Select
          label="Of"
          allowDeselect={false}
          data={["events", "users"]}
          value={of}
          onChange={(value) => setOf(value === "users" ? "users" : "events")}
        />
        <Select
          label="Within"
          allowDeselect={false}
          data={windows}
          value={window}
          onChange={(value) => setWindow(value ?? "")}
        />
      </Group>
      <Group justify="flex-end">
        <Button onClick={() => onIgnore({ [of]: count, ...(window === "" ? {} : { window_s: Number(window) }) })}>
          Ignore
        </Button>
      </Group>
    </Stack>
  );
}
