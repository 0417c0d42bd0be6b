import { Code, NumberInput, SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { BudgetBar } from "./budget-bar.js";
import { definitionAsYaml } from "./definition-as-yaml.js";
import type { ExperienceReport, WhatIfAnswer } from "./figures.js";

const terms = ["threshold_s", "timeout_s", "apdex_pct", "error_pct"] as const;
type Term = (typeof terms)[number];
type Terms = Readonly<Partial<Record<Term, number>>>;

const inputs: Readonly<Record<Term, { label: string; suffix: string; max: number; step: number }>> = {
  threshold_s: { label: "Good below", suffix: " s", max: 600, step: 0.5 },
  timeout_s: { label: "Given up after", suffix: " s", max: 604_800, step: 5 },
  apdex_pct: { label: "Apdex at least", suffix: " %", max: 99.999, step: 0.05 },
  error_pct: { label: "Errors at most", suffix: " %", max: 99.999, step: 0.05 },
};

/** The past 28 days, judged by other terms, and the file that would make them so. */
export function WhatIf({
  definition,
  report,
}: {
  readonly definition: Readonly<Record<string, unknown>>;
  readonly report: ExperienceReport;
}) {
  const [terms, setTerms] = useState<Terms>({});
  const [asked] = useDebouncedValue(terms, 400);
  const experience = report.covered_experience_id;
  const answer = useQuery({
    queryKey: ["experience", "reports", "what-if", experience, asked],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/experience/reports/what-if", { params: { query: { experience, window: "28d", ...asked } } }),
      ),
    refetchInterval: 30_000,
    placeholderData: (previous) => previous,
  });
  const isChanged = Object.keys(terms).length > 0;
  return (
    <Card title="What if the terms were others">
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          The runs of the past 28 days, judged again. Nothing is changed by looking.
        </Text>
        <SimpleGrid cols={{ base: 2, sm: 4 }} spacing="sm">
          {Object.entries(inputs).map(([name, input]) => (
            <TermInput
              key={name}
              {...input}
              value={terms[name as Term] ?? ""}
              placeholder={`${currentOf(report)[name as Term]}${input.suffix}`}
              onChange={(value) => setTerms((before) => withTerm(before, name as Term, value))}
            />
          ))}
        </SimpleGrid>
        <Loaded query={answer} skeleton={4}>
          {(found) => <Comparison answer={found} />}
        </Loaded>
        {isChanged && (
          <div>
            <Text size="sm" mb={4} component="div">
              To make it so, commit this file{" "}
              <Copy value={yamlWith(definition, terms)} label="Copy the changed definition" />
            </Text>
            <Code block tabIndex={0} aria-label="The changed definition">
              {yamlWith(definition, terms)}
            </Code>
          </div>
        )}
      </Stack>
    </Card>
  );
}

function TermInput({
  label,
  suffix,
  max,
  step,
  value,
  placeholder,
  onChange,
}: {
  readonly label: string;
  readonly suffix: string;
  readonly max: number;
  readonly step: number;
  readonly value: number | "";
  readonly placeholder: string;
  readonly onChange: (value: number | undefined) => void;
}) {
  return (
    <NumberInput
      label={label}
      placeholder={placeholder}
      suffix={suffix}
      value={value}
      min={0.001}
      max={max}
      step={step}
      decimalScale={3}
      allowNegative={false}
      onChange={(next) => onChange(typeof next === "number" && next > 0 ? next : undefined)}
    />
  );
}

function Comparison({ answer: { real, what_if: other } }: { readonly answer: WhatIfAnswer }) {
  const rows: readonly (readonly [string, (row: WhatIfAnswer["real"]) => string])[] = [
    ["Apdex", (row) => formatShare(row.apdex_ratio)],
    ["Errors", (row) => `${formatShare(row.error_ratio)} of ${formatCount(row.operations)}`],
    ["Timeouts", (row) => formatCount(row.timeouts)],
    ["p95", (row) => formatSeconds(row.p95_s)],
  ];
  const budgets = [
    ["Error budget", "error_budget_remaining"],
    ["Apdex budget", "apdex_budget_remaining"],
  ] as const;
  return (
    <Table fz="sm" aria-label="As it is and as it would be" layout="fixed">
      <Table.Thead>
        <Table.Tr>
          <Table.Th w="30%">28 days</Table.Th>
          <Table.Th>As it is</Table.Th>
          <Table.Th>As it would be</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map(([label, textOf]) => (
          <Table.Tr key={label}>
            <Table.Td>{label}</Table.Td>
            <Table.Td className="figure">{textOf(real)}</Table.Td>
            <Table.Td className="figure" fw={textOf(real) === textOf(other) ? undefined : 650}>
              {textOf(other)}
            </Table.Td>
          </Table.Tr>
        ))}
        {budgets.map(([label, field]) => (
          <Table.Tr key={label}>
            <Table.Td>{label}</Table.Td>
            <Table.Td>
              <BudgetBar remaining={real[field]} label={`${label} as it is`} />
            </Table.Td>
            <Table.Td>
              <BudgetBar remaining={other[field]} label={`${label} as it would be`} />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

function currentOf({ threshold_s, timeout_s, slo }: ExperienceReport): Record<Term, number> {
  return { threshold_s, timeout_s, ...slo };
}

function withTerm(before: Terms, name: Term, value: number | undefined): Terms {
  const { [name]: _, ...others } = before;
  return value === undefined ? others : { ...others, [name]: value };
}

/** Only an urgency of its own may have a threshold of its own. */
function yamlWith(definition: Readonly<Record<string, unknown>>, terms: Terms): string {
  const { threshold_s: threshold, timeout_s: timeout, ...objectives } = terms;
  const slo: unknown = definition["slo"];
  return definitionAsYaml({
    ...definition,
    ...(threshold === undefined ? {} : { urgency: "custom", threshold_s: threshold }),
    ...(timeout === undefined ? {} : { timeout_s: timeout }),
    slo: { ...(typeof slo === "object" ? slo : {}), ...objectives },
  });
}
