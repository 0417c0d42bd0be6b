import { Badge, Group, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import type { BurnRatesAnswer } from "./figures.js";

type Budget = BurnRatesAnswer["budgets"][number];
type Pair = Budget["pairs"][number];

const titles: Readonly<Record<Budget["budget"], string>> = { error: "Error budget", apdex: "Apdex budget" };
const meanings: Readonly<Record<Budget["budget"], string>> = {
  error: "of the runs may fail",
  apdex: "of the runs that succeed may be slow",
};

/** A number stays on one line, also on a phone. */
const figure = { className: "figure", style: { whiteSpace: "nowrap" } } as const;

const colors = { page: "red", ticket: "orange" } as const;

/** How fast both budgets are spent right now, over the windows of the generated alerts. */
export function BurnRates({ experience }: { readonly experience: string }) {
  const rates = useQuery({
    queryKey: ["experience", "reports", "detail", experience, "burn-rates"],
    queryFn: () => dataOf(api.GET("/api/v1/experience/reports/burn-rates", { params: { query: { experience } } })),
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  return (
    <Card title="How fast the budgets are spent">
      <Loaded query={rates} skeleton={5}>
        {(answer) => (
          <Stack gap="sm">
            <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md" style={{ alignItems: "start" }}>
              {answer.budgets.map((budget) => (
                <BudgetRates key={budget.budget} budget={budget} />
              ))}
            </SimpleGrid>
            <Text size="xs" c="dimmed">
              1 × spends the budget in 28 days. A pair of windows burns when both are beyond its limit, with at least{" "}
              {formatCount(answer.min_events)} runs in the long one, {formatCount(answer.min_failures)} of them bad
              {answer.alerts_enabled
                ? "; the alert is raised when that lasts for the time it names."
                : ". The definition switches its alerts off."}
            </Text>
          </Stack>
        )}
      </Loaded>
    </Card>
  );
}

function BudgetRates({ budget: { budget, allowed, burning, pairs } }: { readonly budget: Budget }) {
  return (
    <div>
      <Group justify="space-between" mb={4} gap="xs">
        <Text size="sm">
          <b>{titles[budget]}</b>: {Number((allowed * 100).toPrecision(6))} % {meanings[budget]}
        </Text>
        <Badge variant="light" color={burning === null ? "gray" : colors[burning]}>
          {burning === null ? "does not burn" : `burns: ${burning}`}
        </Badge>
      </Group>
      {pairs.length === 0 ? (
        <Text size="sm" c="dimmed">
          No share of bad runs is too fast for this budget: it has no alerts.
        </Text>
      ) : (
        <Table fz="sm" verticalSpacing={4} horizontalSpacing={6} aria-label={`${titles[budget]} by windows`}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Alert</Table.Th>
              <Table.Th>Limit</Table.Th>
              <Table.Th>Long window</Table.Th>
              <Table.Th>Short window</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {pairs.map((pair) => (
              <PairRow key={pair.long.window} pair={pair} />
            ))}
          </Table.Tbody>
        </Table>
      )}
    </div>
  );
}

function PairRow({ pair: { severity, for: lasting, factor, burning, long, short } }: { readonly pair: Pair }) {
  return (
    <Table.Tr>
      <Table.Td fw={burning ? 650 : undefined}>
        {severity} after {lasting}
      </Table.Td>
      <Table.Td {...figure}>{formatTimes(factor)}</Table.Td>
      {[long, short].map((window) => (
        <Table.Td key={window.window} {...figure} c={isBeyond(window, factor) ? "var(--app-bad)" : undefined}>
          {window.window}: {window.burn_rate === null ? "–" : formatTimes(window.burn_rate)}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}

function isBeyond({ burn_rate: rate }: Pair["long"], factor: number): boolean {
  return rate !== null && rate > factor;
}

/** How many times as fast as the budget lasts for. */
function formatTimes(rate: number): string {
  return `${rate.toLocaleString("en", { maximumFractionDigits: rate < 100 ? 2 : 0 })} ×`;
}
