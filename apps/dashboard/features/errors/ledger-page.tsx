import { Alert, Badge, Group, SegmentedControl, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { Card, Figure } from "../../shared/card.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { useTimeRange } from "../../shared/time-range.js";
import { useUrlState } from "../../shared/url-state.js";
import { DeadLetterList } from "./dead-letter-list.js";
import {
  formatMoment,
  type Interval,
  intervalFor,
  type Ledger,
  type LedgerMoment,
  momentsOf,
  outcomeKinds,
} from "./ledger.js";
import { SdkList } from "./sdk-list.js";

// The library of charts is loaded with the first chart.
const LedgerChart = lazy(async () => ({ default: (await import("./ledger-chart.js")).LedgerChart }));

/** What a project was sent, what became of all of it, and who sends. */
export function LedgerPage() {
  const project = Number(useParams()["project"]);
  const url = useUrlState();
  const range = useTimeRange();
  const interval = intervalFor(range.lengthMs);
  const grouping = groupings.find(({ value }) => value === url.get("group"))?.value ?? "outcome";
  useLive({ "errors.ledger": ["errors", project, "ledger"] });
  const ledger = useQuery({
    queryKey: ["errors", project, "ledger", range.key, interval, grouping],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors/ledger", {
          params: {
            path: { id: project },
            query: {
              from: range.since(),
              interval,
              group_by: grouping,
              ...(range.until === undefined ? {} : { to: range.until }),
            },
          },
        }),
      ),
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  return (
    <Page title="Intake" subtitle="Everything that the project was sent, and what became of it, by whole hours">
      <Loaded query={ledger} skeleton={10}>
        {(data) => (
          <LedgerView
            project={project}
            ledger={data}
            interval={interval}
            grouping={grouping}
            rangeLabel={range.label}
          />
        )}
      </Loaded>
      <SdkList project={project} />
      <DeadLetterList project={project} />
    </Page>
  );
}

function LedgerView({
  project,
  ledger,
  interval,
  grouping,
  rangeLabel,
}: {
  readonly project: number;
  readonly grouping: Grouping;
  readonly ledger: Ledger;
  readonly interval: Interval;
  readonly rangeLabel: string;
}) {
  return (
    <Stack gap="md">
      {ledger.balance !== 0 && (
        <Alert color="red" variant="light" icon={<IconAlertTriangle size={18} />} title="The ledger does not add up">
          {formatCount(Math.abs(ledger.balance))} items are {ledger.balance > 0 ? "without" : "beyond"} an account of
          them. `signalbox verify` says where.
        </Alert>
      )}
      <Figures ledger={ledger} />
      {ledger.received === 0 ? (
        <Empty title="Nothing was received">
          {rangeLabel}: no SDK has sent this project anything. A longer time may show when the last of it came.
        </Empty>
      ) : (
        <>
          <OverTime moments={momentsOf(ledger, interval)} interval={interval} />
          <Card title="What became of it" flush actions={<GroupingControl value={grouping} />}>
            {grouping === "outcome" ? (
              <Outcomes ledger={ledger} />
            ) : (
              <Groups project={project} ledger={ledger} grouping={grouping} />
            )}
          </Card>
        </>
      )}
      <ClientDiscards ledger={ledger} />
    </Stack>
  );
}

function Figures({ ledger }: { readonly ledger: Ledger }) {
  const quantityOf = (outcome: string): number => ledger.outcomes[outcome]?.quantity ?? 0;
  const share = (quantity: number): string => formatShare(ledger.received === 0 ? null : quantity / ledger.received);
  const figure = (label: string, outcome: string, tone?: "bad" | "warn") => (
    <Figure label={label} hint={share(quantityOf(outcome))} tone={quantityOf(outcome) > 0 ? tone : undefined}>
      {formatCount(quantityOf(outcome))}
    </Figure>
  );
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 6 }} spacing="sm">
      <Figure label="Received" hint="events and other items">
        {formatCount(ledger.received)}
      </Figure>
      {figure("Stored", "stored")}
      {figure("Limited", "rate_limited", "warn")}
      {figure("Invalid", "invalid", "bad")}
      {figure("Dead lettered", "dead_lettered", "bad")}
      <Figure
        label="Pending now"
        hint={ledger.pending_scope === "instance" ? "of all projects" : "without an outcome yet"}
      >
        {formatCount(ledger.pending)}
      </Figure>
    </SimpleGrid>
  );
}

