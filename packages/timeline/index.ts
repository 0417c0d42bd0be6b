export { type Explanation, explainFailures } from "./explain.js";
export { orderEntries } from "./order.js";
export { relateEntries } from "./relate.js";
export type * from "./timeline-source.js";
