import type { Category } from "@signalbox/sentry-protocol";
import type { FilterSettings } from "../filters/filter-settings.js";
import type { Quota } from "../projects/quotas.js";

const categories = [
  "default",
  "error",
  "transaction",
  "attachment",
  "session",
  "monitor",
  "feedback",
  "security",
  "span",
  "log_item",
  "trace_metric",
  "metric_bucket",
  "profile",
  "profile_chunk",
  "replay",
] as const satisfies readonly Category[];

const longestWindowS = 31 * 86_400;

export const quotaSchema = {
  type: "object",
  required: ["limit", "window_s"],
  additionalProperties: false,
  properties: {
    categories: {
      type: "array",
      maxItems: categories.length,
      uniqueItems: true,
      items: { enum: categories },
      default: [],
      description: "Kinds of items that are counted together; none: all kinds.",
    },
    limit: { type: "integer", minimum: 0, maximum: 1e12, description: "Items in one window; 0: none may come in." },
    window_s: {
      type: "integer",
      minimum: 1,
      maximum: longestWindowS,
      description: "Length of a window; windows begin at multiples of it since 1970.",
    },
  },
} as const;

export const quotasSchema = { type: "array", maxItems: 20, items: quotaSchema } as const;

export const quotaExample = { categories: ["error"], limit: 300_000, window_s: 60 } as const;

export interface QuotaBody {
  readonly categories: readonly Category[];
  readonly limit: number;
  readonly window_s: number;
}

export function toQuota({ categories: of, limit, window_s: windowS }: QuotaBody): Quota {
  return { categories: of, limit, windowS };
}

export function showQuota({ categories: of, limit, windowS }: Quota): QuotaBody {
  return { categories: of, limit, window_s: windowS };
}

const globs = (description: string) =>
  ({ type: "array", maxItems: 200, items: { type: "string", minLength: 1, maxLength: 500 }, description }) as const;

export const filtersSchema = {
  type: "object",
  additionalProperties: false,
  description: "Events that are counted as filtered and not kept. In globs `*` is anything and `?` any one character.",
  properties: {
    messages: globs("Globs over `Type: value` of an exception, or over the message."),
    releases: globs("Globs over the release."),
    environments: globs("Globs over the environment."),
    networks: globs("Addresses, or networks as 10.0.0.0/8, that events come from."),
    crawlers: { type: "boolean", description: "What programs cause that read pages for search engines and the like." },
    browser_extensions: { type: "boolean", description: "What fails inside extensions of browsers." },
    localhost: { type: "boolean", description: "What pages on a developer's own machine report." },
    legacy_browsers: { type: "boolean", description: "Browsers too old to be worth it." },
    csp_sources: {
      type: "boolean",
      description: "Reports of policy violations that extensions and empty pages cause. On unless switched off.",
    },
  },
} as const;

export const filtersExample = {
  messages: ["ChunkLoadError: *"],
  releases: [],
  environments: ["test-*"],
  networks: ["10.0.0.0/8"],
  crawlers: true,
  browser_extensions: false,
  localhost: false,
  legacy_browsers: false,
  csp_sources: true,
} as const;

export interface FiltersBody {
  readonly messages?: readonly string[];
  readonly releases?: readonly string[];
  readonly environments?: readonly string[];
  readonly networks?: readonly string[];
  readonly crawlers?: boolean;
  readonly browser_extensions?: boolean;
  readonly localhost?: boolean;
  readonly legacy_browsers?: boolean;
  readonly csp_sources?: boolean;
}

/** What was sent, over what holds. */
export function toFilters(body: FiltersBody, before: FilterSettings): FilterSettings {
  return {
    messages: body.messages ?? before.messages,
    releases: body.releases ?? before.releases,
    environments: body.environments ?? before.environments,
    networks: body.networks ?? before.networks,
    crawlers: body.crawlers ?? before.crawlers,
    browserExtensions: body.browser_extensions ?? before.browserExtensions,
    localhost: body.localhost ?? before.localhost,
    legacyBrowsers: body.legacy_browsers ?? before.legacyBrowsers,
    cspSources: body.csp_sources ?? before.cspSources,
  };
}

export function showFilters(filters: FilterSettings): Required<FiltersBody> {
  return {
    messages: filters.messages,
    releases: filters.releases,
    environments: filters.environments,
    networks: filters.networks,
    crawlers: filters.crawlers,
    browser_extensions: filters.browserExtensions,
    localhost: filters.localhost,
    legacy_browsers: filters.legacyBrowsers,
    csp_sources: filters.cspSources,
  };
}
