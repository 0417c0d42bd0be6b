import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

export type LiveState = "connecting" | "live" | "lost";

/**
 * Listens to topics of `/api/v1/stream` and has the queries that depend on one read again when it changes. After a lost
 * connection everything is read again, since the browser connects anew by itself.
 */
export function useLive(topics: Readonly<Record<string, readonly unknown[]>>): LiveState {
  const queries = useQueryClient();
  const [state, setState] = useState<LiveState>("connecting");
  const names = Object.keys(topics).sort().join(",");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the keys of a topic do not change while its name stays.
  useEffect(() => {
    if (names === "") return;
    const source = new EventSource(`/api/v1/stream?topics=${encodeURIComponent(names)}`);
    const readAgain = (queryKey: readonly unknown[]): void => void queries.invalidateQueries({ queryKey });
    for (const [topic, queryKey] of Object.entries(topics)) source.addEventListener(topic, () => readAgain(queryKey));
    source.addEventListener("open", () => setState("live"));
    source.addEventListener("reset", () => {
      for (const queryKey of Object.values(topics)) readAgain(queryKey);
    });
    source.addEventListener("error", () => setState("lost"));
    return () => source.close();
  }, [names, queries]);
  return state;
}
