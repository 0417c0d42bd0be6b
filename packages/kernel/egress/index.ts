export { isAllowListEntry } from "./allow-list.js";
export * from "./egress-guard.js";
export type { EgressRequestOptions, EgressResponse } from "./guarded-request.js";
