import { Anchor, Group, Paper, SimpleGrid, Text, Title } from "@mantine/core";
import { IconFilter } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { useProjectId } from "../../shared/project.js";
import { Sparkline } from "../../shared/sparkline.js";
import { Loaded } from "../../shared/states.js";
import { useRangeSearch, useTimeRange } from "../../shared/time-range.js";
import { useProjects } from "./projects.js";

type Outcome = keyof typeof endsIn;

/** What the ways to end come to, for somebody in a hurry. */
const endsIn = {
  stored: "stored",
  rate_limited: "limited",
  sampled: "dropped",
  duplicate: "dropped",
  not_stored: "dropped",
  filtered: "dropped",
  invalid: "dropped",
  discarded: "dropped",
  dead_lettered: "dropped",
} as const;

const hourMs = 3_600_000;

/** The ledger of all projects: what came in, and that nothing of it was lost without a word. */
export function IntakePanel() {
  const current = useProjectId();
  const projects = useProjects();
  const range = useTimeRange();
  const search = useRangeSearch();
  useLive({ "errors.ledger": ["errors", "overview-ledger"] });
  const ids = (projects.data ?? []).map(({ id }) => id);
  const interval = range.lengthMs <= 48 * hourMs ? "1h" : "1d";
  const ledger = useQuery({
    queryKey: ["errors", "overview-ledger", ids, range.key],
    enabled: projects.data !== undefined,
    queryFn: async () => {
      const query = {
        from: range.since(),
        interval,
        ...(range.until === undefined ? {} : { to: range.until }),
      } as const;
      const ledgers = await Promise.all(
        ids.map((id) => dataOf(api.GET("/api/v1/projects/{id}/errors/ledger", { params: { path: { id }, query } }))),
      );
      const sums = { received: 0, stored: 0, limited: 0, dropped: 0, waiting: 0 };
      const byTime = new Map<string, { received: number; lost: number }>();
      for (const one of ledgers) {
        sums.received += one.received;
        // Of the whole instance it is no part of what was received.
        if (one.pending_scope !== "instance") sums.waiting += one.pending;
        for (const [outcome, { quantity }] of Object.entries(one.outcomes)) sums[endOf(outcome)] += quantity;
        for (const { start, received = 0, outcomes = {} } of one.intervals) {
          const part = byTime.get(start) ?? { received: 0, lost: 0 };
          part.received += received;
          for (const [outcome, { quantity }] of Object.entries(outcomes))
            if (endOf(outcome) !== "stored") part.lost += quantity;
          byTime.set(start, part);
        }
      }
      const worst = ledgers
        .map((one, index) => ({
          project: ids[index] ?? current,
          lost: one.received - (one.outcomes["stored"]?.quantity ?? 0),
        }))
        .sort((left, right) => right.lost - left.lost)[0];
      return { sums, worst: worst?.project ?? current, trend: seriesOf(byTime, query.from, range.until, interval) };
    },
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  return (
    <Paper withBorder component="section" aria-label="Intake" px="md" py={12}>
      <Loaded query={projects} skeleton={2}>
        {() => (
          <Loaded query={ledger} skeleton={2}>
            {({ sums, worst, trend }) => (
              <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="md" style={{ alignItems: "end" }}>
                <div style={{ alignSelf: "start" }}>
                  <Group gap={8} wrap="nowrap">
                    <IconFilter size={18} stroke={1.7} aria-hidden />
                    <Title order={2} fz={15}>
                      <Anchor
                        component={Link}
                        to={`/projects/${worst}/ledger${search}`}
                        c="inherit"
                        fw={650}
                        fz="inherit"
                      >
                        Intake
                      </Anchor>
                    </Title>
                  </Group>
                  <Text size="xs" c="dimmed" mt={4}>
                    {ids.length === 1 ? "of the project" : `of ${ids.length} projects`}, {range.within}
                  </Text>
                </div>
                <Sum label="received" value={sums.received} of={sums.received} waiting={sums.waiting} />
                <Sum label="stored" value={sums.stored} of={sums.received} />
                <Sum label="limited" value={sums.limited} of={sums.received} warns />
                <Sum label="dropped" value={sums.dropped} of={sums.received} warns />
                <Sparkline
                  values={trend.map(({ received }) => received)}
                  overlay={trend.map(({ lost }) => lost)}
                  stretch
                  height={36}
                  width={200}
                  label={`${sums.received} items received, ${sums.limited + sums.dropped} of them limited or dropped`}
                />
              </SimpleGrid>
            )}
          </Loaded>
        )}
      </Loaded>
    </Paper>
  );
}

function Sum({
  label,
  value,
  of,
  warns = false,
  waiting = 0,
}: {
  readonly label: string;
  readonly value: number;
  readonly of: number;
  readonly warns?: boolean;
  /** Of them: not stored yet. */
  readonly waiting?: number;
}) {
  return (
    <div>
      <Text
        className="figure"
        fz={20}
        fw={650}
        lh={1.2}
        title={value.toLocaleString("en")}
        {...(warns && value > 0 ? { c: "var(--app-bad)" } : {})}
      >
        {formatCount(value)}
      </Text>
      <Text size="xs" c="dimmed">
        {label}
        {of > 0 && label !== "received" && `, ${formatShare(value / of)}`}
        {waiting > 0 && `, ${formatCount(waiting)} waiting`}
      </Text>
    </div>
  );
}

function endOf(outcome: string): "stored" | "limited" | "dropped" {
  return outcome in endsIn ? endsIn[outcome as Outcome] : "dropped";
}

interface Part {
  readonly received: number;
  readonly lost: number;
}

/** Every hour or day, those with nothing in them too. */
function seriesOf(
  byTime: ReadonlyMap<string, Part>,
  from: string,
  until: string | undefined,
  interval: "1h" | "1d",
): readonly Part[] {
  const lengthMs = interval === "1h" ? hourMs : 24 * hourMs;
  const known = new Map([...byTime].map(([start, part]) => [Date.parse(start), part]));
  const firstMs = Math.floor(Date.parse(from) / lengthMs) * lengthMs;
  const endMs = until === undefined ? Date.now() : Date.parse(until);
  return Array.from(
    { length: Math.max(1, Math.ceil((endMs - firstMs) / lengthMs)) },
    (_, index) => known.get(firstMs + index * lengthMs) ?? { received: 0, lost: 0 },
  );
}
