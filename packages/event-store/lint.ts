import { cheapCondition } from "./lint/cheap-condition.js";
import { configureOnlySubscribe } from "./lint/configure-only-subscribe.js";
import { editionBoundary } from "./lint/edition-boundary.js";
import { eventDocumented } from "./lint/event-documented.js";
import { eventInOwnContext } from "./lint/event-in-own-context.js";
import { knownContext } from "./lint/known-context.js";
import { noCrossContextCall } from "./lint/no-cross-context-call.js";
import { noFloatingPublish } from "./lint/no-floating-publish.js";
import { noHandlerOverride } from "./lint/no-handler-override.js";
import { noHandmadeEvent } from "./lint/no-handmade-event.js";
import { noPublishInTransaction } from "./lint/no-publish-in-transaction.js";
import { pastTenseName } from "./lint/past-tense-name.js";
import { publishFromService } from "./lint/publish-from-service.js";
import { publishInOwnContext } from "./lint/publish-in-own-context.js";
import { requiredOnlyIdentifiers } from "./lint/required-only-identifiers.js";
import type { Rule } from "./lint/rule.js";
import { subscriberHasHandler } from "./lint/subscriber-has-handler.js";

export type { Rule, RuleContext, Visitor } from "./lint/rule.js";
export { cacheKey, type LintSettings } from "./lint/settings.js";

const name = "event-store";

export const rules = {
  "subscriber-has-handler": subscriberHasHandler,
  "no-handler-override": noHandlerOverride,
  "no-cross-context-call": noCrossContextCall,
  "event-in-own-context": eventInOwnContext,
  "publish-in-own-context": publishInOwnContext,
  "known-context": knownContext,
  "past-tense-name": pastTenseName,
  "cheap-condition": cheapCondition,
  "no-publish-in-transaction": noPublishInTransaction,
  "no-floating-publish": noFloatingPublish,
  "event-documented": eventDocumented,
  "configure-only-subscribe": configureOnlySubscribe,
  "edition-boundary": editionBoundary,
  "publish-from-service": publishFromService,
  "required-only-identifiers": requiredOnlyIdentifiers,
  "no-handmade-event": noHandmadeEvent,
} satisfies Readonly<Record<string, Rule>>;

interface PluginRules {
  readonly meta: { readonly name: string };
  readonly rules: Record<keyof typeof rules, Rule>;
}

/** A linter's plugin: ESLint's from version 9 on, and oxlint's. */
export interface LintPlugin extends PluginRules {
  readonly configs: { readonly recommended: RecommendedConfig };
}

/** An entry of ESLint's flat configuration. */
export interface RecommendedConfig {
  readonly name: string;
  readonly plugins: Record<string, PluginRules>;
  readonly rules: Record<string, "error">;
}

const recommendedRules = Object.entries(rules)
  .filter(([, { meta }]) => meta.docs.recommended)
  .map(([rule]) => [`${name}/${rule}`, "error"] as const);

const plugin: LintPlugin = {
  meta: { name },
  rules,
  configs: {
    recommended: {
      name: `${name}/recommended`,
      get plugins() {
        return { [name]: plugin };
      },
      rules: Object.fromEntries(recommendedRules),
    },
  },
};

export default plugin;
