import type { InboundFilter } from "./filters/filter-settings.js";
import type { LimitedSender } from "./rate-limiter.js";

/** Whom a usable key stands for. */
export interface Sender extends LimitedSender {
  readonly projectId: number;
  readonly keyId: number;
  /** Tells which events its project does not want. */
  readonly filter: InboundFilter | undefined;
  /** Whether reports of policy violations that browser extensions cause are left out. */
  readonly filterCspSources: boolean;
}
