import { Anchor, Badge, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

/** Who replayed, discarded or held up what, the last first. */
export function DeadAudit() {
  const audit = useQuery({
    queryKey: ["events", "dead", "audit"],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/audit", { params: { query: { limit: 10 } } })),
  });
  return (
    <Loaded query={audit} skeleton={3}>
      {(rows) =>
        rows.length === 0 ? null : (
          <Card title="What was done by hand" flush>
            <Table.ScrollContainer minWidth={560}>
              <Table fz="sm" aria-label="What was done by hand">
                <Table.Tbody>
                  {rows.map(({ id, kind, actor, started_at: at, subscriber, reason, ...counts }) => (
                    <Table.Tr key={id}>
                      <Table.Td w={120}>
                        <Ago at={at} />
                      </Table.Td>
                      <Table.Td w={110}>
                        <Badge
                          size="xs"
                          variant="light"
                          color={kind === "discard" || kind === "purge" ? "red" : "gray"}
                        >
                          {kind}
                        </Badge>
                      </Table.Td>
                      <Table.Td w={160} dir="auto">
                        {actor}
                      </Table.Td>
                      <Table.Td dir="auto">
                        {kind === "replay" ? (
                          <Anchor component={Link} to={`/events/dead?replay=${id}`} size="sm">
                            {formatCount(counts.resolved)} of {formatCount(counts.matched)} handled
                            {counts.failed > 0 && `, ${formatCount(counts.failed)} failed again`}
                          </Anchor>
                        ) : (
                          (subscriber ?? `${formatCount(counts.replayed)} letters`)
                        )}
                        {reason && (
                          <Text span size="xs" c="dimmed">
                            {" "}
                            {reason}
                          </Text>
                        )}
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </Card>
        )
      }
    </Loaded>
  );
}
