import { Alert, Box, Button, Code, Group, Skeleton, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconInbox } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client.js";

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
    <Stack gap="sm" aria-busy="true" aria-label="Loading">
      {Array.from({ length: count }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: placeholders have nothing else.
        <Skeleton key={line} height={line === 0 ? 28 : 20} width={`${100 - ((line * 13) % 40)}%`} />
      ))}
    </Stack>
  );
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
      title={stale ? "This could not be brought up to date" : "This could not be read"}
    >
      <Stack gap="xs">
        <Text size="sm">{error.message}</Text>
        <Group gap="md">
          {known?.code && <Code>{known.code}</Code>}
          {known?.correlationId && (
            <Text size="xs" c="dimmed">
              Correlation id <Code>{known.correlationId}</Code>
            </Text>
          )}
          {retry && (
            <Button size="compact-sm" variant="default" onClick={retry}>
              Try again
            </Button>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children?: ReactNode }) {
  return (
    <Stack align="center" gap="xs" py="xl" data-testid="empty">
      <IconInbox size={32} stroke={1.4} aria-hidden opacity={0.6} />
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed" ta="center" maw={520} component="div">
        {children}
      </Text>
    </Stack>
  );
}
