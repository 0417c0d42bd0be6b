import {
  ActionIcon,
  Badge,
  Box,
  Button,
  Code,
  Group,
  Menu,
  Paper,
  SegmentedControl,
  Stack,
  Table,
  Text,
  Tooltip,
  UnstyledButton,
} from "@mantine/core";
import { IconChevronDown, IconChevronRight, IconCopy } from "@tabler/icons-react";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { sayDone } from "../../shared/notify.js";
import { useUrlState } from "../../shared/url-state.js";
import { copyText } from "../../shared/use-copy.js";
import { asText, type ExceptionValue, type Frame } from "./event-payload.js";
import { type Line, linesOf, type Order } from "./lines-of-frames.js";
import { stackAsMarkdown, stackAsText } from "./stack-as-markdown.js";

/** Exceptions of a chain, the one that was seen first; each with its frames. */
export function StackTrace({ exceptions }: { readonly exceptions: readonly ExceptionValue[] }) {
  const url = useUrlState();
  const order: Order = url.get("frames") === "oldest" ? "oldest" : "newest";
  const inAppOnly = url.get("stack") !== "all";
  // SDKs send the cause first and the outermost exception last.
  const chain = order === "newest" ? [...exceptions].reverse() : exceptions;
  return (
    <Stack gap="sm">
      <Group justify="space-between" gap="xs">
        <SegmentedControl
          size="xs"
          aria-label="Frames to show"
          value={inAppOnly ? "own" : "all"}
          onChange={(value) => url.set({ stack: value === "all" ? "all" : null }, { replace: true })}
          data={[
            { value: "own", label: "Own code" },
            { value: "all", label: "All frames" },
          ]}
        />
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label="Order of frames"
            value={order}
            onChange={(value) => url.set({ frames: value === "oldest" ? value : null }, { replace: true })}
            data={[
              { value: "newest", label: "Newest first" },
              { value: "oldest", label: "Oldest first" },
            ]}
          />
          <CopyTrace chain={chain} />
        </Group>
      </Group>
      {chain.map((exception, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: exceptions of a chain have no names of their own.
        <ExceptionBlock key={index} exception={exception} order={order} inAppOnly={inAppOnly} follows={index > 0} />
      ))}
    </Stack>
  );
}

