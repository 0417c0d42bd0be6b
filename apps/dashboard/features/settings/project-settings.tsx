import { Badge, Button, Code, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useParams } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Copy } from "../../shared/copy.js";
import { Page } from "../../shared/page.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { snippets } from "./snippets.js";

/** Keys of a project, and how programs are made to send to it. */
export function ProjectSettings() {
  const project = Number(useParams()["project"]);
  const keys = useQuery({
    queryKey: ["projects", project, "keys"],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}/keys", { params: { path: { id: project } } })),
  });
  const dsn = keys.data?.find(({ active }) => active)?.dsn;
  return (
    <Page title="Project settings" subtitle="Keys, and what programs need to send errors here">
      <Loaded query={keys}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="The project has no keys">Without one nothing can send to it.</Empty>
          ) : (
            <Table.ScrollContainer minWidth={680}>
              <Table fz="sm" verticalSpacing="sm">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Key</Table.Th>
                    <Table.Th>DSN</Table.Th>
                    <Table.Th>Last used</Table.Th>
                    <Table.Th />
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
                      <Table.Td ta="right">
                        <KeySwitch project={project} id={row.id} active={row.active} />
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          )
        }
      </Loaded>
      <NewKey project={project} />
      {dsn !== undefined && (
        <Stack gap="sm">
          <Text fw={650}>Send errors from a program</Text>
          {snippets(dsn).map(({ name, code }) => (
            <div key={name}>
              <Group gap="xs" mb={4}>
                <Text size="sm">{name}</Text>
                <Copy value={code} label={`Copy the snippet for ${name}`} />
              </Group>
              <Code block tabIndex={0}>
                {code}
              </Code>
            </div>
          ))}
        </Stack>
      )}
    </Page>
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
    <Button size="compact-sm" variant="default" loading={change.isPending} onClick={() => change.mutate()}>
      {active ? "Disable" : "Enable"}
    </Button>
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
      <Group align="flex-end">
        <TextInput
          label="New key"
          placeholder="Name"
          value={label}
          onChange={(event) => setLabel(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" loading={create.isPending} disabled={label.trim() === ""}>
          Create
        </Button>
      </Group>
    </form>
  );
}
