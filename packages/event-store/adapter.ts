// For those who write a transport of their own.
export { atRoot } from "./at-root.js";
export { type OptionRule, optionRules, readTransportOptions } from "./transports/check-transport-options.js";
export { HandOut, type HandOutOptions } from "./transports/hand-out.js";
export { Gatherer, type GathererOptions } from "./transports/sql/gatherer.js";
