import { Alert, Anchor, Group, Stack, Table, Text } from "@mantine/core";
import { Link } from "react-router";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Ago, formatSeconds } from "../../shared/time.js";
import type { LatenessAnswer } from "./figures.js";
import { Bar } from "./funnel.js";
import { type Run, runPath } from "./run.js";

const shownRuns = 5;

/** What came of timeouts later, and which timeout would have been enough. */
export function LateEnds({
  lateness,
  runs,
}: {
  readonly lateness: LatenessAnswer;
  /** Some that ended late, newest first. */
  readonly runs: readonly Run[];
}) {
  const { success, error, discarded } = lateness.ended_later;
  const ended = success + error + discarded;
  return (
    <Card title="Ended after they were given up">
      <Stack gap="sm">
        {ended === 0 ? (
          <Text size="sm" c="dimmed">
            {lateness.timeouts === 0
              ? "No run timed out."
              : `None of ${formatCount(lateness.timeouts)} timeouts ended later.`}
          </Text>
        ) : (
          <>
            <Text size="sm">
              {formatCount(ended)} of {formatCount(lateness.timeouts)} timeouts ended after all: {formatCount(success)}{" "}
              well, {formatCount(error)} with an error
              {discarded > 0 && `, ${formatCount(discarded)} discarded`}. Half of them came within{" "}
              <b>{formatSeconds(lateness.lateness_p50_s)}</b> after the deadline, 99 of 100 within{" "}
              <b>{formatSeconds(lateness.lateness_p99_s)}</b>.
            </Text>
            <Bars lateness={lateness} ended={ended} />
          </>
        )}
        <Suggestion lateness={lateness} />
        {runs.length > 0 && (
          <Table fz="sm" verticalSpacing={4}>
            <Table.Tbody>
              {runs.slice(0, shownRuns).map((run) => (
                <Table.Tr key={runPath(run)}>
                  <Table.Td>
                    <Anchor component={Link} to={runPath(run)} size="sm">
                      {formatSeconds(run.late_end?.lateness_s)} late
                    </Anchor>
                  </Table.Td>
                  <Table.Td>{run.late_end?.outcome.replaceAll("_", " ")}</Table.Td>
                  <Table.Td ta="right">
                    <Ago at={run.late_end?.at ?? null} />
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        )}
      </Stack>
    </Card>
  );
}

function Bars({ lateness, ended }: { readonly lateness: LatenessAnswer; readonly ended: number }) {
  const last = lateness.bars.findLastIndex(({ count }) => count > 0);
  return (
    <Stack gap={6} role="list" aria-label="How late they ended">
      {lateness.bars.slice(0, last + 1).map(({ up_to_s: upTo, count }, index) => (
        <Group key={upTo ?? "more"} gap="sm" wrap="nowrap" role="listitem">
          <Text size="xs" c="dimmed" w={120} style={{ flexShrink: 0 }}>
            {upTo === null
              ? `more than ${formatSeconds(lateness.bars[index - 1]?.up_to_s)}`
              : `up to ${formatSeconds(upTo)}`}
          </Text>
          <div style={{ flex: 1 }}>
            <Bar share={count / ended} color="var(--app-warn)" />
          </div>
          <Text size="xs" w={40} ta="right" className="figure">
            {formatCount(count)}
          </Text>
        </Group>
      ))}
    </Stack>
  );
}

/** Fewer ends say nothing about one run of a hundred. */
const endsNeeded = 100;

function Suggestion({ lateness }: { readonly lateness: LatenessAnswer }) {
  const { suggested_timeout_s: suggested, timeout_s: timeout, known_ends: known } = lateness;
  if (suggested === null)
    return (
      <Text size="xs" c="dimmed">
        A timeout is suggested once {endsNeeded} runs have ended; {formatCount(known)} have in this time.
      </Text>
    );
  if (suggested <= timeout)
    return (
      <Text size="sm">
        {suggested} s would have been enough for 99 of 100 runs; the timeout of {formatSeconds(timeout)} is.
      </Text>
    );
  return (
    <Alert color="orange" variant="light" p="xs">
      <Text size="sm">
        A timeout of <b>{suggested} s</b> would have been enough for 99 of 100 runs that ended; it is{" "}
        {formatSeconds(timeout)}.
      </Text>
    </Alert>
  );
}
