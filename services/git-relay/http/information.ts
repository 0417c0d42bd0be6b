import type { RelaySettings } from "../config.js";
import { maxSubscriptionIdLength } from "../ws/read-message.js";

/** What a client may know of the relay before it connects (NIP-11). */
export interface InformationOptions {
  readonly settings: RelaySettings;
  /** As clients write it. */
  readonly domain: string;
  /** The relay's own public key. */
  readonly self: string;
  /** The operator's public key, as hex. */
  readonly pubkey: string | undefined;
  readonly version: string;
}

/** NIPs that work whatever the configuration. */
const supportedNips = [1, 9, 11, 34, 40, 42, 45, 67, 70, 77];
const searchNip = 50;

export function describeRelay({ settings, domain, self, pubkey, version }: InformationOptions): object {
  const { name, description, contact, profile, limits } = settings;
  const curation = describeCuration(settings);
  return {
    name: name ?? `${domain} git relay`,
    description: profile === "open" ? `${description}. Takes every valid event.` : description,
    icon: `https://${domain}/icon.png`,
    ...(pubkey !== undefined && { pubkey }),
    self,
    ...(contact !== undefined && { contact }),
    software: "signalbox",
    version,
    supported_nips: settings.search.enabled
      ? [...supportedNips, searchNip].sort((one, other) => one - other)
      : supportedNips,
    supported_grasps: [],
    repo_acceptance_criteria: acceptanceCriteria(settings),
    ...(curation !== undefined && { curation }),
    limitation: {
      max_message_length: limits.maxMessageBytes,
      max_subscriptions: limits.maxSubscriptions,
      max_limit: limits.maxLimit,
      default_limit: limits.defaultLimit,
      max_subid_length: maxSubscriptionIdLength,
      max_event_tags: limits.maxEventTags,
      max_content_length: limits.maxContentLength,
      created_at_upper_limit: limits.maxFutureS,
      auth_required: false,
      payment_required: false,
      restricted_writes: profile === "grasp",
    },
  };
}

/** What the operator chooses by; nothing when it is not chosen. */
function describeCuration({ policy }: RelaySettings): string | undefined {
  const sentences: string[] = [];
  if (policy.repositories.length > 0) sentences.push(onlyListed);
  if (policy.module !== undefined) sentences.push(byModule);
  return sentences.length === 0 ? undefined : sentences.join(" ");
}

const onlyListed = "Only repositories on the operator's list are accepted.";
const byModule = "Events are accepted by rules of the operator's own.";

/** One sentence for each restriction. */
function acceptanceCriteria({ profile, policy }: RelaySettings): string {
  const sentences: string[] = [];
  if (profile === "grasp") sentences.push("Announcements list this service in clone and relays.");
  if (policy.repositories.length > 0) sentences.push(onlyListed);
  if (policy.module !== undefined) sentences.push(byModule);
  if (policy.blockedRepositories.length > 0) sentences.push("Some repositories are refused.");
  if (policy.blockedAuthors.length > 0) sentences.push("Some authors are refused.");
  return sentences.length === 0 ? "None" : sentences.join(" ");
}
