import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { sayDone } from "../../shared/notify.js";
import { formatCount } from "../../shared/numbers.js";
import { Failure } from "../../shared/states.js";
import type { DeadSelection } from "./dead-selection.js";

/** Gives letters up for good; somebody has to say why. */
export function DiscardDialog({
  selection,
  count,
  onClose,
}: {
  readonly selection: DeadSelection;
  readonly count: number;
  readonly onClose: () => void;
}) {
  const queries = useQueryClient();
  const [reason, setReason] = useState("");
  const discard = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/events/dead/discard", { body: { ...selection, reason } })),
    onSuccess: ({ replayed }) => {
      sayDone(replayed === 1 ? "1 letter is discarded." : `${formatCount(replayed)} letters are discarded.`);
      onClose();
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "dead"] }),
  });
  const letters = count === 1 ? "1 dead letter" : `${formatCount(count)} dead letters`;
  return (
    <Modal opened onClose={onClose} title={`Discard ${letters}`}>
      <Stack>
        <Text size="sm">They will not be delivered any more. The reason is kept with them.</Text>
        <TextInput
          label="Reason"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          required
          data-autofocus
        />
        {discard.isError && <Failure error={discard.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            color="red"
            loading={discard.isPending}
            disabled={reason.trim() === ""}
            onClick={() => discard.mutate()}
          >
            Discard {formatCount(count)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
