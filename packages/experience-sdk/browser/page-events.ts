/** Whether somebody looks at the page, and whether it may be about to end. */
export interface PageEvents {
  readonly isHidden: () => boolean;
  stop(): void;
}

export interface PageListeners {
  /** The page is hidden or left: it may not get another turn. Called for each sign of it. */
  onLeave(): void;
  /** It is looked at again, was taken back from the browser's cache, or is online again. */
  onReturn(): void;
}

/** Where there is no page, as in a worker, nothing ever happens. */
export function watchPage({ onLeave, onReturn }: PageListeners): PageEvents {
  if (typeof document === "undefined") return { isHidden: () => false, stop: () => {} };
  const listening = new AbortController();
  const { signal } = listening;
  let left = false;
  const comeBack = (): void => {
    left = false;
    onReturn();
  };
  document.addEventListener(
    "visibilitychange",
    () => (document.visibilityState === "hidden" ? onLeave() : comeBack()),
    { signal },
  );
  addEventListener(
    "pagehide",
    () => {
      left = true;
      onLeave();
    },
    { signal },
  );
  addEventListener("pageshow", ({ persisted }) => persisted && comeBack(), { signal });
  addEventListener("online", onReturn, { signal });
  return {
    isHidden: () => left || document.visibilityState === "hidden",
    stop: () => listening.abort(),
  };
}
