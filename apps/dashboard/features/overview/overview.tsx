import { SimpleGrid, Stack } from "@mantine/core";
import { allows, useSession } from "../../api/session.js";
import { Page } from "../../shared/page.js";
import { ErrorsPanel } from "./errors-panel.js";
import { EventsPanel } from "./events-panel.js";
import { ExperiencesPanel } from "./experiences-panel.js";
import { IntakePanel } from "./intake-panel.js";
import { RelaysPanel } from "./relays-panel.js";

/** Is anything wrong? A panel for each system, the worst first, one click from its cause. */
export function Overview() {
  const session = useSession().data;
  if (!session) return null;
  const mayReadErrors = allows(session, "errors:read");
  return (
    <Page title="Overview" subtitle="Is anything wrong? The worst stands first.">
      <Stack gap="md">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          {allows(session, "experience:read", "experience:admin") && <ExperiencesPanel />}
          {mayReadErrors && <ErrorsPanel />}
          {allows(session, "events:read") && <EventsPanel />}
          {allows(session, "relay:read") && <RelaysPanel />}
        </SimpleGrid>
        {mayReadErrors && <IntakePanel />}
      </Stack>
    </Page>
  );
}
