import type { Logger } from "./logger.js";

const ignore = (): void => {};

/** Writes nothing. The default of every library. */
export const silentLogger: Logger = /* @__PURE__ */ Object.freeze({
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  child: () => silentLogger,
  isEnabled: () => false,
});