/** As a chart, or as the table of the same numbers. */
function OverTime({ moments, interval }: { readonly moments: readonly LedgerMoment[]; readonly interval: Interval }) {
  const url = useUrlState();
  const isTable = url.get("view") === "table";
  return (
    <Card
      title={interval === "1h" ? "Per hour" : "Per day of UTC"}
      flush={isTable}
      actions={
        <SegmentedControl
          size="xs"
          aria-label="How it is shown"
          value={isTable ? "table" : "chart"}
          onChange={(value) => url.set({ view: value === "table" ? value : null }, { replace: true })}
          data={[
            { value: "chart", label: "Chart" },
            { value: "table", label: "Table" },
          ]}
        />
      }
    >
      {isTable ? (
        <MomentTable moments={moments} interval={interval} />
      ) : (
        <Suspense fallback={<div style={{ height: 240 }} />}>
          <LedgerChart moments={moments} interval={interval} />
        </Suspense>
      )}
    </Card>
  );
}

function MomentTable({
  moments,
  interval,
}: {
  readonly moments: readonly LedgerMoment[];
  readonly interval: Interval;
}) {
  const present = outcomeKinds
    .map((kind, index) => ({ ...kind, index }))
    .filter(({ index }) => moments.some(({ quantities }) => (quantities[index] ?? 0) > 0));
  return (
    <Table.ScrollContainer
      minWidth={220 + present.length * 90}
      maxHeight={420}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": "Scrollable table" } }}
    >
      <Table fz="sm" aria-label={`Items per ${interval === "1h" ? "hour" : "day"}`} stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{interval === "1h" ? "Hour" : "Day"}</Table.Th>
            <Table.Th ta="right">Received</Table.Th>
            {present.map(({ outcome, label }) => (
              <Table.Th key={outcome} ta="right">
                {label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {moments.toReversed().map(({ startMs, received, quantities }) => (
            <Table.Tr key={startMs}>
              <Table.Td style={{ whiteSpace: "nowrap" }}>{formatMoment(startMs, interval)}</Table.Td>
              <Table.Td ta="right">{received.toLocaleString("en")}</Table.Td>
              {present.map(({ outcome, index }) => (
                <Table.Td key={outcome} ta="right">
                  {(quantities[index] ?? 0).toLocaleString("en")}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

const groupings = [
  { value: "outcome", label: "Outcome" },
  { value: "category", label: "Category" },
  { value: "key", label: "Key" },
] as const;
type Grouping = (typeof groupings)[number]["value"];

function GroupingControl({ value }: { readonly value: Grouping }) {
  const url = useUrlState();
  return (
    <SegmentedControl
      size="xs"
      aria-label="Grouped by"
      value={value}
      onChange={(group) => url.set({ group: group === "outcome" ? null : group }, { replace: true })}
      data={[...groupings]}
    />
  );
}

/** The same numbers for each category of items, or for each key. */
function Groups({
  project,
  ledger,
  grouping,
}: {
  readonly project: number;
  readonly ledger: Ledger;
  readonly grouping: Exclude<Grouping, "outcome">;
}) {
  const keys = useQuery({
    queryKey: ["projects", project, "keys"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/keys", { params: { path: { id: project } } })),
    enabled: grouping === "key",
  });
  const nameOf = (name: string): string =>
    grouping === "key" ? (keys.data?.find(({ id }) => String(id) === name)?.label ?? `Key ${name}`) : name;
  const present = outcomeKinds.filter(({ outcome }) => (ledger.outcomes[outcome]?.quantity ?? 0) > 0);
  const rows = ledger.groups.toSorted((left, right) => (right.received ?? 0) - (left.received ?? 0));
  return (
    <Table.ScrollContainer
      minWidth={260 + present.length * 90}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, role: "region", "aria-label": "Scrollable table" } }}
    >
      <Table fz="sm" aria-label={`By ${grouping}`}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{grouping === "key" ? "Key" : "Category"}</Table.Th>
            <Table.Th ta="right">Received</Table.Th>
            {present.map(({ outcome, label }) => (
              <Table.Th key={outcome} ta="right">
                {label}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ name, received = 0, outcomes = {} }) => (
            <Table.Tr key={name}>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{nameOf(name)}</Table.Td>
              <Table.Td ta="right">{received.toLocaleString("en")}</Table.Td>
              {present.map(({ outcome }) => (
                <Table.Td key={outcome} ta="right">
                  {(outcomes[outcome]?.quantity ?? 0).toLocaleString("en")}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

/** Each way to end with its reasons. */
function Outcomes({ ledger }: { readonly ledger: Ledger }) {
  return (
    <Table fz="sm" aria-label="Outcomes">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Outcome and reasons</Table.Th>
          <Table.Th ta="right" w={90}>
            Items
          </Table.Th>
          <Table.Th ta="right" w={80}>
            Share
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {outcomeKinds
          .filter(({ outcome }) => (ledger.outcomes[outcome]?.quantity ?? 0) > 0)
          .map(({ outcome, label, meaning, color }) => {
            const { quantity = 0, reasons = {} } = ledger.outcomes[outcome] ?? {};
            return (
              <Table.Tr key={outcome}>
                <Table.Td>
                  <Group gap={8} wrap="nowrap">
                    <span
                      aria-hidden
                      style={{
                        width: 10,
                        height: 10,
                        flex: "none",
                        borderRadius: 3,
                        background: `var(--mantine-color-${color.replace(".", "-")})`,
                      }}
                    />
                    <div style={{ minWidth: 0 }}>
                      <Text size="sm" fw={600}>
                        {label}
                      </Text>
                      <Text size="xs" c="dimmed">
                        {meaning}
                      </Text>
                    </div>
                  </Group>
                  <Reasons reasons={reasons} />
                </Table.Td>
                <Table.Td ta="right" title={quantity.toLocaleString("en")}>
                  {formatCount(quantity)}
                </Table.Td>
                <Table.Td ta="right">{formatShare(quantity / ledger.received)}</Table.Td>
              </Table.Tr>
            );
          })}
      </Table.Tbody>
    </Table>
  );
}

function Reasons({ reasons }: { readonly reasons: Readonly<Record<string, number>> }) {
  const largestFirst = Object.entries(reasons).sort(([, left], [, right]) => right - left);
  if (largestFirst.length === 0) return null;
  return (
    <Group gap={6} mt={4} ml={18}>
      {largestFirst.map(([reason, quantity]) => (
        <Badge key={reason} size="sm" variant="light" color="gray">
          {reason} {formatCount(quantity)}
        </Badge>
      ))}
    </Group>
  );
}

/** What never left the clients, as they say themselves. */
function ClientDiscards({ ledger }: { readonly ledger: Ledger }) {
  const largestFirst = ledger.client_discarded.toSorted((left, right) => (right.quantity ?? 0) - (left.quantity ?? 0));
  return (
    <Card title="Dropped by clients themselves" flush={largestFirst.length > 0}>
      {largestFirst.length === 0 ? (
        <Text size="sm" c="dimmed">
          No client has reported that it kept something back.
        </Text>
      ) : (
        <>
          <Text size="xs" c="dimmed" px="md" pb={6}>
            Never sent, so no part of the numbers above.
          </Text>
          <Table fz="sm" aria-label="Dropped by clients">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Reason</Table.Th>
                <Table.Th>Category</Table.Th>
                <Table.Th ta="right" w={90}>
                  Items
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {largestFirst.map(({ reason = "", category = "", quantity = 0 }) => (
                <Table.Tr key={`${reason} ${category}`}>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{reason}</Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{category}</Table.Td>
                  <Table.Td ta="right">{formatCount(quantity)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </>
      )}
    </Card>
  );
}
