import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** Filters, sort and tab of a page, kept in the address so that a link shows the same. */
export function useUrlState() {
  const [parameters, setParameters] = useSearchParams();
  const get = useCallback((name: string, fallback = "") => parameters.get(name) ?? fallback, [parameters]);
  const set = useCallback(
    (changes: Readonly<Record<string, string | null>>, { replace = false } = {}) => {
      setParameters(
        (current) => {
          const next = new URLSearchParams(current);
          for (const [name, value] of Object.entries(changes)) {
            if (value === null || value === "") next.delete(name);
            else next.set(name, value);
          }
          return next;
        },
        { replace },
      );
    },
    [setParameters],
  );
  return { get, set };
}
