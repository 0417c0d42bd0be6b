import { Alert, Button, Group, Modal, NumberInput, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { sayDone } from "../../shared/notify.js";
import { formatCount } from "../../shared/numbers.js";
import { Failure, Loaded } from "../../shared/states.js";
import { formatSeconds } from "../../shared/time.js";
import { useUrlState } from "../../shared/url-state.js";
import type { DeadSelection } from "./dead-selection.js";

const usualRate = 50;

/** Says first what a replay would do, and how long it would take at the chosen rate; then does it. */
export function ReplayDialog({
  selection,
  onClose,
}: {
  readonly selection: DeadSelection;
  readonly onClose: () => void;
}) {
  const url = useUrlState();
  const queries = useQueryClient();
  const [rate, setRate] = useState(usualRate);
  const trial = useQuery({
    queryKey: ["events", "replay trial", selection],
    gcTime: 0,
    queryFn: async () => {
      const answer = await dataOf(api.POST("/api/v1/events/dead/replay", { body: { ...selection, dryRun: true } }));
      if (!("would_replay" in answer)) throw new Error("The server did not try, it replayed.");
      return answer;
    },
  });
  const replay = useMutation({
    mutationFn: () => dataOf(api.POST("/api/v1/events/dead/replay", { body: { ...selection, ratePerSecond: rate } })),
    onSuccess: (answer) => {
      sayDone("The letters are delivered again.");
      if ("id" in answer) url.set({ replay: answer.id });
      onClose();
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["events", "dead"] }),
  });
  return (
    <Modal opened onClose={onClose} title="Replay dead letters">
      <Stack>
        <Loaded query={trial} skeleton={2}>
          {({ would_replay: letters, would_fail: failing, over_limit: overLimit }) => (
            <Stack gap="xs">
              <Text size="sm">
                <b>
                  {formatCount(letters)} {letters === 1 ? "letter" : "letters"}
                </b>{" "}
                would be delivered again, to the subscription that gave {letters === 1 ? "it" : "them"} up
                {letters > rate && `; that takes about ${formatSeconds(letters / rate)}`}.
              </Text>
              {failing.length > 0 && (
                <Alert color="yellow" variant="light">
                  {failing.length} cannot be read by today's definitions and would fail at once:{" "}
                  {failing
                    .slice(0, 3)
                    .map(({ id, code }) => `${id} (${code})`)
                    .join(", ")}
                </Alert>
              )}
              {overLimit && (
                <Alert color="yellow" variant="light">
                  There are more than one replay takes; the others stay where they are.
                </Alert>
              )}
            </Stack>
          )}
        </Loaded>
        <NumberInput
          label="Letters per second"
          description="Slower is kinder to a subscriber that has just come back"
          value={rate}
          min={1}
          max={100_000}
          onChange={(value) => setRate(Number(value) || 1)}
        />
        {replay.isError && <Failure error={replay.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button
            loading={replay.isPending}
            disabled={(trial.data?.would_replay ?? 0) === 0}
            onClick={() => replay.mutate()}
          >
            Replay
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
