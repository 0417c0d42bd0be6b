import { Alert, Anchor, Text } from "@mantine/core";
import { IconStethoscope } from "@tabler/icons-react";
import { Link } from "react-router";

/** Why a journey failed, in one sentence, with the way to what explains it. */
export function Explanation({
  text,
  page,
  leadsTo,
}: {
  readonly text: string;
  /** Where the cause is shown; without one nothing in the timeline says why. */
  readonly page: string | undefined;
  /** What is there, in words. */
  readonly leadsTo: string;
}) {
  return (
    <Alert color="red" variant="light" icon={<IconStethoscope size={18} />} title="Why it failed">
      <Text size="sm" dir="auto" style={{ overflowWrap: "anywhere" }}>
        {text}.
      </Text>
      {page !== undefined && (
        <Anchor component={Link} to={page} size="sm" fw={600} c="inherit" td="underline">
          {leadsTo}
        </Anchor>
      )}
    </Alert>
  );
}

const causes: Readonly<Record<string, string>> = { error: "Show the stack trace", attempt: "Show the attempts" };

/** What a link to an entry of this kind promises. */
export function nameOfCause(kind: string | undefined): string {
  return causes[kind ?? ""] ?? "Show what explains it";
}
