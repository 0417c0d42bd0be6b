import { Anchor, Badge, Group, Paper, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";

export interface PanelState {
  readonly tone: "good" | "bad" | "warn" | "quiet";
  readonly text: string;
}

const colors = { good: "green", bad: "red", warn: "yellow", quiet: "gray" } as const;

/** One system on the overview: how it is, its trend, and what is worst. */
export function Panel({
  title,
  to,
  icon,
  state,
  figure,
  trend,
  children,
}: {
  readonly title: string;
  readonly to: string;
  readonly icon: ReactNode;
  readonly state?: PanelState | undefined;
  readonly figure?: ReactNode;
  readonly trend?: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <Paper withBorder component="section" aria-label={title} style={{ minWidth: 0 }}>
      <Group justify="space-between" wrap="nowrap" px="md" pt={12} pb={8} gap="sm">
        <Group gap={8} wrap="nowrap" style={{ minWidth: 0 }}>
          {icon}
          <Title order={2} fz={15} style={{ minWidth: 0, overflowWrap: "anywhere" }}>
            <Anchor component={Link} to={to} c="inherit" fw={650} fz="inherit">
              {title}
            </Anchor>
          </Title>
        </Group>
        {state && (
          <Badge variant="light" color={colors[state.tone]} style={{ flex: "none" }}>
            {state.text}
          </Badge>
        )}
      </Group>
      {(figure !== undefined || trend !== undefined) && (
        <Group justify="space-between" px="md" pb={10} gap="sm" align="flex-end">
          <div style={{ flex: "none" }}>{figure}</div>
          <div style={{ flex: "1 1 140px", minWidth: 0, maxWidth: 320 }}>{trend}</div>
        </Group>
      )}
      {children}
    </Paper>
  );
}

export function PanelFigure({
  value,
  label,
  bad = false,
}: {
  readonly value: string;
  readonly label: string;
  readonly bad?: boolean;
}) {
  return (
    <div>
      <Text
        className="figure"
        fz={22}
        fw={680}
        lh={1.15}
        style={{ whiteSpace: "nowrap" }}
        {...(bad ? { c: "var(--app-bad)" } : {})}
      >
        {value}
      </Text>
      <Text size="xs" c="dimmed">
        {label}
      </Text>
    </div>
  );
}

/** Several figures side by side. */
export function PanelFigures({ children }: { readonly children: ReactNode }) {
  return (
    <Group gap="lg" wrap="nowrap" align="flex-start">
      {children}
    </Group>
  );
}

/** One line of a panel: what, where it stands, and when. */
export function PanelRow({ left, right }: { readonly left: ReactNode; readonly right: ReactNode }) {
  return (
    <Group
      justify="space-between"
      wrap="nowrap"
      gap="sm"
      px="md"
      py={7}
      className="row-link"
      style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}
    >
      <div style={{ minWidth: 0, flex: 1 }}>{left}</div>
      <Group gap="md" wrap="nowrap" style={{ flex: "none" }}>
        {right}
      </Group>
    </Group>
  );
}

export function PanelNote({ children }: { readonly children: ReactNode }) {
  return (
    <Text
      size="sm"
      c="dimmed"
      px="md"
      py={10}
      component="div"
      style={{ borderTop: "1px solid var(--mantine-color-default-border)", overflowWrap: "anywhere" }}
    >
      {children}
    </Text>
  );
}
