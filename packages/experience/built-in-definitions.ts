import { type Definition, parseDefinition } from "./definition.js";

/** The product's own journeys. They exist whatever the folder of definitions holds. */
export const builtInDefinitions: readonly Definition[] = [
  builtIn("signalbox_canary", {
    description: "The tracker sends itself a journey and checks that it is counted",
    feature_category: "not_owned",
    urgency: "sync_fast",
    timeout_s: 10,
    types: ["web"],
    alerts: { enabled: false },
  }),
  builtIn("signalbox_relay_historic_sync", {
    description: "The relay catches up with everything that a peer already has",
    feature_category: "not_owned",
    urgency: "async_slow",
    timeout_s: 7_200,
  }),
];

function builtIn(id: string, content: object): Definition {
  const reading = parseDefinition(id, content);
  if (reading.kind === "invalid") throw new TypeError(`The built-in definition ${id} is invalid`);
  return reading.definition;
}
