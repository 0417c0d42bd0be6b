import { Tabs } from "@mantine/core";
import { Card } from "../../shared/card.js";
import { Snippet } from "../../shared/states.js";
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
            <Snippet code={code} label={`Copy the snippet for ${name}`} />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Card>
  );
}
