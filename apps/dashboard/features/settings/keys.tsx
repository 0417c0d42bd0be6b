import { Badge, Button, Code, Group, Modal, Stack, Table, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type UseQueryResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";

type Key = paths["/api/v1/projects/{id}/keys"]["get"]["responses"]["200"]["content"]["application/json"][number];

export function Keys({ project, keys }: { readonly project: number; readonly keys: UseQueryResult<readonly Key[]> }) {
  return (
    <Card title="Keys" flush actions={<NewKey project={project} />}>
      <Loaded query={keys} inset>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="The project has no keys">Without one nothing can send to it.</Empty>
          ) : (
            <Table.ScrollContainer minWidth={720}>
              <Table fz="sm" aria-label="Keys">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th w={170}>Key</Table.Th>
                    <Table.Th>DSN</Table.Th>
                    <Table.Th w={120}>Last used</Table.Th>
                    <Table.Th w={180} aria-label="Actions" />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {rows.map((row) => (
                    <Table.Tr key={row.id}>
                      <Table.Td>
                        <Group gap={6}>
                          {row.label}
                          {!row.active && (
                            <Badge size="xs" variant="light" color="gray">
                              disabled
                            </Badge>
                          )}
                          {row.expires_at && (
                            <Badge size="xs" variant="light" color="yellow">
                              replaced
                            </Badge>
                          )}
                        </Group>
                      </Table.Td>
                      <Table.Td>
                        <Group gap={4} wrap="nowrap">
                          <Code>{row.dsn}</Code>
                          <Copy value={row.dsn} label="Copy the DSN" />
                        </Group>
                      </Table.Td>
                      <Table.Td>
                        <Ago at={row.last_used_at} />
                      </Table.Td>
                      <Table.Td>
                        <Group gap={6} justify="flex-end" wrap="nowrap">
                          <KeySwitch project={project} id={row.id} active={row.active} />
                          {row.active && !row.expires_at && <Rotate project={project} row={row} />}
                        </Group>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </Loaded>
    </Card>
  );
}

function KeySwitch({
  project,
  id,
  active,
}: {
  readonly project: number;
  readonly id: number;
  readonly active: boolean;
}) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: () =>
      dataOf(
        api.PATCH("/api/v1/projects/{id}/keys/{key}", {
          params: { path: { id: project, key: id } },
          body: { active: !active },
        }),
      ),
    onError: (error) => notifications.show({ color: "red", title: "The key was not changed", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects", project, "keys"] }),
  });
  return (
    <Button size="compact-xs" variant="default" loading={change.isPending} onClick={() => change.mutate()}>
      {active ? "Disable" : "Enable"}
    </Button>
  );
}

/** The old key stays good for a while, so that programs can be told the new one. */
function Rotate({ project, row }: { readonly project: number; readonly row: Key }) {
  const queries = useQueryClient();
  const [open, setOpen] = useState(false);
  const rotate = useMutation({
    mutationFn: () =>
      dataOf(
        api.POST("/api/v1/projects/{id}/keys/{key}/rotate", {
          params: { path: { id: project, key: row.id } },
          body: {},
        }),
      ),
    onSuccess: () => {
      notifications.show({ message: "There is a new key; the old one stays good for a while." });
      setOpen(false);
    },
    onError: (error) => notifications.show({ color: "red", title: "The key was not replaced", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects", project, "keys"] }),
  });
  return (
    <>
      <Button size="compact-xs" variant="default" onClick={() => setOpen(true)}>
        Rotate
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={`Replace the key ${row.label}`}>
        <Stack>
          <Text size="sm">A new key is made. The old one is refused when its time of grace is over.</Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setOpen(false)}>
              Cancel
            </Button>
            <Button loading={rotate.isPending} onClick={() => rotate.mutate()}>
              Replace
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function NewKey({ project }: { readonly project: number }) {
  const queries = useQueryClient();
  const [label, setLabel] = useState("");
  const create = useMutation({
    mutationFn: () =>
      dataOf(api.POST("/api/v1/projects/{id}/keys", { params: { path: { id: project } }, body: { label } })),
    onSuccess: () => setLabel(""),
    onError: (error) => notifications.show({ color: "red", title: "There is no new key", message: error.message }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects", project, "keys"] }),
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Group gap={6} wrap="nowrap">
        <TextInput
          aria-label="Name of a new key"
          placeholder="Name of a new key"
          size="xs"
          value={label}
          onChange={(event) => setLabel(event.currentTarget.value)}
        />
        <Button type="submit" size="xs" variant="default" loading={create.isPending} disabled={label.trim() === ""}>
          Create
        </Button>
      </Group>
    </form>
  );
}
