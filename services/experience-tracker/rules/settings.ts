/** What the generated files depend on besides the definitions. */
export interface RuleSettings {
  /** `gitlab_covered_experience`, or `gitlab_user_experience`, whose label is `user_experience_id`. */
  readonly metricPrefix: string;
  /** Whether the counters of journeys have a page of their own, which is scraped through one address. */
  readonly sliMetrics: "inline" | "separate";
  /** Where people reach the server, without a final slash. Absent: alerts have no links. */
  readonly publicUrl: string | undefined;
  /** Host and port of the metrics listener, as the printed scrape configuration names them. */
  readonly metricsTarget: string;
  /** Seconds between two journeys of the canary; 0: there are none, and nothing is concluded from that. */
  readonly canaryIntervalS: number;
}

/** The values of a server's configuration that matter here. */
export interface RuleConfiguration {
  readonly experience: Pick<RuleSettings, "metricPrefix" | "sliMetrics" | "canaryIntervalS">;
  readonly publicUrl?: string | undefined;
  readonly metricsListen: { readonly host: string; readonly port: number };
}

export function ruleSettingsOf({ experience, publicUrl, metricsListen }: RuleConfiguration): RuleSettings {
  const { host, port } = metricsListen;
  return {
    metricPrefix: experience.metricPrefix,
    sliMetrics: experience.sliMetrics,
    publicUrl: publicUrl?.replace(/\/+$/, ""),
    metricsTarget: `${nameOf(host)}:${port}`,
    canaryIntervalS: experience.canaryIntervalS,
  };
}

/** A listener on all addresses of a machine has none that could be asked for. */
function nameOf(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
