import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { Link } from "react-router";

/** A page's title, what it is for, and its actions. */
export function Page({
  above = [],
  title,
  subtitle,
  actions,
  children,
}: {
  /** The pages that lead to this one. */
  readonly above?: readonly { readonly to: string; readonly text: string }[];
  readonly title: string;
  readonly subtitle?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Signalbox`;
  }, [title]);
  return (
    <Stack gap="md">
      {above.length > 0 && (
        <Breadcrumbs fz="sm" mb={-8}>
          {above.map(({ to, text }) => (
            <Anchor key={to} component={Link} to={to} size="sm">
              {text}
            </Anchor>
          ))}
          <Text size="sm" truncate maw="min(420px, 60vw)" dir="auto">
            {title}
          </Text>
        </Breadcrumbs>
      )}
      <Group justify="space-between" align="flex-start" gap="md">
        <Stack gap={2} style={{ minWidth: 0, flex: "1 1 320px" }}>
          <Title order={1} size="h3" style={{ overflowWrap: "anywhere" }}>
            {title}
          </Title>
          {subtitle && (
            <Text size="sm" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
              {subtitle}
            </Text>
          )}
        </Stack>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  );
}
