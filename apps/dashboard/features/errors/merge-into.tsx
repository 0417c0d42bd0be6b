import { Button, Group, Modal, Radio, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, dataOf } from "../../api/client.js";
import { Loaded } from "../../shared/states.js";
import type { Issue, IssuePath } from "./issue.js";
import { useMergeIssues } from "./merge-issues.js";

/** Looks for the issue that another one is really the same as. */
export function MergeInto({
  issue,
  path,
  opened,
  onClose,
}: {
  readonly issue: Issue;
  readonly path: IssuePath;
  readonly opened: boolean;
  readonly onClose: () => void;
}) {
  return (
    <Modal opened={opened} onClose={onClose} title="Merge with another issue">
      <Choice issue={issue} path={path} onClose={onClose} />
    </Modal>
  );
}

const shown = 6;

function Choice({
  issue,
  path,
  onClose,
}: {
  readonly issue: Issue;
  readonly path: IssuePath;
  readonly onClose: () => void;
}) {
  const navigate = useNavigate();
  const [words, setWords] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  const [query] = useDebouncedValue(words.trim(), 200);
  const others = useQuery({
    queryKey: ["errors", path.id, "merge-into", path.fingerprint, query],
    queryFn: () =>
      dataOf(
        api.GET("/api/v1/projects/{id}/errors", {
          params: { path: { id: path.id }, query: { limit: shown + 1, ...(query === "" ? {} : { query }) } },
        }),
      ),
    retry: false,
    placeholderData: (previous) => previous,
  });
  const merge = useMergeIssues(path.id, (survivor) => {
    onClose();
    void navigate(`/projects/${path.id}/errors/${survivor}`);
  });
  return (
    <Stack>
      <TextInput
        aria-label="Search for the other issue"
        placeholder="Words of its title or place"
        leftSection={<IconSearch size={15} aria-hidden />}
        value={words}
        onChange={(event) => setWords(event.currentTarget.value)}
        data-autofocus
      />
      <Loaded query={others} skeleton={3}>
        {(rows) => {
          const candidates = rows.filter(({ fingerprint }) => fingerprint !== issue.fingerprint).slice(0, shown);
          return candidates.length === 0 ? (
            <Text size="sm" c="dimmed">
              No other unresolved issue matches.
            </Text>
          ) : (
            <Radio.Group aria-label="The other issue" value={chosen} onChange={setChosen}>
              <Stack gap={8}>
                {candidates.map(({ fingerprint, title, name, short_id: id, actor }) => (
                  <Radio
                    key={fingerprint}
                    value={String(fingerprint)}
                    label={
                      <Text size="sm" lineClamp={2} dir="auto" style={{ overflowWrap: "anywhere" }}>
                        {title ?? name}
                      </Text>
                    }
                    description={[id, actor].filter(Boolean).join(" · ")}
                  />
                ))}
              </Stack>
            </Radio.Group>
          );
        }}
      </Loaded>
      <Text size="sm" c="dimmed">
        The older of the two keeps its number and takes the events and comments of the other one. They can be taken
        apart again.
      </Text>
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          disabled={chosen === null}
          loading={merge.isPending}
          onClick={() => merge.mutate([issue.fingerprint, Number(chosen)])}
        >
          Merge 2 issues
        </Button>
      </Group>
    </Stack>
  );
}
