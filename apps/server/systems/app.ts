import type { EventStore } from "@signalbox/event-store";
import { createService } from "@signalbox/kernel";
import type { App } from "../load-app.js";
import { urlOf } from "../stores.js";
import type { SystemDefinition } from "./system.js";

/** The program of `serve --app`, as one more system beside the server's own. */
export function appSystem(app: App): SystemDefinition {
  return {
    name: "app",
    catalogues: [],

    create({ config, roles, serverUrl }) {
      const { configure, start } = app;
      const relayUrl = roles.has("relay") ? urlOf(config.relay.listen).replace(/^http/, "ws") : undefined;
      let end: (() => Promise<void>) | undefined;
      let attached: EventStore | undefined;
      return {
        configure: (registry) => {
          for (const contribute of configure) contribute(registry);
        },
        attach(eventStore) {
          attached = eventStore;
        },
        ...(start && {
          client: createService({
            name: "app",
            async start() {
              if (attached) end = await start({ eventStore: attached, serverUrl: serverUrl(), relayUrl });
            },
            stop: async () => end?.(),
          }),
        }),
      };
    },
  };
}
