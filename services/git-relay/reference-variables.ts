import type { Alias, Logger } from "@signalbox/kernel";

/** Variables of `ngit-grasp`, the reference server of GRASP, and the settings of the same meaning here. */
export const referenceVariables: Readonly<Record<string, Alias>> = {
  NGIT_BIND_ADDRESS: { key: "relay.listen" },
  NGIT_DOMAIN: { key: "relay.domain" },
  NGIT_RELAY_NAME: { key: "relay.name" },
  NGIT_RELAY_DESCRIPTION: { key: "relay.description" },
  NGIT_RELAY_OWNER_NSEC: { key: "relay.secret_key" },
  NGIT_REPOSITORY_WHITELIST: { key: "relay.policy.repositories" },
  NGIT_REPOSITORY_BLACKLIST: { key: "relay.policy.blocked_repositories" },
  NGIT_EVENT_BLACKLIST: { key: "relay.policy.blocked_authors" },
  NGIT_MAX_CONNECTIONS: { key: "relay.limits.max_connections" },
  NGIT_METRICS_CONNECTION_PER_IP_ABUSE_THRESHOLD: { key: "relay.limits.abuse_threshold" },
  NGIT_SYNC_BOOTSTRAP_RELAY_URL: { key: "relay.sync.bootstrap_relays" },
  NGIT_SYNC_BASE_BACKOFF_SECS: { key: "relay.sync.base_backoff_s" },
  NGIT_SYNC_MAX_BACKOFF_SECS: { key: "relay.sync.max_backoff_s" },
  NGIT_SYNC_DISABLE_NEGENTROPY: { key: "relay.sync.negentropy", translate: (raw) => String(raw !== "true") },
  NGIT_REJECTED_HOT_CACHE_DURATION_SECS: { key: "relay.sync.rejected_hot_s" },
  NGIT_REJECTED_COLD_INDEX_EXPIRY_SECS: { key: "relay.sync.rejected_cold_s" },
  NGIT_NAUGHTY_LIST_EXPIRATION_HOURS: { key: "relay.sync.naughty_hours" },
};

const prefix = "NGIT_";

/** Says which variables of the reference server were found, what they are called here, and which of them mean nothing. */
export function warnOfReferenceVariables(env: Readonly<Record<string, string | undefined>>, logger: Logger): void {
  const found = Object.keys(env).filter((name) => name.startsWith(prefix) && env[name] !== "");
  const unknown: string[] = [];
  for (const name of found) {
    const alias = referenceVariables[name];
    if (alias)
      logger.warn("a variable of another server is read; set our key instead", { variable: name, key: alias.key });
    else unknown.push(name);
  }
  if (unknown.length > 0) logger.warn("variables of another server mean nothing here", { variables: unknown });
}