function CopyTrace({ chain }: { readonly chain: readonly ExceptionValue[] }) {
  const copy = (text: string, form: string): void => {
    void copyText(text).then((done) => done && sayDone(`The stack trace is copied as ${form}.`));
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label="Copy the stack trace">
          <ActionIcon variant="default" size={30} aria-label="Copy the stack trace">
            <IconCopy size={15} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => copy(stackAsText(chain), "text")}>Copy as text</Menu.Item>
        <Menu.Item onClick={() => copy(stackAsMarkdown(chain), "Markdown")}>Copy as Markdown</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function ExceptionBlock({
  exception,
  order,
  inAppOnly,
  follows,
}: {
  readonly exception: ExceptionValue;
  readonly order: Order;
  readonly inAppOnly: boolean;
  readonly follows: boolean;
}) {
  const frames = exception.stacktrace?.frames ?? [];
  return (
    <Paper withBorder style={{ overflow: "hidden" }}>
      <Box px="md" py={10}>
        <Group gap="xs">
          {follows && (
            <Text size="sm" c="dimmed">
              {order === "newest" ? "caused by" : "which led to"}
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
          {exception.mechanism?.type && exception.mechanism.type !== "generic" && (
            <Text size="xs" c="dimmed">
              by {exception.mechanism.type}
            </Text>
          )}
        </Group>
        {exception.value && <LongText text={exception.value} />}
      </Box>
      <Frames frames={frames} order={order} inAppOnly={inAppOnly} />
    </Paper>
  );
}

const longText = 1_000;

/** A text of any length; what is beyond a screen is shown on demand. */
export function LongText({ text }: { readonly text: string }) {
  const [whole, setWhole] = useState(false);
  const shown = whole ? text : text.slice(0, longText);
  return (
    <>
      <Text size="sm" dir="auto" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {shown}
      </Text>
      {text.length > longText && (
        <Button size="compact-xs" variant="subtle" onClick={() => setWhole(!whole)}>
          {whole ? "Show less" : `Show ${(text.length - longText).toLocaleString("en")} more characters`}
        </Button>
      )}
    </>
  );
}

/** More frames than this are drawn only where they are seen. */
const drawnAtOnce = 80;

export function Frames({
  frames,
  order,
  inAppOnly,
}: {
  readonly frames: readonly Frame[];
  readonly order: Order;
  readonly inAppOnly: boolean;
}) {
  const [opened, setOpened] = useState<ReadonlySet<number>>(new Set());
  const lines = useMemo(() => linesOf(frames, order, inAppOnly, opened), [frames, order, inAppOnly, opened]);
  const atFault = useMemo(() => {
    const own = frames.findLastIndex(({ in_app: isOwn }) => isOwn === true);
    return own >= 0 ? own : frames.length - 1;
  }, [frames]);
  const [toggled, setToggled] = useState<ReadonlySet<number>>(new Set());
  const toggle = (place: number): void => {
    const next = new Set(toggled);
    if (!next.delete(place)) next.add(place);
    setToggled(next);
  };
  const line = (entry: Line) =>
    entry.kind === "hidden" ? (
      <UnstyledButton
        className="row-link"
        w="100%"
        px="md"
        py={5}
        style={{ borderTop: "1px solid var(--mantine-color-default-border)" }}
        onClick={() => setOpened(new Set([...opened, entry.place]))}
      >
        <Text size="xs" c="dimmed">
          {entry.count} {entry.count === 1 ? "frame" : "frames"} of libraries and the runtime
        </Text>
      </UnstyledButton>
    ) : (
      <FrameRow
        frame={entry.frame}
        open={(entry.place === atFault) !== toggled.has(entry.place)}
        onToggle={() => toggle(entry.place)}
      />
    );
  if (frames.length === 0)
    return (
      <Text size="sm" c="dimmed" px="md" pb="sm">
        It has no stack trace.
      </Text>
    );
  if (lines.length <= drawnAtOnce)
    return (
      <Box>
        {lines.map((entry) => (
          <Box key={entry.place}>{line(entry)}</Box>
        ))}
      </Box>
    );
  return <LongList lines={lines} draw={line} />;
}

function LongList({
  lines,
  draw,
}: {
  readonly lines: readonly Line[];
  readonly draw: (line: Line) => React.ReactNode;
}) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const rect = list.current?.getBoundingClientRect();
    if (rect) setTop(rect.top + window.scrollY);
  }, []);
  const virtualizer = useWindowVirtualizer({
    count: lines.length,
    estimateSize: () => 34,
    overscan: 20,
    scrollMargin: top,
    getItemKey: (index) => lines[index]?.place ?? index,
  });
  return (
    <div ref={list} style={{ position: "relative", height: virtualizer.getTotalSize() }}>
      {virtualizer.getVirtualItems().map(({ key, index, start }) => {
        const entry = lines[index];
        return (
          <div
            key={key}
            data-index={index}
            ref={virtualizer.measureElement}
            style={{ position: "absolute", top: 0, left: 0, right: 0, transform: `translateY(${start - top}px)` }}
          >
            {entry && draw(entry)}
          </div>
        );
      })}
    </div>
  );
}

