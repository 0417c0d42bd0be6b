import { Badge, SimpleGrid, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { useTimeRange } from "../../shared/time-range.js";
import { BudgetBar } from "./budget-bar.js";
import type { JourneyReport, ProducerReport } from "./figures.js";

/** Who reports journeys, the odd ones first, and how the journeys fare that the configuration puts together. */
export function ProducersAndJourneys({ journeys }: { readonly journeys: readonly JourneyReport[] }) {
  const range = useTimeRange();
  const producers = useQuery({
    queryKey: ["experience", "reports", "producers", range.key],
    queryFn: async () => {
      const window = { from: range.since(), ...(range.until === undefined ? {} : { to: range.until }) };
      const answer = await dataOf(
        api.GET("/api/v1/experience/reports/experiences", { params: { query: { ...window, by: "producer" } } }),
      );
      return answer.producers;
    },
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  return (
    <SimpleGrid cols={{ base: 1, md: journeys.length > 0 ? 2 : 1 }} spacing="md" style={{ alignItems: "start" }}>
      {journeys.length > 0 && <Journeys journeys={journeys} />}
      <Card title="Producers" flush>
        <Loaded query={producers} skeleton={3}>
          {(rows) => <Producers rows={rows} />}
        </Loaded>
      </Card>
    </SimpleGrid>
  );
}

function Producers({ rows }: { readonly rows: readonly ProducerReport[] }) {
  if (rows.length === 0)
    return (
      <Text size="sm" c="dimmed" px="md" pb="sm">
        Nobody has sent a checkpoint in this time.
      </Text>
    );
  return (
    <Table fz="sm" aria-label="Producers">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Producer</Table.Th>
          <Table.Th ta="right">Checkpoints</Table.Th>
          <Table.Th ta="right">Odd</Table.Th>
          <Table.Th ta="right" visibleFrom="sm">
            Starts / ends
          </Table.Th>
          <Table.Th ta="right" visibleFrom="sm">
            Experiences
          </Table.Th>
          <Table.Th ta="right">Last</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={row.producer}>
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              {row.producer} <Standing row={row} />
            </Table.Td>
            <Table.Td ta="right" className="figure">
              {formatCount(row.checkpoints)}
            </Table.Td>
            <Table.Td ta="right" className="figure">
              {formatShare(row.anomalous_ratio)}
            </Table.Td>
            <Table.Td ta="right" className="figure" visibleFrom="sm">
              {formatCount(row.starts)} / {formatCount(row.ends)}
            </Table.Td>
            <Table.Td ta="right" className="figure" visibleFrom="sm">
              {formatCount(row.experiences)}
            </Table.Td>
            <Table.Td ta="right">
              <Ago at={row.last_at} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function Standing({ row: { odd, counted } }: { readonly row: ProducerReport }) {
  if (!counted)
    return (
      <Badge color="red" variant="light" title="What it sends is recorded and not counted.">
        not counted
      </Badge>
    );
  if (!odd) return null;
  return (
    <Badge color="orange" variant="light" title="Most of what it sent in the last five minutes has an anomaly.">
      odd
    </Badge>
  );
}

function Journeys({ journeys }: { readonly journeys: readonly JourneyReport[] }) {
  return (
    <Card title="Journeys, 28 days" flush>
      <Table fz="sm" aria-label="Journeys">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Journey</Table.Th>
            <Table.Th>Error budget</Table.Th>
            <Table.Th>Apdex budget</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {journeys.map((row) => (
            <Table.Tr key={row.journey}>
              <Table.Td style={{ overflowWrap: "anywhere" }}>
                {row.journey}
                <Text size="xs" c="dimmed">
                  {row.experiences.map(({ id }) => id).join(", ")}
                </Text>
              </Table.Td>
              <Table.Td>
                <BudgetBar remaining={row.error_budget_remaining} label={`Error budget of ${row.journey}`} />
              </Table.Td>
              <Table.Td>
                <BudgetBar remaining={row.apdex_budget_remaining} label={`Apdex budget of ${row.journey}`} />
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
