import { AsyncLocalStorage } from "node:async_hooks";

/** Runs work in the context of nobody in particular, so that it inherits no correlation and no open transaction. */
export const atRoot: <T>(work: () => T) => T = AsyncLocalStorage.snapshot();
