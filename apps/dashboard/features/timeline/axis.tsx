import { Box, Button, Group, Paper, RangeSlider, Text, UnstyledButton } from "@mantine/core";
import { formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import { type Entry, outcomeColors } from "./entry.js";
import { spanOf, type Track, ticksOf, tracksOf } from "./tracks.js";

const rowHeight = 26;
const headingHeight = 24;
/** With more lines than this the moments stand above them, too. */
const tracksWithoutMoments = 14;

/** One line for each journey, handler and error; a bar is as long as its entry took. The table below says the same in words. */
export function Axis({
  entries,
  selected,
  onSelect,
}: {
  readonly entries: readonly Entry[];
  readonly selected: Entry | undefined;
  readonly onSelect: (id: string) => void;
}) {
  const url = useUrlState();
  const whole = spanOf(entries);
  const length = whole.toMs - whole.fromMs;
  const [begin, end] = readZoom(url.get("zoom"));
  const span = {
    fromMs: whole.fromMs + (begin / 1000) * length,
    toMs: whole.fromMs + (end / 1000) * length,
  };
  const share = (timeMs: number): number => ((timeMs - span.fromMs) / (span.toMs - span.fromMs)) * 100;
  const tracks = tracksOf(entries);
  const rows = placeRows(tracks);
  const ticks = ticksOf(span, whole.fromMs);
  return (
    <Paper withBorder component="section" aria-label="Timeline" style={{ overflow: "hidden" }}>
      <Box style={{ display: "grid", gridTemplateColumns: "minmax(84px, 24%) 1fr" }} p="md" pb={4}>
        {/* So many lines would push the moments below them out of sight. */}
        {rows.tracks.length > tracksWithoutMoments && (
          <>
            <div />
            <Moments ticks={ticks} originMs={whole.fromMs} share={share} />
          </>
        )}
        <Box style={{ position: "relative", height: rows.height }}>
          {rows.headings.map(({ name, top }) => (
            <Text
              key={name}
              size="xs"
              fw={650}
              c="dimmed"
              style={{ position: "absolute", top: top + 4, whiteSpace: "nowrap" }}
            >
              {name}
            </Text>
          ))}
          {rows.tracks.map(({ track, top }) => (
            <Text
              key={track.key}
              size="xs"
              truncate
              dir="auto"
              title={track.label}
              style={{ position: "absolute", top, left: 0, right: 10, lineHeight: `${rowHeight}px` }}
            >
              {track.label}
            </Text>
          ))}
        </Box>
        <Box style={{ position: "relative", height: rows.height, overflow: "hidden" }}>
          {ticks.map((tick) => (
            <Box
              key={tick}
              style={{
                position: "absolute",
                top: 0,
                bottom: 0,
                left: `${share(whole.fromMs + tick)}%`,
                borderLeft: "1px solid var(--mantine-color-default-border)",
              }}
            />
          ))}
          <Causes rows={rows.tracks} share={share} height={rows.height} selected={selected} />
          {rows.tracks.map(({ track, top }) =>
            track.entries.map((entry) => (
              <Mark
                key={entry.id}
                entry={entry}
                top={top}
                left={share(Date.parse(entry.at))}
                right={share(Date.parse(entry.at) + (entry.duration_s ?? 0) * 1000)}
                isSelected={entry === selected}
                onSelect={onSelect}
              />
            )),
          )}
        </Box>
        <div />
        <Moments ticks={ticks} originMs={whole.fromMs} share={share} />
      </Box>
      <Group gap="md" px="md" pb="sm" wrap="nowrap">
        <Text size="xs" c="dimmed" style={{ flex: "none" }}>
          Zoom
        </Text>
        <RangeSlider
          size="xs"
          min={0}
          max={1000}
          minRange={5}
          label={(value) => formatSeconds(((value / 1000) * length) / 1000)}
          thumbFromLabel="Beginning of what is shown"
          thumbToLabel="End of what is shown"
          value={[begin, end]}
          onChange={([from, to]) =>
            url.set({ zoom: from === 0 && to === 1000 ? null : `${from}-${to}` }, { replace: true })
          }
          style={{ flex: 1 }}
        />
        <Button
          size="compact-xs"
          variant="subtle"
          disabled={begin === 0 && end === 1000}
          onClick={() => url.set({ zoom: null }, { replace: true })}
        >
          Show all
        </Button>
      </Group>
    </Paper>
  );
}

/** What the vertical lines stand for. */
function Moments({
  ticks,
  originMs,
  share,
}: {
  readonly ticks: readonly number[];
  readonly originMs: number;
  readonly share: (timeMs: number) => number;
}) {
  return (
    <Box style={{ position: "relative", height: 22 }} aria-hidden>
      {ticks.map((tick) => (
        <Text
          key={tick}
          size="xs"
          c="dimmed"
          className="figure"
          style={{
            position: "absolute",
            left: `${share(originMs + tick)}%`,
            transform: share(originMs + tick) > 92 ? "translateX(-100%)" : undefined,
            whiteSpace: "nowrap",
            paddingInline: 3,
          }}
        >
          {tick === 0
            ? new Date(originMs).toLocaleTimeString(undefined, { hourCycle: "h23" })
            : `+${formatSeconds(tick / 1000)}`}
        </Text>
      ))}
    </Box>
  );
}

/** Thousandths of the whole. */
function readZoom(text: string): [number, number] {
  const [from = 0, to = 1000] = text.split("-").map(Number);
  return Number.isFinite(from) && Number.isFinite(to) && from >= 0 && to <= 1000 && to - from >= 5 && text !== ""
    ? [from, to]
    : [0, 1000];
}

interface PlacedTrack {
  readonly track: Track;
  readonly top: number;
}

function placeRows(tracks: readonly Track[]) {
  const headings: { readonly name: string; readonly top: number }[] = [];
  const placed: PlacedTrack[] = [];
  let top = 0;
  for (const track of tracks) {
    if (headings.at(-1)?.name !== track.lane) {
      if (headings.length > 0) top += 6;
      headings.push({ name: track.lane, top });
      top += headingHeight;
    }
    placed.push({ track, top });
    top += rowHeight;
  }
  return { headings, tracks: placed, height: top + 4 };
}

function Mark({
  entry,
  top,
  left,
  right,
  isSelected,
  onSelect,
}: {
  readonly entry: Entry;
  readonly top: number;
  readonly left: number;
  readonly right: number;
  readonly isSelected: boolean;
  readonly onSelect: (id: string) => void;
}) {
  if (right < 0 || left > 100) return null;
  const isBar = entry.kind === "journey" || entry.kind === "attempt";
  const isPoint = entry.kind === "checkpoint";
  const size = isPoint ? 8 : 12;
  const shown = isBar
    ? {
        left: `max(0px, min(${left}%, 100% - 8px))`,
        width: `max(8px, ${Math.min(100, right) - Math.max(0, left)}%)`,
        top: top + 7,
        height: entry.kind === "journey" ? 10 : 12,
        borderRadius: 3,
        opacity: entry.kind === "journey" ? 0.45 : 0.95,
      }
    : {
        left: `min(${left}%, calc(100% - ${size}px))`,
        width: size,
        top: top + (rowHeight - size) / 2 - 1,
        height: size,
        borderRadius: entry.kind === "error" ? 2 : size,
        ...(entry.kind === "error" ? { transform: "rotate(45deg)" } : {}),
      };
  return (
    <UnstyledButton
      onClick={() => onSelect(entry.id)}
      aria-label={`${entry.kind.replaceAll("_", " ")} ${entry.title}: ${entry.status}`}
      aria-pressed={isSelected}
      title={`${entry.title}: ${entry.status}`}
      style={{
        position: "absolute",
        background: outcomeColors[entry.outcome],
        outline: isSelected ? "2px solid var(--mantine-color-text)" : undefined,
        outlineOffset: 1,
        zIndex: isPoint || isSelected ? 2 : 1,
        ...shown,
      }}
    />
  );
}

/** Lines from causes to what they caused; of the selected entry stronger. */
function Causes({
  rows,
  share,
  height,
  selected,
}: {
  readonly rows: readonly PlacedTrack[];
  readonly share: (timeMs: number) => number;
  readonly height: number;
  readonly selected: Entry | undefined;
}) {
  const places = new Map(
    rows.flatMap(({ track, top }) =>
      track.entries.map((entry) => [entry.id, { entry, top: top + rowHeight / 2, row: track.key }] as const),
    ),
  );
  return (
    <svg
      width="100%"
      height={height}
      viewBox={`0 0 100 ${height}`}
      preserveAspectRatio="none"
      aria-hidden
      style={{ position: "absolute", inset: 0, pointerEvents: "none" }}
    >
      {[...places.values()].map(({ entry, top, row }) => {
        const cause = entry.caused_by === undefined ? undefined : places.get(entry.caused_by);
        // What stands on the line of its cause needs none.
        if (cause === undefined || cause.row === row) return null;
        const isChosen = selected !== undefined && (entry === selected || cause.entry === selected);
        const x = share(Date.parse(entry.at));
        const from = share(Date.parse(cause.entry.at));
        return (
          <path
            key={entry.id}
            d={`M ${from} ${cause.top} L ${from} ${top} L ${x} ${top}`}
            fill="none"
            stroke={isChosen ? "var(--app-chart)" : "var(--app-quiet-mark)"}
            strokeOpacity={isChosen ? 1 : 0.45}
            strokeWidth={isChosen ? 2 : 1}
            vectorEffect="non-scaling-stroke"
          />
        );
      })}
    </svg>
  );
}
