import { Code, Group, Tabs } from "@mantine/core";
import { Card } from "../../shared/card.js";
import { Copy } from "../../shared/copy.js";
import { useUrlState } from "../../shared/url-state.js";
import { snippets } from "./snippets.js";

/** What a program of each language needs, with the project's address filled in. */
export function SendErrors({ dsn }: { readonly dsn: string }) {
  const url = useUrlState();
  const all = snippets(dsn);
  const chosen = all.find(({ name }) => name === url.get("language")) ?? all[0];
  return (
    <Card title="Send errors from a program">
      <Tabs value={chosen?.name ?? ""} onChange={(language) => url.set({ language }, { replace: true })}>
        <Tabs.List style={{ flexWrap: "nowrap", overflowX: "auto", overflowY: "hidden" }}>
          {all.map(({ name }) => (
            <Tabs.Tab key={name} value={name}>
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {all.map(({ name, code }) => (
          <Tabs.Panel key={name} value={name} pt="sm">
            <Group align="flex-start" gap="xs" wrap="nowrap">
              <Code block tabIndex={0} style={{ flex: 1 }}>
                {code}
              </Code>
              <Copy value={code} label={`Copy the snippet for ${name}`} />
            </Group>
          </Tabs.Panel>
        ))}
      </Tabs>
    </Card>
  );
}
