import type { InboundFilter } from "../filters/filter-settings.js";
import type { LimitedSender } from "./rate-limiter.js";

/** Whom a usable key stands for. */
export interface Sender extends LimitedSender {
  readonly projectId: number;
  readonly keyId: number;
  /** Globs over the web origins that browsers may send from; none: all. */
  readonly allowedOrigins: readonly string[];
  /** Tells which events its project does not want. */
  readonly filter: InboundFilter | undefined;
  /** Whether reports of policy violations that browser extensions cause are left out. */
  readonly filterCspSources: boolean;
}
