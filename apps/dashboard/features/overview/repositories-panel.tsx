import { Anchor, Text } from "@mantine/core";
import { IconGitBranch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { Panel, PanelNote, PanelRow } from "./panel.js";

const shownRows = 4;

/** What was announced on the relay last. */
export function RepositoriesPanel() {
  const repositories = useQuery({
    queryKey: ["relay", "overview", "repositories"],
    queryFn: () => dataOf(api.GET("/api/v1/relay/repositories", { params: { query: { limit: shownRows } } })),
    refetchInterval: 60_000,
  });
  return (
    <Panel title="Repositories" to="/relays/repositories" icon={<IconGitBranch size={18} stroke={1.7} aria-hidden />}>
      <Loaded query={repositories} skeleton={shownRows} inset>
        {(rows) =>
          rows.length === 0 ? (
            <PanelNote>No repository is announced on the relay.</PanelNote>
          ) : (
            rows.map((row) => (
              <PanelRow
                key={row.address}
                left={
                  <Anchor
                    component={Link}
                    to={`/relays/repositories/${row.npub}/${encodeURIComponent(row.identifier)}`}
                    size="sm"
                    truncate
                    display="block"
                    dir="auto"
                  >
                    {row.name ?? row.identifier}
                  </Anchor>
                }
                right={
                  <>
                    <Text size="xs" c="dimmed" ff="monospace" className="wide-only">
                      {row.npub.slice(0, 12)}…
                    </Text>
                    <Ago at={row.announced_at} size="xs" />
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
