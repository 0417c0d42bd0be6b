import { resolve } from "node:path";
import {
  createGitRelay,
  createGitRelayApi,
  createRelayTimelineSource,
  eventSaved,
  loadRelayKey,
  relayErrors,
  relayMigrations,
} from "@signalbox/git-relay";
import { version } from "../version.js";
import type { SystemDefinition } from "./system.js";

export const gitRelay: SystemDefinition = {
  name: "git relay",
  migrations: [relayMigrations],
  analyticsMigrations: [],
  catalogues: [relayErrors],

  create({ stores, clock, logger, metrics, config, roles }) {
    const api = createGitRelayApi({ database: stores.database, clock, settings: config.relay });
    const routes = [{ role: "dashboard", plugin: api }] as const;
    const timeline = createRelayTimelineSource(stores.database);
    // Every process that publishes or handles knows the events; only one with the role listens.
    if (!roles.has("relay")) return { configure: (registry) => void registry.register(eventSaved), routes, timeline };
    const relay = createGitRelay({
      database: stores.database,
      clock,
      logger,
      metrics,
      settings: config.relay,
      signer: loadRelayKey({ directory: resolve(config.dataDir), configured: config.relay.secretKey?.reveal() }),
      version,
      trustedProxies: config.http.trustedProxies,
    });
    return {
      configure: relay.configure,
      attach: relay.attach,
      service: relay.service,
      intake: relay.intake,
      routes,
      timeline,
      announce: async () => [{ label: "Git relay", value: relay.url }],
    };
  },
};
