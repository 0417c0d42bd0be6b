import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import type { paths } from "../../api/schema.js";

type Settings = NonNullable<
  NonNullable<paths["/api/v1/projects/{id}"]["patch"]["requestBody"]>["content"]["application/json"]["settings"]
>;
export type ScrubRule = NonNullable<NonNullable<Settings["scrubbing"]>["rules"]>[number];

const kinds = [
  { value: "creditcard", label: "card numbers" },
  { value: "iban", label: "IBANs" },
  { value: "usssn", label: "US social security numbers" },
  { value: "token", label: "tokens" },
  { value: "privatekey", label: "private keys" },
  { value: "auth", label: "logins in addresses" },
  { value: "ip", label: "IP addresses" },
  { value: "email", label: "e-mail addresses" },
] as const satisfies readonly { readonly value: NonNullable<ScrubRule["type"]>; readonly label: string }[];

const methods = [
  { value: "remove", label: "remove it" },
  { value: "replace", label: "say [Filtered]" },
  { value: "mask", label: "mask it" },
  { value: "hash", label: "hash it" },
] as const satisfies readonly { readonly value: ScrubRule["method"]; readonly label: string }[];

/** Rules of the project's own: what is looked for, where, and what is done with it. */
export function ScrubRules({
  rules,
  onChange,
}: {
  readonly rules: readonly ScrubRule[];
  readonly onChange: (rules: readonly ScrubRule[]) => void;
}) {
  const replace = (index: number, rule: ScrubRule): void => onChange(rules.with(index, rule));
  return (
    <div>
      <Text size="sm" fw={500}>
        Further rules
      </Text>
      <Text size="xs" c="dimmed" mb={6}>
        A kind of secret or a text, where it stands (names joined by dots, ** for any number of them), and what happens
        to it
      </Text>
      <Stack gap={8}>
        {rules.map((rule, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a rule is its place in the list.
          <Group key={index} gap={6} role="group" aria-label={`Rule ${index + 1}`}>
            <Select
              size="xs"
              style={{ flex: "1 1 120px" }}
              aria-label="What is looked for"
              allowDeselect={false}
              data={[...kinds, { value: "", label: "a text" }]}
              value={rule.type ?? ""}
              onChange={(value) => {
                const { type: _, pattern, ...rest } = rule;
                const type = kinds.find((kind) => kind.value === value)?.value;
                replace(index, type === undefined ? { ...rest, pattern: pattern ?? "secret" } : { ...rest, type });
              }}
            />
            {rule.type === undefined && (
              <TextInput
                size="xs"
                style={{ flex: "1 1 100px" }}
                aria-label="Text"
                value={rule.pattern ?? ""}
                maxLength={200}
                onChange={(event) => replace(index, { ...rule, pattern: event.currentTarget.value })}
              />
            )}
            <TextInput
              size="xs"
              style={{ flex: "1 1 100px" }}
              aria-label="Where"
              placeholder="anywhere"
              value={rule.path ?? ""}
              maxLength={500}
              onChange={(event) => {
                const { path: _, ...rest } = rule;
                const path = event.currentTarget.value.trim();
                replace(index, path === "" ? rest : { ...rest, path });
              }}
            />
            <Select
              size="xs"
              w={130}
              aria-label="What happens to it"
              allowDeselect={false}
              data={[...methods]}
              value={rule.method}
              onChange={(value) =>
                replace(index, { ...rule, method: methods.find((method) => method.value === value)?.value ?? "remove" })
              }
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`Remove rule ${index + 1}`}
              onClick={() => onChange(rules.toSpliced(index, 1))}
            >
              <IconTrash size={15} />
            </ActionIcon>
          </Group>
        ))}
        <Group>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlus size={14} />}
            disabled={rules.length >= 50}
            onClick={() => onChange([...rules, { type: "email", method: "replace" }])}
          >
            Add a rule
          </Button>
        </Group>
      </Stack>
    </div>
  );
}
