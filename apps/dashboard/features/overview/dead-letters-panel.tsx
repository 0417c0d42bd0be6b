import { Anchor, Text } from "@mantine/core";
import { IconInbox } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { useLive } from "../../api/live.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { Panel, PanelFigure, PanelNote, PanelRow } from "./panel.js";

const shownRows = 5;

/** Deliveries that were given up, the most frequent cause first. */
export function DeadLettersPanel() {
  useLive({ "events.dead": ["events", "dead"] });
  const groups = useQuery({
    queryKey: ["events", "dead", "groups"],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/groups", { params: { query: { state: "dead", limit: 100 } } })),
    refetchInterval: 30_000,
  });
  const rows = groups.data ?? [];
  const count = rows.reduce((sum, group) => sum + group.count, 0);
  return (
    <Panel
      title="Dead letters"
      to="/events/dead"
      icon={<IconInbox size={18} stroke={1.7} aria-hidden />}
      state={
        groups.data &&
        (count > 0
          ? { tone: "bad", text: rows.length === 1 ? "1 cause" : `${rows.length} causes` }
          : { tone: "good", text: "none" })
      }
      {...(count > 0 ? { figure: <PanelFigure value={formatCount(count)} label="deliveries were given up" /> } : {})}
    >
      <Loaded query={groups} skeleton={shownRows} inset>
        {() =>
          rows.length === 0 ? (
            <PanelNote>Every delivery was handled, or still is.</PanelNote>
          ) : (
            [...rows]
              .sort((left, right) => right.count - left.count)
              .slice(0, shownRows)
              .map((row) => (
                <PanelRow
                  key={row.fingerprint}
                  left={
                    <>
                      <Anchor
                        component={Link}
                        size="sm"
                        truncate
                        display="block"
                        to={`/events/dead?group=${row.fingerprint}`}
                      >
                        {row.subscriptions.map(subscriberOf).join(", ")}
                      </Anchor>
                      <Cause id={row.sample_id} />
                    </>
                  }
                  right={
                    <>
                      <Text size="sm" className="figure">
                        {formatCount(row.count)}
                      </Text>
                      <Text size="xs" w={72} ta="right" component="div">
                        <Ago at={row.last_dead_at} size="xs" />
                      </Text>
                    </>
                  }
                />
              ))
          )
        }
      </Loaded>
    </Panel>
  );
}

/** What one of the letters failed of. */
function Cause({ id }: { readonly id: string }) {
  const letter = useQuery({
    queryKey: ["events", "dead", "letter", id],
    queryFn: () => dataOf(api.GET("/api/v1/events/dead/{id}", { params: { path: { id } } })),
    staleTime: 600_000,
  });
  return (
    <Text size="xs" c="dimmed" truncate dir="auto" mih={18}>
      {letter.data && `${letter.data.error.class}: ${letter.data.error.message}`}
    </Text>
  );
}

/** A subscription is called subscriber/event. */
function subscriberOf(subscription: string): string {
  return subscription.split("/")[0] ?? subscription;
}
