import { Group, Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** A titled part of a page. */
export function Card({
  title,
  icon,
  actions,
  flush = false,
  children,
}: {
  readonly title: string;
  readonly icon?: ReactNode;
  readonly actions?: ReactNode;
  /** The content reaches the edges, as tables do. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}) {
  return (
    <Paper withBorder component="section" aria-label={title} style={{ overflow: "hidden", minWidth: 0 }}>
      <Group justify="space-between" gap="sm" px="md" pt={12} pb={flush ? 10 : 4} wrap="nowrap">
        <Group gap={8} wrap="nowrap">
          {icon}
          <Text fw={650} size="sm">
            {title}
          </Text>
        </Group>
        {actions}
      </Group>
      <div style={flush ? undefined : { padding: "4px 16px 14px" }}>{children}</div>
    </Paper>
  );
}

/** One number of a page with what it is called. */
export function Figure({
  label,
  children,
  hint,
  tone,
}: {
  readonly label: string;
  readonly children: ReactNode;
  readonly hint?: ReactNode;
  readonly tone?: "bad" | "warn" | "good" | undefined;
}) {
  return (
    <Paper withBorder px="md" py={10}>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text
        component="div"
        className="figure"
        fz={20}
        fw={650}
        lh={1.3}
        c={tone ? `var(--app-${tone})` : undefined}
        style={{ overflowWrap: "anywhere" }}
      >
        {children}
      </Text>
      {hint && (
        <Text size="xs" c="dimmed" component="div">
          {hint}
        </Text>
      )}
    </Paper>
  );
}
