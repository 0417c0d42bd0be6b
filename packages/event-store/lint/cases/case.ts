/** A file as a linter may meet it. */
export interface Case {
  readonly code: string;
  /** Default: a file of no context. */
  readonly filename?: string;
  readonly options?: readonly object[];
  /** In place of the settings that all cases share. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export interface InvalidCase extends Case {
  /** Messages, in order. */
  readonly errors: readonly string[];
}

export interface RuleCases {
  readonly valid: readonly Case[];
  readonly invalid: readonly InvalidCase[];
}

/** Two modules and an optional edition. */
export const settings = {
  "event-store": {
    contexts: { ci: ["modules/ci/**", "ee/ci/**", "@forge/ci"], merge_requests: ["modules/merge_requests/**"] },
    editions: { enterprise: ["ee/**"] },
    exempt: ["ci.legacy_*"],
  },
};

export const ci = "modules/ci/events/pipeline.js";
export const ciService = "modules/ci/create-pipeline.js";
export const mergeRequests = "modules/merge_requests/update-head.js";
