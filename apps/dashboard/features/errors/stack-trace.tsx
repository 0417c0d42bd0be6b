import {
  Badge,
  Box,
  Code,
  Group,
  Paper,
  SegmentedControl,
  Stack,
  Switch,
  Table,
  Text,
  UnstyledButton,
} from "@mantine/core";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";
import { useState } from "react";
import { Copy } from "../../shared/copy.js";
import { asText, type ExceptionValue, type Frame } from "./event-payload.js";

type Order = "newest" | "oldest";

/** Exceptions of a chain, the one that was seen first; each with its frames. */
export function StackTrace({ exceptions }: { readonly exceptions: readonly ExceptionValue[] }) {
  const [order, setOrder] = useState<Order>("newest");
  const [inAppOnly, setInAppOnly] = useState(true);
  // SDKs send the cause first and the outermost exception last.
  const chain = order === "newest" ? [...exceptions].reverse() : exceptions;
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <Switch
          label="Own code only"
          checked={inAppOnly}
          onChange={(event) => setInAppOnly(event.currentTarget.checked)}
        />
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label="Order of frames"
            value={order}
            onChange={(value) => setOrder(value === "oldest" ? "oldest" : "newest")}
            data={[
              { value: "newest", label: "Newest first" },
              { value: "oldest", label: "Oldest first" },
            ]}
          />
          <Copy value={asMarkdown(chain)} label="Copy as Markdown" />
        </Group>
      </Group>
      {chain.map((exception, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: exceptions of a chain have no names of their own.
        <ExceptionBlock key={index} exception={exception} order={order} inAppOnly={inAppOnly} caused={index > 0} />
      ))}
    </Stack>
  );
}

function ExceptionBlock({
  exception,
  order,
  inAppOnly,
  caused,
}: {
  readonly exception: ExceptionValue;
  readonly order: Order;
  readonly inAppOnly: boolean;
  readonly caused: boolean;
}) {
  const sent = exception.stacktrace?.frames ?? [];
  const own = sent.filter(({ in_app: inApp }) => inApp === true);
  const frames = inAppOnly && own.length > 0 ? own : sent;
  const ordered = order === "newest" ? [...frames].reverse() : frames;
  const hidden = sent.length - frames.length;
  return (
    <Paper withBorder p={0}>
      <Box p="sm">
        <Group gap="xs">
          {caused && (
            <Text size="xs" c="dimmed">
              {order === "newest" ? "caused by" : "led to"}
            </Text>
          )}
          <Text fw={650} dir="auto">
            {exception.type ?? "Error"}
          </Text>
          {exception.mechanism?.handled === false && (
            <Badge size="xs" color="red" variant="light">
              unhandled
            </Badge>
          )}
        </Group>
        {exception.value && (
          <Text size="sm" dir="auto" lineClamp={12} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {exception.value}
          </Text>
        )}
      </Box>
      <Frames frames={ordered} firstOpen={order === "newest" ? 0 : ordered.length - 1} />
      {hidden > 0 && (
        <Text size="xs" c="dimmed" p="xs">
          {hidden} {hidden === 1 ? "frame" : "frames"} of libraries and the runtime hidden
        </Text>
      )}
    </Paper>
  );
}

/** Long traces are drawn in parts, so that thousands of frames keep the page fluid. */
const framesAtOnce = 100;

function Frames({ frames, firstOpen }: { readonly frames: readonly Frame[]; readonly firstOpen: number }) {
  const [limit, setLimit] = useState(framesAtOnce);
  return (
    <Box>
      {frames.slice(0, limit).map((frame, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a frame is its place in the trace.
        <FrameRow key={index} frame={frame} initiallyOpen={index === firstOpen} />
      ))}
      {frames.length > limit && (
        <UnstyledButton p="sm" onClick={() => setLimit(limit + 10 * framesAtOnce)}>
          <Text size="sm" c="var(--mantine-color-anchor)">
            Show more of {frames.length - limit} further frames
          </Text>
        </UnstyledButton>
      )}
    </Box>
  );
}

function FrameRow({ frame, initiallyOpen }: { readonly frame: Frame; readonly initiallyOpen: boolean }) {
  const [open, setOpen] = useState(initiallyOpen);
  const hasMore = frame.context_line !== undefined || frame.vars !== undefined;
  const place = `${frame.filename ?? frame.module ?? frame.abs_path ?? "unknown"}${frame.lineno === undefined ? "" : `:${frame.lineno}`}${frame.colno === undefined ? "" : `:${frame.colno}`}`;
  const line = (
    <Group gap={6} wrap="nowrap" align="baseline">
      {hasMore ? open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} /> : <Box w={14} />}
      <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }} fw={frame.in_app ? 600 : 400} dir="auto">
        {place}
      </Text>
      {frame.function && (
        <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
          in <span style={{ fontFamily: "var(--mantine-font-family-monospace)" }}>{frame.function}</span>
        </Text>
      )}
    </Group>
  );
  return (
    <Box style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}>
      {hasMore ? (
        <UnstyledButton w="100%" px="sm" py={6} onClick={() => setOpen(!open)} aria-expanded={open}>
          {line}
        </UnstyledButton>
      ) : (
        <Box px="sm" py={6}>
          {line}
        </Box>
      )}
      {open && frame.context_line !== undefined && <Source frame={frame} />}
      {open && frame.vars !== undefined && <Variables vars={frame.vars} />}
    </Box>
  );
}

function Source({ frame }: { readonly frame: Frame }) {
  const before = frame.pre_context ?? [];
  const first = (frame.lineno ?? before.length + 1) - before.length;
  const lines = [...before, frame.context_line ?? "", ...(frame.post_context ?? [])];
  return (
    <Box
      component="pre"
      m={0}
      py={4}
      style={{ overflowX: "auto", fontSize: 12.5, lineHeight: 1.55, background: "var(--mantine-color-default-hover)" }}
      tabIndex={0}
      aria-label="Source"
    >
      {lines.map((text, index) => {
        const isFault = index === before.length;
        return (
          <Box
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number.
            key={index}
            px="sm"
            style={{
              whiteSpace: "pre",
              overflowWrap: "normal",
              ...(isFault ? { background: "var(--mantine-color-red-light)", fontWeight: 600 } : {}),
            }}
          >
            <span
              style={{
                color: "var(--mantine-color-dimmed)",
                display: "inline-block",
                width: "4.5ch",
                userSelect: "none",
              }}
            >
              {first + index}
            </span>
            {text}
          </Box>
        );
      })}
    </Box>
  );
}

function Variables({ vars }: { readonly vars: Readonly<Record<string, unknown>> }) {
  return (
    <Table withRowBorders={false} verticalSpacing={2} fz="xs" m="xs" w="auto">
      <Table.Tbody>
        {Object.entries(vars).map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Td c="dimmed">{name}</Table.Td>
            <Table.Td>
              <Code>{asText(value)}</Code>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function asMarkdown(chain: readonly ExceptionValue[]): string {
  return chain
    .map((exception) => {
      const frames = [...(exception.stacktrace?.frames ?? [])].reverse();
      const lines = frames.map(
        ({ function: name, filename, lineno }) => `    at ${name ?? "?"} (${filename ?? "unknown"}:${lineno ?? 0})`,
      );
      return [`**${exception.type ?? "Error"}**: ${exception.value ?? ""}`, "```", ...lines, "```"].join("\n");
    })
    .join("\n\n");
}
