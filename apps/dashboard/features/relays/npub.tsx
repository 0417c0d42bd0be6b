import { Group, Text } from "@mantine/core";
import { Copy } from "../../shared/copy.js";
import { shortNpub } from "./short-npub.js";

/** A key with the name of whoever has it, where that is known. */
export function Npub({ npub, name = null }: { readonly npub: string; readonly name?: string | null }) {
  return (
    <Group gap={4} wrap="nowrap">
      {name !== null && (
        <Text size="sm" fw={600} dir="auto">
          {name}
        </Text>
      )}
      <Text size="xs" ff="monospace" title={npub} c={name === null ? undefined : "dimmed"}>
        {shortNpub(npub)}
      </Text>
      <Copy value={npub} label="Copy the npub" />
    </Group>
  );
}
