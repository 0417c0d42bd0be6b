import { Autocomplete, Button, Group, Menu, Modal, Stack } from "@mantine/core";
import { IconChevronDown, IconUser } from "@tabler/icons-react";
import { type FormEvent, useState } from "react";

/** Gives issues to oneself, to somebody else, or to nobody. */
export function AssignMenu({
  me,
  assignee,
  known,
  onAssign,
}: {
  readonly me: string;
  /** Null: nobody; undefined: not the same one for all. */
  readonly assignee: string | null | undefined;
  /** Who has issues already. */
  readonly known: readonly string[];
  readonly onAssign: (assignee: string | null) => void;
}) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconUser size={14} />}
            rightSection={<IconChevronDown size={13} />}
          >
            Assign
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item disabled={assignee === me} onClick={() => onAssign(me)}>
            To me
          </Menu.Item>
          <Menu.Item onClick={() => setAsking(true)}>To somebody else …</Menu.Item>
          <Menu.Divider />
          <Menu.Item disabled={assignee === null} onClick={() => onAssign(null)}>
            To nobody
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={asking} onClose={() => setAsking(false)} title="Assign to somebody">
        <Somebody
          known={known.filter((name) => name !== assignee)}
          onChoose={(name) => {
            setAsking(false);
            onAssign(name);
          }}
        />
      </Modal>
    </>
  );
}

function Somebody({
  known,
  onChoose,
}: {
  readonly known: readonly string[];
  readonly onChoose: (name: string) => void;
}) {
  const [name, setName] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onChoose(name.trim());
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Autocomplete
          label="Name"
          description="As it stands in their token: the name that they log in with"
          data={[...known]}
          value={name}
          onChange={setName}
          maxLength={200}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button type="submit" disabled={name.trim() === ""}>
            Assign
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
