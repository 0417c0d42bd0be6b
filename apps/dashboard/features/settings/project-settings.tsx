import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Page } from "../../shared/page.js";
import { Keeping } from "./keeping.js";
import { Keys } from "./keys.js";
import { Quotas } from "./quotas.js";
import { SendErrors } from "./send-errors.js";

/** Keys of a project, how programs are made to send to it, what is kept and what is taken out. */
export function ProjectSettings() {
  const project = Number(useParams()["project"]);
  const keys = useQuery({
    queryKey: ["projects", project, "keys"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/keys", { params: { path: { id: project } } })),
  });
  const dsn = keys.data?.find(({ active }) => active)?.dsn;
  return (
    <Page title="Project settings" subtitle="Keys, what programs need to send errors here, and what is kept of them">
      <Stack gap="md">
        <Keys project={project} keys={keys} />
        {dsn !== undefined && <SendErrors dsn={dsn} />}
        <Keeping project={project} />
        <Quotas project={project} />
      </Stack>
    </Page>
  );
}
