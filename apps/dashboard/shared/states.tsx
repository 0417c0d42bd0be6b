import { Alert, Box, Button, Code, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconInbox } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client.js";
import { Copy } from "./copy.js";

/** What a query has, or what is to be seen instead. */
export function Loaded<Data>({
  query,
  skeleton = 6,
  inset = false,
  children,
}: {
  readonly query: UseQueryResult<Data>;
  /** Lines of the placeholder. */
  readonly skeleton?: number;
  /** Keeps what stands in for the data away from the edges of a panel. */
  readonly inset?: boolean;
  readonly children: (data: Data) => ReactNode;
}) {
  if (query.data !== undefined)
    return (
      <>
        {query.isError && <Failure error={query.error} retry={() => void query.refetch()} stale />}
        {children(query.data)}
      </>
    );
  return (
    <Box {...(inset ? { px: "md", pb: "md" } : {})}>
      {query.isError ? <Failure error={query.error} retry={() => void query.refetch()} /> : <Lines count={skeleton} />}
    </Box>
  );
}

function Lines({ count }: { readonly count: number }) {
  return (
    <Stack gap="sm" role="status" aria-busy="true" aria-label="Loading">
      {Array.from({ length: count }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have nothing else.
        <Skeleton key={line} height={line === 0 ? 28 : 20} width={`${100 - ((line * 13) % 40)}%`} />
      ))}
    </Stack>
  );
}

/** Whose move it is. */
const titles: Readonly<Record<number, string>> = {
  0: "The server does not answer",
  400: "The server does not understand this",
  401: "You are not logged in any more",
  403: "Your token does not allow this",
  404: "There is no such thing",
  429: "That was too much at once",
  503: "Not available just now",
};

function titleOf(status: number | undefined): string {
  return titles[status ?? -1] ?? "This could not be read";
}

/** What failed, the id to search the server's log for, and a way to try again. */
export function Failure({
  error,
  retry,
  stale = false,
}: {
  readonly error: Error;
  readonly retry?: () => void;
  /** What was read before is still shown. */
  readonly stale?: boolean;
}) {
  const known = error instanceof ApiError ? error : undefined;
  return (
    <Alert
      color="red"
      variant="light"
      mb={stale ? "md" : 0}
      icon={<IconAlertTriangle size={18} />}
      title={stale ? "This could not be brought up to date" : titleOf(known?.status)}
    >
      <Stack gap="xs">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {error.message}
        </Text>
        {known?.asked && (
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            Asked for: <Code>{known.asked}</Code>
          </Text>
        )}
        <Group gap="md">
          {known?.code && <Code>{known.code}</Code>}
          {known?.correlationId && (
            <Group gap={4} wrap="nowrap">
              <Text size="xs" c="dimmed">
                Correlation id <Code>{known.correlationId}</Code>
              </Text>
              <Copy value={known.correlationId} label="Copy the correlation id" />
            </Group>
          )}
          {retry && known?.status !== 404 && (
            <Button size="compact-sm" variant="default" onClick={retry}>
              Try again
            </Button>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

/** What to do next stands below the title; a snippet can be copied. */
export function Empty({
  title,
  snippet,
  children,
}: {
  readonly title: string;
  readonly snippet?: string | undefined;
  readonly children?: ReactNode;
}) {
  return (
    <Stack align="center" gap="xs" py="xl" data-testid="empty">
      <IconInbox size={32} stroke={1.4} aria-hidden opacity={0.6} />
      <Text fw={600} ta="center" maw="100%" dir="auto" style={{ overflowWrap: "anywhere" }}>
        {title}
      </Text>
      <Text
        size="sm"
        c="dimmed"
        ta="center"
        maw="min(520px, 100%)"
        component="div"
        style={{ overflowWrap: "anywhere" }}
      >
        {children}
      </Text>
      {snippet !== undefined && <Snippet code={snippet} />}
    </Stack>
  );
}

/** Lines to be put into a program or a shell. */
export function Snippet({ code, label = "Copy the snippet" }: { readonly code: string; readonly label?: string }) {
  return (
    <Group
      gap={4}
      wrap="nowrap"
      align="flex-start"
      style={{ background: "var(--app-code)", borderRadius: "var(--mantine-radius-sm)", maxWidth: "100%" }}
    >
      <Code block tabIndex={0} bg="transparent" style={{ flex: 1, minWidth: 0, overflowX: "auto" }}>
        {code}
      </Code>
      <Box p={6}>
        <Copy value={code} label={label} />
      </Box>
    </Group>
  );
}
