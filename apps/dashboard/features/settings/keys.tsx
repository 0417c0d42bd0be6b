import { Badge, Button, Code, Group, Modal, Stack, Table, Text, TextInput } from "@mantine/core";
import { type UseQueryResult, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { Empty, Loaded } from "../../shared/states.js";
import { Ago } from "../../shared/time.js";
import { describeLimit, type Limit, LimitsEditor } from "./limits-editor.js";

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
                    <Table.Th w={230} aria-label="Actions" />
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
                        {row.quotas.map((limit) => (
                          <Text key={describeLimit(limit)} size="xs" c="dimmed">
                            at most {describeLimit(limit)}
                          </Text>
                        ))}
                      </Table.Td>
                      <Table.Td>
                        <Ago at={row.last_used_at} />
                      </Table.Td>
                      <Table.Td>
                        <Group gap={6} justify="flex-end" wrap="nowrap">
                          <Limits project={project} row={row} />
                          <KeySwitch project={project} row={row} />
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

function useChangeKey(project: number, key: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (change: KeyChange) =>
      dataOf(api.PATCH("/api/v1/projects/{id}/keys/{key}", { params: { path: { id: project, key } }, body: change })),
    onError: (error) => sayFailed("The key was not changed", error),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects", project] }),
  });
}

type KeyChange = NonNullable<
  paths["/api/v1/projects/{id}/keys/{key}"]["patch"]["requestBody"]
>["content"]["application/json"];

/** Who disables a key is told what that means; it can be enabled again at once. */
function KeySwitch({ project, row }: { readonly project: number; readonly row: Key }) {
  const change = useChangeKey(project, row.id);
  const [asked, setAsked] = useState(false);
  const enable = (): void =>
    change.mutate({ active: true }, { onSuccess: () => sayDone(`The key ${row.label} is good again.`) });
  const disable = (): void =>
    change.mutate(
      { active: false },
      {
        onSuccess: () => {
          setAsked(false);
          sayDone(`The key ${row.label} is disabled.`, enable);
        },
      },
    );
  return (
    <>
      <Button
        size="compact-xs"
        variant="default"
        loading={change.isPending}
        onClick={() => (row.active ? setAsked(true) : enable())}
      >
        {row.active ? "Disable" : "Enable"}
      </Button>
      <Modal opened={asked} onClose={() => setAsked(false)} title={`Disable the key ${row.label}`}>
        <Stack>
          <Text size="sm" component="div">
            {row.last_used_at === null ? (
              "Nothing has been sent with it yet."
            ) : (
              <>
                It was used <Ago at={row.last_used_at} />.
              </>
            )}{" "}
            From now on the server refuses whatever is sent with it; those events are lost.
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsked(false)} data-autofocus>
              Cancel
            </Button>
            <Button color="red" loading={change.isPending} onClick={disable}>
              Disable 1 key
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}

function Limits({ project, row }: { readonly project: number; readonly row: Key }) {
  const [open, setOpen] = useState(false);
  const change = useChangeKey(project, row.id);
  const save = (quotas: readonly Limit[]): void =>
    change.mutate(
      { quotas: [...quotas] },
      {
        onSuccess: () => {
          setOpen(false);
          sayDone(`The limits of the key ${row.label} are saved.`);
        },
      },
    );
  return (
    <>
      <Button size="compact-xs" variant="default" onClick={() => setOpen(true)}>
        Limits
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={`Limits of the key ${row.label}`} size="lg">
        <LimitsEditor limits={row.quotas} saving={change.isPending} onSave={save} />
      </Modal>
    </>
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
      sayDone("There is a new key; the old one stays good for a while.");
      setOpen(false);
    },
    onError: (error) => sayFailed("The key was not replaced", error),
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
    onError: (error) => sayFailed("There is no new key", error),
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
