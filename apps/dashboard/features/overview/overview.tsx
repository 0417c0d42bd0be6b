import { SimpleGrid } from "@mantine/core";
import { allows, useSession } from "../../api/session.js";
import { Page } from "../../shared/page.js";
import { DeadLettersPanel } from "./dead-letters-panel.js";
import { ErrorsPanel } from "./errors-panel.js";
import { ExperiencesPanel } from "./experiences-panel.js";
import { QueuesPanel } from "./queues-panel.js";
import { RelaysPanel } from "./relays-panel.js";
import { RepositoriesPanel } from "./repositories-panel.js";

/** Is anything wrong? Worst first, one click to the cause. */
export function Overview() {
  const session = useSession().data;
  if (!session) return null;
  const mayReadEvents = allows(session, "events:read");
  const mayReadRelay = allows(session, "relay:read");
  return (
    <Page title="Overview" subtitle="Is anything wrong? The worst stands first.">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {allows(session, "experience:read", "experience:admin") && <ExperiencesPanel />}
        {allows(session, "errors:read") && <ErrorsPanel />}
        {mayReadEvents && <DeadLettersPanel />}
        {mayReadEvents && <QueuesPanel />}
        {mayReadRelay && <RelaysPanel />}
        {mayReadRelay && <RepositoriesPanel />}
      </SimpleGrid>
    </Page>
  );
}
