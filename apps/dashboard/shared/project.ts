import { useEffect } from "react";
import { useLocation } from "react-router";

const storageKey = "signalbox.project";

/** The project of the page, or the one that was looked at last. */
export function useProjectId(): number {
  const { pathname } = useLocation();
  const inPath = Number(/^\/projects\/(\d+)/.exec(pathname)?.[1] ?? Number.NaN);
  useEffect(() => {
    if (Number.isSafeInteger(inPath)) localStorage.setItem(storageKey, String(inPath));
  }, [inPath]);
  if (Number.isSafeInteger(inPath)) return inPath;
  const last = Number(localStorage.getItem(storageKey));
  return Number.isSafeInteger(last) && last > 0 ? last : 1;
}
