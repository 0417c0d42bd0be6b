import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Runs work in the context of nobody in particular. Background work must not inherit the correlation, and above all
 * not the open transaction, of whoever happened to wake it.
 */
export const atRoot: <T>(work: () => T) => T = AsyncLocalStorage.snapshot();