function FrameRow({
  frame,
  open,
  onToggle,
}: {
  readonly frame: Frame;
  readonly open: boolean;
  readonly onToggle: () => void;
}) {
  const hasMore = frame.context_line !== undefined || frame.vars !== undefined;
  const path = frame.filename ?? frame.module ?? frame.abs_path ?? "unknown";
  const position = [frame.lineno, frame.colno].filter((number) => number !== undefined).join(":");
  const line = (
    <Group gap={8} wrap="nowrap" align="baseline">
      <Box w={14} style={{ flex: "none", alignSelf: "center", display: "flex" }}>
        {hasMore && (open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />)}
      </Box>
      <Group gap="4px 10px" align="baseline" style={{ minWidth: 0 }}>
        <Text
          size="sm"
          ff="monospace"
          fz={13}
          fw={frame.in_app ? 650 : 400}
          dir="auto"
          style={{ overflowWrap: "anywhere" }}
        >
          {nameOfFunction(frame.function)}
        </Text>
        <Text
          size="xs"
          c="dimmed"
          ff="monospace"
          dir="auto"
          style={{ overflowWrap: "anywhere" }}
          title={frame.abs_path}
        >
          {path}
          {position && `:${position}`}
        </Text>
      </Group>
    </Group>
  );
  return (
    <Box
      style={{
        borderTop: "1px solid var(--mantine-color-default-border)",
        borderLeft: `3px solid ${frame.in_app ? "var(--mantine-color-indigo-5)" : "transparent"}`,
      }}
    >
      {hasMore ? (
        <UnstyledButton className="row-link" w="100%" px={12} py={6} onClick={onToggle} aria-expanded={open}>
          {line}
        </UnstyledButton>
      ) : (
        <Box px={12} py={6}>
          {line}
        </Box>
      )}
      {open && frame.context_line !== undefined && <Source frame={frame} />}
      {open && frame.vars !== undefined && <Variables vars={frame.vars} />}
    </Box>
  );
}

/** Clients call a function without a name by none, or by a question mark. */
function nameOfFunction(name: string | undefined): string {
  return name === undefined || name === "" || name === "?" ? "(anonymous)" : name;
}

function Source({ frame }: { readonly frame: Frame }) {
  const before = frame.pre_context ?? [];
  const first = (frame.lineno ?? before.length + 1) - before.length;
  const lines = [...before, frame.context_line ?? "", ...(frame.post_context ?? [])];
  const digits = String(first + lines.length).length;
  return (
    <Box
      component="pre"
      m={0}
      py={6}
      style={{ overflowX: "auto", fontSize: 12.5, lineHeight: 1.6, background: "var(--app-code)" }}
      tabIndex={0}
      aria-label="Source"
    >
      {lines.map((text, index) => {
        const isFault = index === before.length;
        return (
          <Box
            // biome-ignore lint/suspicious/noArrayIndexKey: a line is its number.
            key={index}
            px="md"
            style={{
              whiteSpace: "pre",
              overflowWrap: "normal",
              minWidth: "fit-content",
              ...(isFault
                ? { background: "color-mix(in srgb, var(--app-bad) 16%, transparent)", fontWeight: 600 }
                : {}),
            }}
          >
            <span
              style={{
                color: "var(--mantine-color-dimmed)",
                display: "inline-block",
                width: `${digits + 2}ch`,
                userSelect: "none",
              }}
            >
              {first + index}
            </span>
            {isFault ? <Marked text={text} column={frame.colno} /> : text}
          </Box>
        );
      })}
    </Box>
  );
}

/** The line at fault with a mark where the column is. */
function Marked({ text, column }: { readonly text: string; readonly column: number | undefined }) {
  if (column === undefined || column < 1 || column > text.length) return text;
  const [character = ""] = text.slice(column - 1);
  return (
    <>
      {text.slice(0, column - 1)}
      <span style={{ textDecoration: "underline 2px var(--app-bad)", textUnderlineOffset: 3 }}>{character}</span>
      {text.slice(column - 1 + character.length)}
    </>
  );
}

function Variables({ vars }: { readonly vars: Readonly<Record<string, unknown>> }) {
  return (
    <Table withRowBorders={false} verticalSpacing={2} fz="xs" m="xs" w="auto" aria-label="Local variables">
      <Table.Tbody>
        {Object.entries(vars).map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Td c="dimmed" ff="monospace" miw={90} style={{ verticalAlign: "baseline" }}>
              {name}
            </Table.Td>
            <Table.Td>
              <Code>{asText(value)}</Code>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
