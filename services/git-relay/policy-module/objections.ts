import { type NostrEvent, readReferences, tagValue } from "@signalbox/nostr";
import { type FirstRules, isRelated, type PolicyContext, type Refusal } from "../policy.js";
import type { EventSource } from "../store/port.js";
import type { ModuleContext } from "./answers.js";
import type { ModuleFault, PolicyModule } from "./run-module.js";

/** What the operator's module has against an event; nothing when it has not. Never rejects. */
export type Objections = (
  event: NostrEvent,
  context: PolicyContext,
  source: EventSource,
) => Promise<Refusal | undefined>;

/** Asks the module about events that the first rules let pass. */
export function createObjections(module: Pick<PolicyModule, "ask">, firstRules: FirstRules): Objections {
  return async (event, context, source) => {
    if (firstRules(event, context, source)) return undefined;
    const answer = await module.ask(event, describe(event, context, source));
    if (answer.kind === "accept") return undefined;
    return answer.kind === "reject" ? answer : { kind: "reject", prefix: "error", text: reasons[answer.fault] };
  };
}

const reasons: Readonly<Record<ModuleFault, string>> = {
  throw: "the relay's policy module failed, try again",
  overrun: "the relay's policy module took too long, try again",
  answer: "the relay's policy module gave no decision, try again",
};

function describe(event: NostrEvent, { facts, now, authenticated }: PolicyContext, source: EventSource): ModuleContext {
  const identifier = tagValue(event, "d");
  return {
    source,
    now,
    authenticated: [...authenticated],
    isRelated: isRelated(event, facts),
    repositories: readReferences(event).addresses.filter((address) => facts.isAnnounced(address)),
    announcements: (identifier === undefined ? [] : facts.announcementsOf(identifier)).map((announcement) => ({
      address: announcement.address,
      pubkey: announcement.pubkey,
      identifier: announcement.identifier,
      maintainers: [...announcement.maintainers],
    })),
  };
}
