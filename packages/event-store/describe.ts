import { createHash } from "node:crypto";
import { canonicalJson } from "./canonical-json.js";
import { Definition, type Deprecation, type EventDefinition } from "./define-event.js";
import type { Limits } from "./limits.js";
import type { EffectiveOptions, FrozenRegistry } from "./registry.js";
import type { Transport } from "./transports/transport.js";

/** What a store is made of, as JSON. Equal stores are described equally. */
export interface StoreDescription {
  readonly events: readonly {
    readonly type: string;
    readonly version: number;
    /** SHA-256 of the schema with sorted keys. */
    readonly schemaHash: string;
    readonly owner: string | null;
    readonly deprecated: Deprecation | null;
  }[];
  readonly subscriptions: readonly {
    readonly id: string;
    readonly subscriber: string;
    readonly event: string;
    readonly hasCondition: boolean;
    readonly hasKey: boolean;
    readonly options: EffectiveOptions;
  }[];
  readonly transport: {
    readonly name: string;
    /** `null` where there is no engine, and before the transport was opened. */
    readonly engineVersion: string | null;
    readonly cannot: readonly string[];
    readonly keyIsolation: string;
  };
  readonly limits: Limits;
}

export function describeStore(registry: FrozenRegistry, transport: Transport, limits: Limits): StoreDescription {
  const description: StoreDescription = {
    events: [...registry.definitions]
      .sort((left, right) => (left.type < right.type ? -1 : 1))
      .map((definition) => ({
        type: definition.type,
        version: definition.version,
        schemaHash: createHash("sha256").update(canonicalJson(definition.schema)).digest("hex"),
        owner: definition.owner ?? null,
        deprecated: definition.deprecated ?? null,
      })),
    subscriptions: registry.subscriptions.map((subscription) => ({
      id: subscription.id,
      subscriber: subscription.subscriber.name,
      event: subscription.event.type,
      hasCondition: subscription.condition !== null,
      hasKey: subscription.isOrdered && (subscription.key !== null || definesKey(subscription.event)),
      options: subscription.options,
    })),
    transport: {
      name: transport.name,
      engineVersion: transport.engineVersion ?? null,
      cannot: transport.cannot,
      keyIsolation: transport.keyIsolation,
    },
    limits,
  };
  // Functions among the options are no JSON and say nothing to a reader.
  return JSON.parse(JSON.stringify(description)) as StoreDescription;
}

function definesKey(definition: EventDefinition<unknown>): boolean {
  return Definition.is(definition) && Definition.hasKey(definition);
}
