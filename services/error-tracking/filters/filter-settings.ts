import { BlockList, isIP } from "node:net";
import type { JsonObject } from "@signalbox/sentry-protocol";
import { matchesGlob } from "../glob.js";
import { ProjectError } from "../projects/project-errors.js";
import { type FilteredEvent, readFilteredEvent } from "./filtered-event.js";
import { filterCrawlers, filterExtensions, filterLegacyBrowsers, filterLocalhost } from "./ready-made.js";

/** Which events a project does not want. Globs match as a whole, in any case. */
export interface FilterSettings {
  /** Globs over `Type: value` of an exception, or over the message. */
  readonly messages: readonly string[];
  readonly releases: readonly string[];
  readonly environments: readonly string[];
  /** Addresses, or networks as `10.0.0.0/8`, that reports come from. */
  readonly networks: readonly string[];
  readonly crawlers: boolean;
  readonly browserExtensions: boolean;
  readonly localhost: boolean;
  readonly legacyBrowsers: boolean;
  /** Security reports that browser extensions and empty pages cause. */
  readonly cspSources: boolean;
}

export const noFilters: FilterSettings = {
  messages: [],
  releases: [],
  environments: [],
  networks: [],
  crawlers: false,
  browserExtensions: false,
  localhost: false,
  legacyBrowsers: false,
  cspSources: true,
};

/** The connection that an event came over. */
export interface Connection {
  readonly clientAddress: string | undefined;
  readonly userAgent: string | undefined;
}

/** The name of the filter that an event is caught by; undefined when it may come in. */
export type InboundFilter = (event: JsonObject, connection: Connection) => FilterName | undefined;

export type FilterName = keyof typeof filters;

type Check = (event: FilteredEvent) => boolean;

/** Each makes the check of one filter from the settings; undefined where it is off. */
const filters = {
  network: ({ networks }: FilterSettings): Check | undefined => {
    if (networks.length === 0) return undefined;
    const blocked = blockListOf(networks);
    return ({ clientAddress }) => isBlocked(blocked, clientAddress);
  },
  release: ({ releases }: FilterSettings) => globs(releases, ({ release }) => [release]),
  environment: ({ environments }: FilterSettings) => globs(environments, ({ environment }) => [environment]),
  message: ({ messages }: FilterSettings) => globs(messages, (event) => event.messages),
  crawler: ({ crawlers }: FilterSettings) => (crawlers ? filterCrawlers : undefined),
  legacy_browser: ({ legacyBrowsers }: FilterSettings) => (legacyBrowsers ? filterLegacyBrowsers : undefined),
  browser_extension: ({ browserExtensions }: FilterSettings) => (browserExtensions ? filterExtensions : undefined),
  localhost: ({ localhost }: FilterSettings) => (localhost ? filterLocalhost : undefined),
} as const;

const names: readonly FilterName[] = [
  "network",
  "release",
  "environment",
  "message",
  "crawler",
  "legacy_browser",
  "browser_extension",
  "localhost",
];

/** What the settings come to; undefined when every event may come in. */
export function compileFilters(settings: FilterSettings): InboundFilter | undefined {
  const checks = names.flatMap((name) => {
    const check = filters[name](settings);
    return check === undefined ? [] : [{ name, check }];
  });
  if (checks.length === 0) return undefined;
  return (event, connection) => {
    const filtered = readFilteredEvent(event, connection);
    return checks.find(({ check }) => check(filtered))?.name;
  };
}

/** @throws {ProjectError} `ET_NETWORK_INVALID` */
export function checkFilters({ networks }: FilterSettings): void {
  blockListOf(networks);
}

function globs(wanted: readonly string[], textsOf: (event: FilteredEvent) => readonly string[]): Check | undefined {
  if (wanted.length === 0) return undefined;
  return (event) => textsOf(event).some((text) => wanted.some((glob) => matchesGlob(text, glob)));
}

function blockListOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix, ...rest] = network.split("/");
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    const longest = family === "ipv6" ? 128 : 32;
    const bits = prefix === undefined ? longest : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
    if (isIP(address) === 0 || rest.length > 0 || !(bits >= 0 && bits <= longest))
      throw new ProjectError("ET_NETWORK_INVALID", { details: { network } });
    list.addSubnet(address, bits, family);
  }
  return list;
}

function isBlocked(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? "ipv6" : "ipv4");
}
