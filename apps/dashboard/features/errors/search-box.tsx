import { ActionIcon, Autocomplete } from "@mantine/core";
import { IconSearch, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import { api, dataOf } from "../../api/client.js";
import { completions } from "./complete-query.js";

/** Words and `key:value` terms; keys and their usual values are offered while typing. */
export function SearchBox({
  project,
  value,
  onSearch,
}: {
  readonly project: number;
  readonly value: string;
  readonly onSearch: (query: string) => void;
}) {
  const [text, setText] = useState(value);
  const releases = useQuery({
    queryKey: ["errors", project, "releases", "names"],
    queryFn: () =>
      dataOf(api.GET("/api/v1/projects/{id}/releases", { params: { path: { id: project }, query: { limit: 20 } } })),
    enabled: /(?:release|firstRelease):\S*$/.test(text),
    staleTime: 60_000,
  });
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>): void => {
    // An option that is chosen by the keyboard is taken, not searched for.
    const isChoosing = event.currentTarget.getAttribute("aria-activedescendant");
    if (event.key === "Enter" && !isChoosing) onSearch(text.trim());
  };
  return (
    <Autocomplete
      aria-label="Search"
      placeholder="Search: words, is:regressed, level:error, release:1.4.2, user.email:…"
      size="sm"
      leftSection={<IconSearch size={15} aria-hidden />}
      rightSection={
        text !== "" && (
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label="Clear the search"
            onClick={() => {
              setText("");
              onSearch("");
            }}
          >
            <IconX size={14} />
          </ActionIcon>
        )
      }
      value={text}
      onChange={setText}
      onKeyDown={onKeyDown}
      data={completions(
        text,
        (releases.data ?? []).map(({ version }) => version),
      )}
      // What is offered fits what is typed already.
      filter={({ options }) => options}
      limit={12}
    />
  );
}
