import { Button, Group, Modal, Progress, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { Card } from "../../shared/card.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { formatCount } from "../../shared/numbers.js";
import { Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { type Limit, LimitsEditor, windowName } from "./limits-editor.js";

/** What the project itself may send; without limits of its own it has those that the server gives to each. */
function ProjectLimits({ project }: { readonly project: number }) {
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const details = useQuery({
    queryKey: ["projects", project],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}", { params: { path: { id: project } } })),
    enabled: open,
  });
  const save = useMutation({
    mutationFn: (limits: readonly Limit[] | null) =>
      dataOf(
        api.PATCH("/api/v1/projects/{id}", {
          params: { path: { id: project } },
          body: { settings: { quotas: limits === null ? null : [...limits] } },
        }),
      ),
    onSuccess: () => {
      setOpen(false);
      sayDone("The limits of the project are saved.");
    },
    onError: (error) => sayFailed("The limits were not saved", error),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects", project] }),
  });
  return (
    <>
      <Button size="xs" variant="default" onClick={() => setOpen(true)}>
        Change the project's
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title="Limits of the project" size="lg">
        <Loaded query={details} skeleton={3}>
          {(data) => {
            const own = data.settings?.quotas ?? undefined;
            return (
              <Stack>
                <LimitsEditor limits={own ?? []} saving={save.isPending} onSave={(limits) => save.mutate(limits)} />
                <Text size="xs" c="dimmed">
                  {own === undefined
                    ? "Now the project has the limits that the server gives to each project."
                    : "These stand in place of those that the server gives to each project."}
                </Text>
                {own !== undefined && (
                  <Group>
                    <Button size="xs" variant="default" loading={save.isPending} onClick={() => save.mutate(null)}>
                      As the server gives to each
                    </Button>
                  </Group>
                )}
              </Stack>
            );
          }}
        </Loaded>
      </Modal>
    </>
  );
}

const scopes = { key: "of a key", project: "of the project", organization: "of the server" } as const;

/** How many items may come in, and how many have. */
export function Quotas({ project }: { readonly project: number }) {
  const quotas = useQuery({
    queryKey: ["projects", project, "quotas"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/errors/quotas", { params: { path: { id: project } } })),
    refetchInterval: 15_000,
  });
  return (
    <Card title="Quotas" actions={<ProjectLimits project={project} />}>
      <Loaded query={quotas} skeleton={3}>
        {(rows) =>
          rows.length === 0 ? (
            <Text size="sm" c="dimmed">
              Nothing limits what this project sends.
            </Text>
          ) : (
            <Stack gap="sm">
              {rows.map(({ scope, categories = [], limit, window_s: windowS, used, resets_at: resetsAt }) => {
                const what = categories.length === 0 ? "items of all kinds" : categories.join(", ");
                const share = limit === 0 ? 100 : (used / limit) * 100;
                return (
                  <div key={`${scope}.${what}.${windowS}`}>
                    <Group justify="space-between" gap="xs">
                      <Text size="sm">
                        {what}{" "}
                        <Text span c="dimmed" size="sm">
                          {scopes[scope]}, in {windowName(windowS)}
                        </Text>
                      </Text>
                      <Text size="sm" className="figure">
                        {formatCount(used)} of {formatCount(limit)}
                      </Text>
                    </Group>
                    <Progress
                      value={share}
                      size="sm"
                      color={share >= 100 ? "red" : share > 80 ? "yellow" : "indigo"}
                      aria-label={`${used} of ${limit} ${what}`}
                    />
                    <Text size="xs" c="dimmed" component="div">
                      begins anew <Ago at={resetsAt} size="xs" />
                    </Text>
                  </div>
                );
              })}
            </Stack>
          )
        }
      </Loaded>
    </Card>
  );
}
