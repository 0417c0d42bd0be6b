import "@mantine/charts/styles.css";
import { BarChart } from "@mantine/charts";
import { formatCount } from "../../shared/numbers.js";
import { formatMoment, type Interval, type LedgerMoment, outcomeKinds } from "./ledger.js";

/** What was received, hour by hour or day by day, divided by what became of it. */
export function LedgerChart({
  moments,
  interval,
}: {
  readonly moments: readonly LedgerMoment[];
  readonly interval: Interval;
}) {
  const present = outcomeKinds
    .map((kind, index) => ({ ...kind, index }))
    .filter(({ index }) => moments.some(({ quantities }) => (quantities[index] ?? 0) > 0));
  const data = moments.map(({ startMs, quantities }) => ({
    at: formatMoment(startMs, interval),
    ...Object.fromEntries(present.map(({ label, index }) => [label, quantities[index] ?? 0])),
  }));
  const received = moments.reduce((sum, moment) => sum + moment.received, 0);
  return (
    <figure
      style={{ margin: 0 }}
      aria-label={`${formatCount(received)} items by what became of them, per ${interval === "1h" ? "hour" : "day"}`}
    >
      <BarChart
        h={240}
        data={data}
        dataKey="at"
        type="stacked"
        withLegend
        legendProps={{ verticalAlign: "top" }}
        yAxisProps={{ width: 48, allowDecimals: false }}
        xAxisProps={{ minTickGap: 48 }}
        valueFormatter={formatCount}
        series={present.map(({ label, color }) => ({ name: label, color }))}
      />
    </figure>
  );
}
