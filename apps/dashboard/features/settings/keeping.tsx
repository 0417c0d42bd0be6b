import { Button, Code, Group, JsonInput, Select, SimpleGrid, Stack, Switch, TagsInput, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, dataOf } from "../../api/client.js";
import type { paths } from "../../api/schema.js";
import { Card } from "../../shared/card.js";
import { sayDone, sayFailed } from "../../shared/notify.js";
import { Loaded } from "../../shared/states.js";
import { ScrubRules } from "./scrub-rules.js";

type Change = NonNullable<
  NonNullable<paths["/api/v1/projects/{id}"]["patch"]["requestBody"]>["content"]["application/json"]["settings"]
>;
type Scrubbing = NonNullable<Change["scrubbing"]>;

const retentions = [7, 14, 30, 60, 90, 180, 365] as const;

/** How long events are kept, and what is taken out of them before. */
export function Keeping({ project }: { readonly project: number }) {
  const details = useQuery({
    queryKey: ["projects", project],
    queryFn: () => dataOf(api.GET("/api/v1/projects/{id}", { params: { path: { id: project } } })),
  });
  return (
    <Card title="What is kept">
      <Loaded query={details}>
        {(data) => {
          const settings: unknown = Reflect.get(data, "settings");
          return <Form key={JSON.stringify(settings)} project={project} settings={readSettings(settings)} />;
        }}
      </Loaded>
    </Card>
  );
}

interface Settings {
  readonly retentionDays: number | null;
  readonly scrubbing: Scrubbing;
}

function readSettings(value: unknown): Settings {
  const settings = typeof value === "object" && value !== null ? value : {};
  const days: unknown = Reflect.get(settings, "retention_days");
  const scrubbing: unknown = Reflect.get(settings, "scrubbing");
  return {
    retentionDays: typeof days === "number" ? days : null,
    scrubbing: typeof scrubbing === "object" && scrubbing !== null ? scrubbing : {},
  };
}

function Form({ project, settings }: { readonly project: number; readonly settings: Settings }) {
  const queries = useQueryClient();
  const [days, setDays] = useState(settings.retentionDays);
  const [scrubbing, setScrubbing] = useState(settings.scrubbing);
  const save = useMutation({
    mutationFn: () => {
      const retention_days = retentions.find((known) => known === days) ?? null;
      return dataOf(
        api.PATCH("/api/v1/projects/{id}", {
          params: { path: { id: project } },
          body: { settings: { retention_days, scrubbing } },
        }),
      );
    },
    onSuccess: () => sayDone("The settings are saved."),
    onError: (error) => sayFailed("Nothing was saved", error),
    onSettled: () => queries.invalidateQueries({ queryKey: ["projects", project] }),
  });
  const isChanged = days !== settings.retentionDays || JSON.stringify(scrubbing) !== JSON.stringify(settings.scrubbing);
  const toggle = (name: "enabled" | "scrub_ip_addresses" | "scrub_emails", label: string, description: string) => (
    <Switch
      label={label}
      description={description}
      checked={scrubbing[name] ?? name === "enabled"}
      onChange={(event) => setScrubbing({ ...scrubbing, [name]: event.currentTarget.checked })}
    />
  );
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
      <Stack gap="sm">
        <Select
          label="Events are kept for"
          allowDeselect={false}
          value={String(days ?? "")}
          data={[
            { value: "", label: "as long as the server says" },
            ...retentions.map((count) => ({ value: String(count), label: `${count} days` })),
          ]}
          onChange={(value) => setDays(value ? Number(value) : null)}
        />
        {toggle("enabled", "Take out secrets", "Passwords, tokens, card numbers and what else looks like one")}
        {toggle("scrub_ip_addresses", "Take out IP addresses", "Of users and of requests")}
        {toggle("scrub_emails", "Take out e-mail addresses", "Wherever they stand")}
        <TagsInput
          label="Names of further secrets"
          description="Values of names that hold one of these are taken out, too"
          value={scrubbing.sensitive_names ?? []}
          onChange={(names) => setScrubbing({ ...scrubbing, sensitive_names: names })}
        />
        <ScrubRules
          rules={scrubbing.rules ?? []}
          onChange={(rules) => setScrubbing({ ...scrubbing, rules: [...rules] })}
        />
        <Group>
          <Button size="xs" disabled={!isChanged} loading={save.isPending} onClick={() => save.mutate()}>
            Save
          </Button>
        </Group>
      </Stack>
      <Preview project={project} scrubbing={scrubbing} />
    </SimpleGrid>
  );
}

const sample = JSON.stringify(
  {
    user: { email: "ada@example.com", ip_address: "198.51.100.7" },
    extra: { password: "correct horse", order: 42 },
  },
  null,
  2,
);

/** What would be kept of an event, as the rules stand in the form. */
function Preview({ project, scrubbing }: { readonly project: number; readonly scrubbing: Scrubbing }) {
  const [text, setText] = useState(sample);
  const event = readObject(text);
  const preview = useQuery({
    queryKey: ["projects", project, "scrub-preview", text, scrubbing],
    enabled: event !== undefined,
    queryFn: () =>
      dataOf(
        api.POST("/api/v1/projects/{id}/errors/scrub-preview", {
          params: { path: { id: project } },
          body: { event: event ?? {}, scrubbing },
        }),
      ),
    placeholderData: (previous) => previous,
  });
  return (
    <Stack gap="sm">
      <JsonInput
        label="Try the rules on an event"
        autosize
        minRows={6}
        maxRows={14}
        value={text}
        onChange={setText}
        error={event === undefined ? "This is no JSON object." : undefined}
      />
      <div>
        <Text size="sm" fw={500} mb={4}>
          What is kept of it
        </Text>
        <Code block tabIndex={0} style={{ maxHeight: 320, overflow: "auto" }}>
          {preview.error ? preview.error.message : JSON.stringify(preview.data?.event ?? {}, null, 2)}
        </Code>
      </div>
    </Stack>
  );
}

function readObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
