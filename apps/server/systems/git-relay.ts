import { join, resolve } from "node:path";
import {
  createGitRelay,
  createGitRelayApi,
  createRelayTimelineSource,
  eventSaved,
  type GitRelay,
  loadRelayKey,
  relayErrors,
} from "@signalbox/git-relay";
import { createServiceGroup } from "@signalbox/kernel";
import { version } from "../version.js";
import { createSyncJourneys } from "./sync-journeys.js";
import type { SystemDefinition, SystemRoutes } from "./system.js";

export const gitRelay: SystemDefinition = {
  name: "git relay",
  catalogues: [relayErrors],

  create({ stores, streams, clock, logger, metrics, config, roles, serverUrl }) {
    const routesOf = (relay?: GitRelay): readonly SystemRoutes[] => [
      {
        role: "dashboard",
        plugin: createGitRelayApi({ database: stores.database, clock, logger, settings: config.relay, relay }),
      },
    ];
    const timeline = createRelayTimelineSource(stores.database);
    const [peersTopic, repositoriesTopic] = ["relay.peers", "relay.repositories"].map((topic) =>
      streams.addTopic(topic, { scope: "relay:read" }),
    );
    // Every process that publishes or handles knows the events; only one with the role listens.
    if (!roles.has("relay"))
      return { configure: (registry) => void registry.register(eventSaved), routes: routesOf(), timeline };
    const dataDirectory = resolve(config.dataDir);
    // Where the tracker is another process, nothing here knows its address.
    const recording = roles.has("tracker")
      ? createSyncJourneys({
          endpoint: serverUrl,
          dataDirectory,
          audience: config.auth.audience,
          spoolDirectory: join(dataDirectory, "relay-journeys"),
          clock,
          logger,
        })
      : undefined;
    const relay = createGitRelay({
      database: stores.database,
      clock,
      logger,
      metrics,
      settings: config.relay,
      signer: loadRelayKey({ directory: dataDirectory, configured: config.relay.secretKey?.reveal() }),
      version,
      trustedProxies: config.http.trustedProxies,
      ...(peersTopic && { peersTopic }),
      ...(repositoriesTopic && { repositoriesTopic }),
      journeys: recording?.journeys,
    });
    return {
      configure: relay.configure,
      attach: relay.attach,
      service: recording ? createServiceGroup("git relay", [recording.service, relay.service]) : relay.service,
      intake: relay.intake,
      routes: routesOf(relay),
      timeline,
      announce: async () => [{ label: "Git relay", value: relay.url }],
    };
  },
};
